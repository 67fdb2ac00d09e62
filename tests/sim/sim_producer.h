// SimProducer: the real Producer of a simulated user, and what its deliveries have to say.
//
// Checked on the spot: tickets are answered in order, each once; the records of a single-writer
// chain stand next to each other. The rest is the history's business.
//
// Lifetime: the user's, which destroys it outside of its callbacks. What is unanswered then is
//   never answered: its outcome is unknown.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "base/ids.h"
#include "cairn/producer.h"
#include "tests/sim/sim_user.h"

namespace cairn::sim {

class SimProducer {
 public:
  // What every request demands; nothing by default.
  struct Demand {
    std::optional<Seq> if_last_seq;
    std::optional<Epoch> epoch;
  };
  // `eager`: fills the window of sequences, a record each.
  SimProducer(SimUser* user, bool eager, Demand demand);
  ~SimProducer();

  // One record. False: the producer has failed.
  bool Send();
  [[nodiscard]] bool failed() const { return !producer_->status().ok(); }
  [[nodiscard]] size_t unanswered() const { return handles_.size(); }
  // The last seq that an answer or a refusal showed.
  [[nodiscard]] Seq last_known() const { return last_known_; }

 private:
  void OnDelivery(const Delivery& delivery);
  void OnAppended(const Delivery& delivery, uint64_t offset, history::Operation& operation);
  void OnFailed(const Delivery& delivery, size_t handle);
  // The seq that the record before `ticket` must have.
  [[nodiscard]] Seq Before(uint64_t ticket) const { return *demand_.if_last_seq + (ticket - 1); }

  SimUser* const user_;
  const Demand demand_;
  uint64_t next_ticket_ = 1;
  bool refused_ = false;
  Seq last_known_;
  std::deque<size_t> handles_;  // Of unanswered records, in the order of tickets.
  std::unique_ptr<Producer> producer_;
};

}  // namespace cairn::sim
