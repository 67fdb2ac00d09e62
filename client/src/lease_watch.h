// LeaseWatch: what the records of a log tell about one of its leases. Pure.
//
// Folds a tail's events, in order, into: who holds the lease, since which epoch, when it last gave
// a sign of life (by the watcher's own clock, at the time of consuming), and how far the watcher
// has read. A tail that begins in the middle learns of a holder by its next renewal mark, then
// without its name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "cairn/tailer.h"
#include "cairn/types.h"

namespace cairn::client {

class LeaseWatch {
 public:
  // `assumed_ttl_us` stands in for the TTL of a grant that was not seen.
  LeaseWatch(std::string lease_name, int64_t assumed_ttl_us)
      : lease_name_(lease_name.empty() ? "primary" : std::move(lease_name)),
        assumed_ttl_us_(assumed_ttl_us) {}

  // Returns true if the lease became free by it.
  bool OnEvent(const TailEvent& event, MonoMicros now_us);

  // 0 when nobody holds the lease, as far as is known.
  [[nodiscard]] Epoch epoch() const { return epoch_; }
  [[nodiscard]] const std::string& holder() const { return holder_; }
  // Earliest moment at which the lease may be free: the last sign of life plus the TTL.
  [[nodiscard]] MonoMicros free_at_us() const { return epoch_ ? sign_of_life_us_ + ttl_us_ : 0; }
  // Last seq that was consumed; nullopt until it is known.
  [[nodiscard]] std::optional<Seq> position() const { return position_; }

 private:
  void OnRecord(const Record& record, MonoMicros now_us);
  void OnRenewed(const LeaseRenewed& mark, MonoMicros now_us);

  const std::string lease_name_;
  const int64_t assumed_ttl_us_;
  Epoch epoch_;
  std::string holder_;
  int64_t ttl_us_ = 0;
  MonoMicros sign_of_life_us_ = 0;
  std::optional<Seq> position_;
};

}  // namespace cairn::client
