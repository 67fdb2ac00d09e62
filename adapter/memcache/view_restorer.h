// ViewRestorer: builds a memcached cache as of one record of its log: in an empty memcached, or as
// a file of commands.
//
//   newest snapshot before it + log ──► throw-away view ─┬─ EngineFiller ──► memcached
//                                                        └─ file, synced, then named
//
// The file is what a memcached reads: one quiet `ms` with its value for each item, in the order of
// the keys, times absolute, and `mn` now and then. It has the items that lived at the log's time of
// that record; an engine is given those that still do.
//
// Threads: the engine thread; the view's work is done on one of the Background. Lifetime: that of
// restore_maker.h. Bounds: the disk holds one view and one file.
// Errors: those of view_replay.h and of the engine; kAlreadyExists for a file that is there;
// kFailedPrecondition for an engine with items; kResourceExhausted when it has no room for all.
#pragma once

#include <asio/awaitable.hpp>
#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/engine_socket.h"
#include "adapter/memcache/engine_filler.h"
#include "adapter/memcache/view_replay.h"
#include "adapter/memcache/view_scan.h"
#include "adapter/replay_host.h"
#include "adapter/restore_maker.h"
#include "adapter/wanted_position.h"
#include "base/clock.h"
#include "cairn/log.h"

namespace cairn::adapter::memcache {

struct ViewRestoreOptions {
  std::string work_dir;  // Exists; absolute.
  WantedPosition at;
  std::string file;                 // Where the commands are put; or
  std::optional<EngineAddress> to;  // an empty engine.
};

class ViewRestorer : public RestoreMaker {
 public:
  ViewRestorer(ReplayHost host, Log log, ViewRestoreOptions options, const Clock* clock);

  asio::awaitable<absl::StatusOr<RestoreResult>> Run() override;
  void Cancel() override;

 private:
  absl::StatusOr<RestoreResult> Replay(ViewReplay* replay);
  absl::StatusOr<RestoreResult> Describe(const ViewReplay& replay, Seq asked) const;
  asio::awaitable<absl::Status> FillEngine(const View* view);
  absl::Status WriteFile(const View& view, RestoreResult* result);

  const ReplayHost host_;
  const Log log_;
  const ViewRestoreOptions options_;
  const Clock* const clock_;
  ViewReplay* running_ = nullptr;
  EngineFiller filler_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace cairn::adapter::memcache
