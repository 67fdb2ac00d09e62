#include "adapter/redis/record_reader.h"

#include <fmt/format.h>

#include "adapter/redis/resp_encoder.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace cairn::adapter::redis {
namespace {

absl::StatusOr<StreamMark> MarkOf(const Record& record) {
  const auto found = record.metadata.find(std::string(kStreamMarkKey));
  if (found == record.metadata.end()) {
    return absl::DataLossError(
        fmt::format("the metadata has no key '{}': not of a cache", kStreamMarkKey));
  }
  auto mark = StreamMark::Parse(found->second);
  if (!mark.ok()) return absl::DataLossError(mark.status().message());
  return mark;
}

bool EndsEpoch(RecordKind kind) {
  return kind == RecordKind::kLeaseAcquired || kind == RecordKind::kLeaseReleased ||
         kind == RecordKind::kLeaseTransferred || kind == RecordKind::kLeaseExpired;
}

// Runs the cutter over a payload; whether a unit is open behind it.
absl::StatusOr<bool> EndsWithinUnit(std::string_view payload, StreamCutter* cutter) {
  while (!payload.empty()) {
    const absl::StatusOr<StreamPiece> piece = cutter->Next(&payload);
    if (!piece.ok()) return absl::DataLossError(piece.status().ToString());
  }
  return !cutter->idle();
}

}  // namespace

absl::StatusOr<FeedStep> RecordReader::Next(Record* record) {
  RETURN_IF_ERROR(status_);
  CHECK_EQ(record->seq, seq_ + 1);
  absl::StatusOr<FeedStep> step =
      record->kind == RecordKind::kData ? TakeData(record) : TakeLeaseEvent(*record);
  if (!step.ok()) {
    status_ = Annotate(step.status(), fmt::format("record {}", record->seq));
    return status_;
  }
  seq_ = record->seq;
  return step;
}

FeedStep RecordReader::TakeLeaseEvent(const Record& record) {
  FeedStep step;
  step.first_seq = step.last_seq = record.seq;
  if (EndsEpoch(record.kind) && record.lease && record.lease->name == options_.lease_name) {
    step.voided = run_.has_value();
    run_.reset();
    new_epoch_ = true;
    db_known_ = false;
  }
  if (!run_) applied_seq_ = record.seq;
  return step;
}

absl::StatusOr<FeedStep> RecordReader::TakeData(Record* record) {
  ASSIGN_OR_RETURN(const StreamMark mark, MarkOf(*record));
  if (!Understands(options_.engine, mark.engine)) {
    return absl::FailedPreconditionError(
        fmt::format("written by {}, which this {} may not understand: upgrade this node's engine",
                    mark.engine.ToText(), options_.engine.ToText()));
  }
  const size_t bytes = record->payload.size();
  RETURN_IF_ERROR(run_ ? CheckContinuesRun(mark, bytes) : CheckContinues(mark, bytes));
  return mark.part == RunPart::kNone ? TakeUnits(mark, *record) : TakeRunPart(mark, record);
}

// Outside of a run.
absl::Status RecordReader::CheckContinues(const StreamMark& mark, size_t payload_bytes) const {
  if (mark.part == RunPart::kMiddle || mark.part == RunPart::kLast) {
    return absl::DataLossError(
        fmt::format("part {} of a run of which nothing came before", mark.run_number));
  }
  const bool same_stream = mark.replid == position_.replid;
  if ((!same_stream && !new_epoch_) || (same_stream && mark.db != db_)) {
    return absl::DataLossError(fmt::format("of stream {} db={}; expected {} db={}", mark.replid,
                                           mark.db, position_.replid, db_));
  }
  // Dropped PINGs may stand between; nothing may be missing or come twice.
  const uint64_t behind = same_stream ? position_.offset : 0;
  if (mark.end_offset < behind + payload_bytes) {
    return absl::DataLossError(
        fmt::format("{} bytes up to offset {}; expected them behind offset {}", payload_bytes,
                    mark.end_offset, behind));
  }
  return absl::OkStatus();
}

absl::Status RecordReader::CheckContinuesRun(const StreamMark& mark, size_t payload_bytes) const {
  const StreamMark& first = run_->first_mark;
  const bool follows = mark.part == RunPart::kMiddle || mark.part == RunPart::kLast;
  if (follows && mark.run_number == run_->records + 1 && mark.replid == first.replid &&
      mark.db == first.db && mark.end_offset == run_->end_offset + payload_bytes) {
    return absl::OkStatus();
  }
  return absl::DataLossError(fmt::format(
      "'{}' with {} bytes; expected part {} of the run that began with record {}, "
      "behind offset {}",
      mark.ToText(), payload_bytes, run_->records + 1, run_->first_seq, run_->end_offset));
}

absl::StatusOr<FeedStep> RecordReader::TakeUnits(const StreamMark& mark, const Record& record) {
  StreamCutter cutter(mark.end_offset - record.payload.size(), mark.db);
  ASSIGN_OR_RETURN(const bool open, EndsWithinUnit(record.payload, &cutter));
  if (open) {
    return absl::DataLossError(
        fmt::format("{} bytes that are not whole commands", record.payload.size()));
  }
  FeedStep step;
  step.kind = FeedStep::Kind::kFeed;
  step.first_seq = step.last_seq = record.seq;
  step.select = Select(mark.db);
  Applied(record.seq, mark, cutter.db());
  return step;
}

absl::StatusOr<FeedStep> RecordReader::TakeRunPart(const StreamMark& mark, Record* record) {
  const std::string& payload = record->payload;
  if (!run_) run_ = Run{record->seq, mark, StreamCutter(mark.end_offset - payload.size(), mark.db)};
  Run& run = *run_;
  ASSIGN_OR_RETURN(const bool open, EndsWithinUnit(payload, &run.cutter));
  const bool last = mark.part == RunPart::kLast;
  if (open == last || payload.empty()) {
    return absl::DataLossError(fmt::format("part {} of a run {}", mark.run_number,
                                           last ? "ends within a command" : "is whole"));
  }
  ++run.records;
  run.end_offset = mark.end_offset;
  run.held_bytes += payload.size();
  if (run.held_bytes > options_.max_held_bytes) run.held.clear();
  if (run.held_bytes <= options_.max_held_bytes) run.held.push_back(std::move(record->payload));

  FeedStep step;
  step.kind = last ? FeedStep::Kind::kFeedRun : FeedStep::Kind::kHold;
  step.first_seq = run.first_seq;
  step.last_seq = record->seq;
  if (!last) return step;
  step.held = std::move(run.held);
  step.select = Select(mark.db);
  Applied(record->seq, mark, run.cutter.db());
  run_.reset();
  return step;
}

std::string RecordReader::Select(uint32_t db) {
  if (db_known_) return "";
  db_known_ = true;
  return EncodeCommand({"SELECT", fmt::format_int(db).c_str()});
}

void RecordReader::Applied(Seq seq, const StreamMark& mark, uint32_t db) {
  applied_seq_ = seq;
  position_ = {mark.replid, mark.end_offset};
  db_ = db;
  new_epoch_ = false;
}

}  // namespace cairn::adapter::redis
