// RecordReader: turns the records of a cache's log back into effects.
//
//   Tailer ──records, in order──► RecordReader ──effects──► View, engine of a standby
//
// It visits the effects of a record once it has checked all of it: a record that is refused has
// shown none. The parts of a run (record_mark.h) are gathered, and its effect is visited with the
// last. A new epoch of the lease, its end, or a record that opens a reign makes a run void that has
// no last record yet: its writer is gone, and the next one starts again in front of it.
//
// The records of one epoch continue each other: each begins where the one before ended. Only the
// first of an epoch, and one that opens a reign, may begin elsewhere.
//
// Refusals, after which the reader stays where it is and answers the same for ever:
//   kFailedPrecondition  the record's format is newer than ours. The agent stops consuming, and
//                        says so; records that are older still hold.
//   kDataLoss            the record has no mark or a wrong one, does not continue the epoch, its
//                        run has a hole, or its payload is not the effects that the mark counts.
//                        Names the seq, and what was expected.
//
// Threads: of one consumer. Bounds: one value, of at most Options::max_value_bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "adapter/memcache/effect_codec.h"
#include "adapter/memcache/record_mark.h"
#include "adapter/role_events.h"
#include "base/ids.h"
#include "cairn/types.h"

namespace cairn::adapter::memcache {

// Where an effect stands in the log: its record, or the last one of its run, and how many effects
// are before it there. Their order is that of the effects.
struct EffectId {
  Seq seq;
  uint32_t index = 0;
  auto operator<=>(const EffectId&) const = default;
};

// How far a log was read, as far as it counts: what a reader needs to go on from there.
struct ReadPosition {
  Seq seq;            // 0: nothing was read.
  Epoch epoch;        // Of the lease in force there; 0: none.
  StreamPlace place;  // Behind the last data record; an empty history: there was none.
  Epoch place_epoch;  // In force when that was appended.
  bool operator==(const ReadPosition&) const = default;
};

class RecordReader {
 public:
  struct Options {
    std::string lease_name = "primary";
    size_t max_value_bytes = kMaxValueBytes;
  };
  // The view is valid until the visitor returns.
  using Visitor = absl::FunctionRef<void(const EffectView& effect, EffectId id)>;

  // Goes on with the record behind position.seq.
  RecordReader(Options options, ReadPosition position);

  // Visits the effects of the next record of the log.
  // Requires: it is the one behind read_seq() (a Tailer's are).
  absl::Status Next(const Record& record, Visitor visit);

  // Of the last record that was read, counting or not.
  [[nodiscard]] Seq read_seq() const { return read_seq_; }
  // The newest position up to which nothing is held back: within a run, the one before it.
  [[nodiscard]] const ReadPosition& position() const { return position_; }
  // Bytes of the run that is coming in; 0: none is.
  [[nodiscard]] size_t held_bytes() const { return run_ ? run_->bytes.size() : 0; }
  // Runs that were made void so far.
  [[nodiscard]] uint64_t voided_runs() const { return voided_runs_; }

 private:
  struct Run {
    RecordMark first_mark;
    uint64_t records = 0;
    size_t whole_bytes = 0;  // Of the effect, as its head says.
    std::string bytes;       // What has come of it.
  };

  void TakeLeaseEvent(const Record& record);
  absl::Status TakeData(const Record& record, Visitor visit);
  [[nodiscard]] absl::Status CheckContinues(const RecordMark& mark) const;
  [[nodiscard]] absl::Status CheckContinuesRun(const RecordMark& mark) const;
  absl::Status TakeEffects(const RecordMark& mark, const Record& record, Visitor visit);
  absl::Status TakeRunPart(const RecordMark& mark, const Record& record, Visitor visit);
  absl::Status BeginRun(const RecordMark& mark, const std::string& payload);
  void VoidRun();
  void Counted(Seq seq, StreamPlace place);

  const Options options_;
  Seq read_seq_;
  ReadPosition position_;
  std::optional<Run> run_;
  uint64_t voided_runs_ = 0;
  absl::Status status_;
};

}  // namespace cairn::adapter::memcache
