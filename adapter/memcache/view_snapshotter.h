// ViewSnapshotter: takes one snapshot of a memcached cache, off the machines that serve it.
//
//   newest snapshot + log to its end ──► throw-away view ──► store, read back ──► the log
//
// No engine takes part: a view is the fold of the log, whoever folds it. What is stored was read
// back and came to the same digest before its manifest made it exist (view_snapshot.h).
//
// Threads: the engine thread; the work is done on one of the Background. Lifetime, errors: those of
// snapshot_maker.h; kDataLoss when log, snapshot and view are not of one history.
// Bounds: the disk holds one view.
#pragma once

#include <asio/awaitable.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/memcache/view_replay.h"
#include "adapter/replay_host.h"
#include "adapter/snapshot_maker.h"
#include "cairn/client.h"
#include "cairn/log.h"

namespace cairn::adapter::memcache {

class ViewSnapshotter : public SnapshotMaker {
 public:
  // `client`, the host's parts and the clock outlive this.
  ViewSnapshotter(ReplayHost host, Client* client, Log log, SnapshotMakerOptions options,
                  const Clock* clock);

  asio::awaitable<absl::StatusOr<SnapshotResult>> Run() override;
  void Cancel() override;

 private:
  asio::awaitable<absl::Status> ReplayToEnd(ViewReplay* replay);
  absl::Status ReplayOnce(ViewReplay* replay, bool first);
  absl::StatusOr<SnapshotResult> Publish(const ViewReplay& replay);

  const ReplayHost host_;
  Client* const client_;
  const Log log_;
  const SnapshotMakerOptions options_;
  const Clock* const clock_;
  ViewReplay* running_ = nullptr;
  bool cancelled_ = false;
};

}  // namespace cairn::adapter::memcache
