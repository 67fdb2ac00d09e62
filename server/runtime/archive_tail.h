// ArchiveTail: a tail over records that the log has trimmed and the archive has. To whoever reads
// it looks like a tail of the log (TailSink): chunks within its credit, then one end.
//
//   describe the log ──► listing ──► run by run, each verified ──► up to the log's first record
//
// An end without a rejection says: what follows is the log's, or, if nothing came, all that was
// asked for is. What comes is the log's own history: the runs lead, by the chain in their names, to
// the one that the log has registered, and each is verified whole before a record of it is shown.
//
// Ends: TRIMMED when the archive has not got the record; ARCHIVE_DAMAGED, ARCHIVE_UNAVAILABLE;
//   SHUTTING_DOWN; what the log answers.
//
// Threads: Credit and Close from any, also with the sink's lock held; the sink is called on threads
//   of the reader (archive_reader.h), by one at a time. Lifetime: shared with the reader's queue;
//   the sink outlives the end, as with a tail of the log.
// Bounds: one run of memory, shared through the reader's cache.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/group_events.h"
#include "server/runtime/archive_access.h"

namespace cairn::server {

class ArchiveReader;

class ArchiveTail : public std::enable_shared_from_this<ArchiveTail>, private ReplySink {
 public:
  // As the log's tail would be opened. `heartbeat_us` is not looked at.
  ArchiveTail(ArchiveReader* reader, GroupId group, const TailOpen& open)
      : reader_(reader),
        group_(group),
        open_(open),
        credit_(static_cast<int64_t>(open.credit_bytes)) {}

  void Credit(uint64_t bytes);
  // Ends it; the end comes as ever.
  void Close();

 private:
  friend class ArchiveReader;
  using Step = absl::StatusOr<std::optional<TailChunk>>;  // nullopt: the end.

  // ---- The reader's -------------------------------------------------------------------------
  // Asks the log where it stands: the first thing that is done.
  void Begin();
  // Hands out what the credit allows.
  void Pump();
  void Shutdown();

  void OnReply(uint64_t token, Reply reply) override;
  // Has Pump called soon, unless it is under way.
  void Schedule() ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether there is something to do; if not, Pump ends, and somebody has to schedule it again.
  [[nodiscard]] bool MayGoOn();
  void End(std::optional<Rejection> why);

  // ---- Pump's ----------------------------------------------------------------------------------
  Step Next();
  // Finds where to begin.
  absl::Status Place();
  absl::StatusOr<Seq> SeekTime(const archive::RunPath& path);
  // Makes run_ the one that holds next_.
  absl::Status Load();
  [[nodiscard]] TailChunk Cut();
  [[nodiscard]] absl::Status Missing() const;
  [[nodiscard]] Rejection ToRejection(const absl::Status& status) const;

  ArchiveReader* const reader_;
  const GroupId group_;
  const TailOpen open_;

  bool placed_ = false;
  archive::LogPlace place_;
  archive::RunPath::End path_end_;
  Seq border_;  // The log's first record.
  Seq next_;
  Seq last_;  // The last one to show.
  std::optional<uint64_t> records_left_;
  ArchiveAccess::Path path_;
  ArchiveAccess::Run run_;
  size_t batch_ = 0;  // Of run_.

  absl::Mutex mutex_;
  int64_t credit_ ABSL_GUARDED_BY(mutex_);
  bool scheduled_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Reply> described_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::server
