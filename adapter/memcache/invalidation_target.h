// InvalidationTarget: one memcached of another cluster, or an agent of one: brings it what its
// lanes hold, and tries again for ever when it cannot.
//
//   InvalidationLane ──Take──► "md KEY q" … "mn" ──► target ──MN──► Done
//   (one of each log)  ◄─Failed── no answer, SERVER_ERROR ──┘
//
// One batch is under way at a time; the lanes take turns. Quiet deletions answer nothing unless
// something is wrong, so the MN behind them confirms them all. A marker (docs/invalidation.md) goes
// in the same batch, behind the key that it stands for. CLIENT_ERROR is final for its key, and
// counted; everything else is tried again.
//
// Threads: the engine thread. Lifetime: Stop(), and await it, before it is destroyed; the lanes
// outlive it. Bounds: one batch.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "adapter/engine_socket.h"
#include "adapter/memcache/engine_connection.h"
#include "adapter/memcache/invalidation_lane.h"

namespace cairn::adapter::memcache {

// The commands of one batch, without their end. A marker is `marker_prefix` and the key; none if
// the prefix is empty, or a marker would be too long for a key.
std::string DeletionsText(const std::vector<Invalidation>& batch, std::string_view marker_prefix);

class InvalidationTarget {
 public:
  struct Options {
    EngineAddress address;
    std::string name;  // As the operator wrote it.
    std::string marker_prefix;
  };
  InvalidationTarget(asio::any_io_executor executor, Options options,
                     std::vector<InvalidationLane*> lanes);
  ~InvalidationTarget();
  InvalidationTarget(const InvalidationTarget&) = delete;
  InvalidationTarget& operator=(const InvalidationTarget&) = delete;

  void Start();
  asio::awaitable<void> Stop();
  // A lane has something to tell.
  void Wake() { wake_.Wake(); }

  [[nodiscard]] const std::string& name() const { return options_.name; }
  // It answers, as far as is known.
  [[nodiscard]] bool up() const { return up_; }
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  [[nodiscard]] uint64_t batches() const { return batches_; }
  [[nodiscard]] uint64_t failures() const { return failures_; }
  [[nodiscard]] uint64_t refused() const { return refused_; }

 private:
  asio::awaitable<void> Run();
  asio::awaitable<absl::Status> Serve();
  asio::awaitable<absl::Status> Tell(InvalidationLane* lane);
  asio::awaitable<absl::Status> Call(std::string commands, ReplyKind kind, std::string* reply);
  [[nodiscard]] InvalidationLane* NextLane();
  absl::Status Judge(std::string_view reply);

  const asio::any_io_executor executor_;
  const Options options_;
  const std::vector<InvalidationLane*> lanes_;
  size_t turn_ = 0;
  std::unique_ptr<EngineConnection> connection_;
  WakeUp wake_;
  bool running_ = false;
  bool stopping_ = false;
  bool up_ = false;
  std::string trouble_ = "not connected yet";
  uint64_t batches_ = 0;
  uint64_t failures_ = 0;
  uint64_t refused_ = 0;  // Keys that the target will never take.
};

}  // namespace cairn::adapter::memcache
