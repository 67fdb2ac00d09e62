// Front: where clients of the cache connect: the listening socket and the io threads behind it.
//
// Each client belongs to one io thread from its first byte to its last. New clients are dealt out
// in turn (doors.h).
//
// Threads: FrontPort as it says; the rest from the thread that made it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "adapter/front/doors.h"
#include "adapter/redis/discovery/sentinel_server.h"
#include "adapter/redis/front/front_thread.h"
#include "adapter/redis/front_port.h"

namespace cairn::adapter::redis {

class Front : public FrontPort {
 public:
  // Listens and starts the threads. Clients are turned away until the first mode that takes them.
  // Errors: kInvalidArgument: the address is none, or the certificate cannot be used; kUnavailable:
  // it cannot be listened at.
  static absl::StatusOr<std::unique_ptr<Front>> Start(FrontOptions options, FrontHost* host);
  ~Front() override;

  // Where it listens: "host:port".
  [[nodiscard]] const std::string& address() const { return doors_->address(); }
  // The same of tls_listen. Requires: it was asked for.
  [[nodiscard]] const std::string& tls_address() const { return doors_->tls_address(); }
  // Null: it plays Sentinel on no port of its own.
  [[nodiscard]] const SentinelServer* sentinel() const { return sentinel_.get(); }

  void EngineUp(FrontEngine engine) override;
  void EngineDown() override;
  void SetMode(FrontMode mode, FrontReign reign) override;
  void Committed(StreamOffset offset, Seq seq) override;
  void Drain(std::function<void()> done) override;
  void DrainSlots(SlotRanges slots, std::string target, std::function<void()> done) override;
  void SetView(CacheView view) override;
  [[nodiscard]] FrontStats Stats() const override;
  void SetLogReachable(bool reachable) override;
  void Stop() override;

 private:
  Front(FrontOptions options, FrontHost* host) : options_(std::move(options)), host_(host) {}
  [[nodiscard]] const std::string& own_address() const {
    return options_.advertise.empty() ? address() : options_.advertise;
  }
  absl::Status Open();
  absl::Status PlaySentinel();
  // What each thread calls once; the last of them calls `done`.
  [[nodiscard]] std::function<void()> OncePerThread(std::function<void()> done) const;

  const FrontOptions options_;
  FrontHost* const host_;
  std::atomic<size_t> clients_{0};
  std::atomic<uint64_t> next_client_id_{1};
  FrontCrew threads_;
  std::unique_ptr<Doors> doors_;
  std::unique_ptr<SentinelServer> sentinel_;
  std::shared_ptr<Reign> reign_;
  bool stopped_ = false;
};

}  // namespace cairn::adapter::redis
