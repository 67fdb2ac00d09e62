// RecordReader: turns the records of a cache's log back into a replication stream.
//
//   Tailer ──records, in order──► RecordReader ──what to feed──► repl_sink ──► engine
//
// It keeps the bookkeeping and decides; the feeder moves the bytes:
//
//   kFeed     the record's payload goes to the engine, behind `select` if that is not empty. The
//             record that opens a reign has none: it only names a place.
//   kHold     a part of a run: nothing to feed until its last record.
//   kFeedRun  the run is complete: `held` has its payloads if they are few. Otherwise the feeder
//             reads the data records of [first_seq, last_seq] again from the log, where they are
//             until a snapshot behind last_seq is registered, and feeds their payloads one by one.
//   kSkip     nothing to feed: an event of a lease.
//
// So memory is bounded by Options::max_held_bytes, though a run may have a gigabyte.
//
// A new epoch of the lease, or its end, makes a run void that has no last record yet: its writer is
// gone, and the next one starts again in front of it. `voided` tells of it.
//
// Refusals, after which the reader stays where it is and answers the same for ever:
//   kFailedPrecondition  the record is of an engine that ours does not understand. The agent stops
//                        consuming, and says so; records that are older still hold.
//   kDataLoss            the record's mark is missing or wrong, its position does not continue the
//                        epoch's stream, its run has a hole, or its payload is not whole units.
//                        Names the seq, and what was expected.
//
// Threads: of one feeder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/redis/stream_cutter.h"
#include "adapter/redis/stream_mark.h"
#include "base/ids.h"
#include "cairn/types.h"

namespace cairn::adapter::redis {

// Where an engine's stream stands.
struct StreamPosition {
  std::string replid;  // Empty: nothing was read yet.
  uint64_t offset = 0;

  bool operator==(const StreamPosition&) const = default;
};

struct FeedStep {
  enum class Kind { kFeed, kHold, kFeedRun, kSkip };

  Kind kind = Kind::kSkip;
  // A SELECT command, where the engine cannot know which database the payload means.
  std::string select;
  Seq first_seq;
  Seq last_seq;
  std::vector<std::string> held;
  bool voided = false;  // An incomplete run before this record counts no more.
};

class RecordReader {
 public:
  struct Options {
    EngineVersion engine;  // Ours.
    std::string lease_name = "primary";
    size_t max_held_bytes = size_t{32} << 20;
  };
  // `applied_seq`: the engine's state is that of the log up to there; 0 for an empty engine.
  RecordReader(Options options, Seq applied_seq)
      : options_(std::move(options)), seq_(applied_seq), applied_seq_(applied_seq) {}

  // What to do with the next record of the log. Requires: it continues the log (a Tailer's do).
  // Moves the payload out of `record` only into `held`; for kFeed it stays.
  absl::StatusOr<FeedStep> Next(Record* record);

  // The next payload goes to an engine that knows of no SELECT: after it was synchronised anew.
  void EngineForgotDatabase() { db_known_ = false; }

  // Up to there nothing is held back. A position to resume at, and to take a snapshot of.
  [[nodiscard]] Seq applied_seq() const { return applied_seq_; }
  // Where the writer's stream stood behind that record.
  [[nodiscard]] const StreamPosition& position() const { return position_; }
  // Selected there; where a publisher begins that goes on from position().
  [[nodiscard]] uint32_t db() const { return db_; }

 private:
  struct Run {
    Seq first_seq;
    StreamMark first_mark;
    StreamCutter cutter;
    uint64_t records = 0;
    uint64_t end_offset = 0;
    std::vector<std::string> held;
    size_t held_bytes = 0;
  };

  FeedStep TakeLeaseEvent(const Record& record);
  absl::StatusOr<FeedStep> TakeData(Record* record);
  absl::Status CheckContinues(const StreamMark& mark, size_t payload_bytes) const;
  absl::Status CheckContinuesRun(const StreamMark& mark, size_t payload_bytes) const;
  absl::StatusOr<FeedStep> TakeUnits(const StreamMark& mark, const Record& record);
  absl::StatusOr<FeedStep> TakeRunPart(const StreamMark& mark, Record* record);
  std::string Select(uint32_t db);
  void Applied(Seq seq, const StreamMark& mark, uint32_t db);

  const Options options_;
  Seq seq_;
  Seq applied_seq_;
  StreamPosition position_;
  uint32_t db_ = 0;
  bool new_epoch_ = true;  // No data of this epoch was read yet.
  bool db_known_ = false;
  std::optional<Run> run_;
  absl::Status status_;
};

}  // namespace cairn::adapter::redis
