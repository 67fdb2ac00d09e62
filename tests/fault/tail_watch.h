// TailWatch: one tail for each node, from the first record on, for as long as the drill lasts. A
// tail shows every record once and in order, whatever happens to the node that serves it.
//
// Threads: one for each tail, inside; calls from one thread. Lifetime: the destructor ends them.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "cairn/client.h"
#include "cairn/tailer.h"

namespace cairn::fault {

struct TailJudgement {
  uint64_t records = 0;
  uint64_t errors = 0;
  std::vector<std::string> findings;
};

class TailWatch {
 public:
  // Requires: the log exists.
  static absl::StatusOr<std::unique_ptr<TailWatch>> Start(const std::vector<std::string>& endpoints,
                                                          const std::string& log);
  ~TailWatch();
  TailWatch(const TailWatch&) = delete;
  TailWatch& operator=(const TailWatch&) = delete;

  // Waits until every tail has shown `last`, and says what was wrong with them.
  TailJudgement Judge(Seq last);

 private:
  struct Tail {
    std::string endpoint;
    std::unique_ptr<Tailer> tailer;
    std::thread thread;
    std::atomic<uint64_t> seen{0};    // Last seq.
    std::atomic<uint64_t> errors{0};  // Records that came twice, too early or too late.
    std::atomic<bool> ended{false};   // By an error; `why` is then final.
    std::string why;
  };
  TailWatch() = default;
  void Follow(Tail& tail) const;

  std::unique_ptr<Client> client_;
  std::atomic<bool> stop_{false};
  std::vector<std::unique_ptr<Tail>> tails_;
};

}  // namespace cairn::fault
