#include "adapter/memcache/view_snapshotter.h"

#include <fmt/format.h>

#include <random>
#include <utility>

#include "adapter/engine_socket.h"
#include "adapter/memcache/view_snapshot.h"
#include "adapter/snapshot_fetch.h"
#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

// A run that is open at the log's end is whole soon, or its writer is dead and the next one voids
// it.
constexpr int kOpenRunTries = 100;
constexpr Millis kOpenRunPause{100};

uint64_t DrawRandom() {
  std::random_device draw;
  return uint64_t{draw()} << 32 | draw();
}

}  // namespace

ViewSnapshotter::ViewSnapshotter(ReplayHost host, Client* client, Log log,
                                 SnapshotMakerOptions options, const Clock* clock)
    : host_(std::move(host)),
      client_(client),
      log_(std::move(log)),
      options_(std::move(options)),
      clock_(clock) {}

void ViewSnapshotter::Cancel() {
  cancelled_ = true;
  if (running_ != nullptr) running_->Cancel();
}

asio::awaitable<absl::StatusOr<SnapshotResult>> ViewSnapshotter::Run() {
  const MonoMicros began_us = clock_->Mono();
  ViewReplay replay(log_, host_.store, host_.report, options_.work_dir + "/view");
  running_ = &replay;
  const absl::Status replayed = co_await ReplayToEnd(&replay);
  auto publish = [this, &replay, &replayed]() -> absl::StatusOr<SnapshotResult> {
    if (!replayed.ok()) return replayed;
    return Publish(replay);
  };
  absl::StatusOr<SnapshotResult> result = co_await host_.background->Run(std::move(publish));
  running_ = nullptr;
  if (cancelled_) co_return absl::CancelledError("stopped");
  if (result.ok()) result->took_us = clock_->Mono() - began_us;
  co_return result;
}

// The end as of now, or a little later if the log ends within a run.
asio::awaitable<absl::Status> ViewSnapshotter::ReplayToEnd(ViewReplay* replay) {
  WakeUp pause(host_.executor);
  for (int tries = 0; tries < kOpenRunTries && !cancelled_; ++tries) {
    auto once = [this, replay, first = tries == 0] { return ReplayOnce(replay, first); };
    const absl::Status status = co_await host_.background->Run(std::move(once));
    if (!status.ok() || replay->chain_known()) co_return status;
    co_await pause.Wait(kOpenRunPause);
  }
  co_return absl::UnavailableError(fmt::format(
      "the log {} ends within a run of which no end comes: no agent writes", log_.name()));
}

absl::Status ViewSnapshotter::ReplayOnce(ViewReplay* replay, bool first) {
  ASSIGN_OR_RETURN(const LogDescription log_now, DescribeNow(log_));
  if (!log_now.last_seq) {
    return absl::FailedPreconditionError(fmt::format("the log {} has no records yet", log_.name()));
  }
  RETURN_IF_ERROR(first ? replay->Begin(log_now.last_seq) : replay->Extend(log_now.last_seq));
  return replay->view().Confirm(log_now.last_seq, log_now.chain);
}

absl::StatusOr<SnapshotResult> ViewSnapshotter::Publish(const ViewReplay& replay) {
  SnapshotResult result;
  result.loaded_seq = replay.loaded_seq();
  if (replay.loaded() != nullptr && replay.loaded_seq() == replay.seq() && !options_.force) {
    result.unchanged = true;
    result.manifest = replay.loaded()->manifest;
    result.location = LocationOf(*host_.store, replay.loaded()->name);
  } else {
    ViewSnapshotOptions store;
    store.log_name = log_.name();
    store.log_id = log_.id();
    store.created_by = options_.created_by;
    store.created_us = clock_->Wall();
    store.random = DrawRandom();
    store.progress = [report = host_.report](uint64_t bytes, uint64_t of) {
      report->Update(of == 0 ? Phase::kUpload : Phase::kRehearse, bytes, of);
    };
    ASSIGN_OR_RETURN(StoredView stored, StoreViewSnapshot(*host_.store, replay.view(), store));
    result.digest = fmt::format("{:016x}{:016x}", stored.digest.high(), stored.digest.low());
    result.location = LocationOf(*host_.store, stored.name);
    result.manifest = std::move(stored.manifest);
    result.stored_bytes = result.manifest.objects.front().bytes;
  }
  RETURN_IF_ERROR(SettleSnapshot(client_, log_, host_.store, CacheKind::kMemcached, options_,
                                 clock_->Wall(), &result));
  return result;
}

}  // namespace cairn::adapter::memcache
