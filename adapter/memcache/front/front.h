// Front: where clients of a memcached cache connect: the doors and the io threads behind them.
//
// Each client belongs to one io thread from its first byte to its last. New clients are dealt out
// in turn (doors.h).
//
// Threads: SetFacts and Stop from the agent's; Deliver and Stats from any. Lifetime: the writer's
// port is called until Stop() has returned.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "adapter/front/doors.h"
#include "adapter/memcache/front/front_thread.h"

namespace cairn::adapter::memcache {

struct FrontOptions {
  DoorOptions doors;
  int io_threads = 0;  // 0: see CountIoThreads.
  FrontThreadOptions thread;
};

class Front {
 public:
  // Listens and starts the threads. Requests wait until the first facts.
  // Errors: those of Doors::Open and of PeerContext.
  static absl::StatusOr<std::unique_ptr<Front>> Start(FrontOptions options);
  ~Front();
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;

  // Where it listens: "host:port".
  [[nodiscard]] const std::string& address() const { return doors_->address(); }

  void SetFacts(FrontFacts facts);
  void Deliver(size_t thread, std::vector<WriteReply> replies);
  [[nodiscard]] FrontStats Stats() const;
  void Stop();

 private:
  explicit Front(FrontOptions options) : options_(std::move(options)) {}

  const FrontOptions options_;
  std::atomic<size_t> clients_{0};
  std::vector<std::unique_ptr<FrontThread>> threads_;
  std::unique_ptr<Doors> doors_;
  bool stopped_ = false;
};

}  // namespace cairn::adapter::memcache
