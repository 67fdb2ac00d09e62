// Archiver: copies what the logs that this node leads have committed to the archive
// (docs/archive.md, decision 029).
//
//   a look at all groups, now and then ──► logs with enough, or old enough, records
//     ──► an uploader: describe ─► collect a run ─► store, read back, verify ─► register it
//
// How far a log is archived is a fact of the log itself: a registered snapshot (kArchiveSnapshot),
// whose chain the group compares with its own. So a leader goes on where the one before it stopped;
// what a deposed one stored and did not register lies beside it, unused. Nothing is trimmed that is
// not registered.
//
// Trouble with the store stops nobody but this: the log is tried again later and later (a minute at
// most), which is said once, counted, and shown by TroubleOf.
//
// Threads: one that looks, and `uploads` that work, each on one log at a time. Stop, then the
//   workers' stop, then Join: an uploader may wait for a group. The rest from any thread.
// Lifetime: ports, access, clock, metrics and threads, which nobody else uses, outlive it.
// Bounds: one run of memory per uploader, twice while it is read back; a row for each log that is
//   led here.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/rate_meter.h"
#include "base/threads.h"
#include "server/group.h"
#include "server/runtime/archive_access.h"
#include "server/runtime/config.h"
#include "server/runtime/group_calls.h"
#include "server/runtime/metrics.h"

namespace cairn::server {

class ArchiverPorts : public GroupPort {
 public:
  [[nodiscard]] virtual std::vector<GroupView> Views() const = 0;
  [[nodiscard]] virtual std::string ClusterId() const = 0;
};

class Archiver {
 public:
  Archiver(const NodeConfig* config, ArchiverPorts* ports, ArchiveAccess* access,
           const Clock* clock, Metrics* metrics, Threads* threads);
  ~Archiver();
  Archiver(const Archiver&) = delete;
  Archiver& operator=(const Archiver&) = delete;

  void Start();
  // Begins nothing more.
  void Stop();
  // Requires: Stop was called, and the workers answer nobody any more.
  void Join();

  // What holds up a log that is led here; empty: nothing, or it is led elsewhere.
  [[nodiscard]] std::string TroubleOf(GroupId group) const;
  // For how long the oldest record of a log led here has waited.
  [[nodiscard]] int64_t LagUs() const;

 private:
  // A log that this node leads.
  struct Row {
    bool under_way = false;
    // Since when there have been records that the archive lacks; 0: there are none.
    MonoMicros waiting_since = 0;
    // GroupView::applied_bytes when everything was archived.
    uint64_t bytes_then = 0;
    // As it was stored last by this process.
    std::string log_file;
    // Its objects were listed once, so that what is lost is known.
    bool looked_at = false;
    int failures = 0;  // Running.
    MonoMicros not_before = 0;
    std::string trouble;
    uint64_t look = 0;  // The newest that found it led here.
  };
  struct Job {
    GroupId group;
    std::string name;
    uint64_t applied_bytes = 0;  // As of the look.
  };

  void Look();
  void Note(const GroupView& view, MonoMicros now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] bool IsDue(const GroupView& view, const Row& row, MonoMicros now) const;
  void Watch();
  void Work(GroupCalls* calls);
  [[nodiscard]] bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !jobs_.empty();
  }

  // What became of one run.
  enum class Outcome { kDone, kMore, kNothing };
  absl::StatusOr<Outcome> ArchiveRun(GroupCalls& calls, const Job& job);
  absl::Status WriteLog(const archive::ArchiveStore& store, const archive::LogPlace& place,
                        const cairn::v1::DescribeLogResponse& log, const Job& job);
  void LookAtObjects(const archive::LogPlace& place, const archive::RunPath::End& end,
                     const Job& job);
  // Once a day: removes what killed processes left in the store.
  void CleanUp();
  // Waits until the allowance has room for so many bytes. CANCELLED when stopping.
  absl::Status Throttle(uint64_t bytes);
  void Settle(const Job& job, const absl::StatusOr<Outcome>& outcome);
  void Fail(Row& row, const Job& job, const absl::Status& status, MonoMicros now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const NodeConfig* const config_;
  ArchiverPorts* const ports_;
  ArchiveAccess* const access_;
  const Clock* const clock_;
  Metrics* const metrics_;
  Threads* const threads_;
  RateMeter allowance_;
  std::vector<std::unique_ptr<GroupCalls>> calls_;  // One an uploader.

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t looks_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<GroupId, Row> rows_ ABSL_GUARDED_BY(mutex_);
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  MonoMicros clean_until_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace cairn::server
