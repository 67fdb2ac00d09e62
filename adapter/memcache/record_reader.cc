#include "adapter/memcache/record_reader.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

bool EndsEpoch(RecordKind kind) {
  return kind == RecordKind::kLeaseAcquired || kind == RecordKind::kLeaseReleased ||
         kind == RecordKind::kLeaseTransferred || kind == RecordKind::kLeaseExpired;
}

bool Grants(RecordKind kind) {
  return kind == RecordKind::kLeaseAcquired || kind == RecordKind::kLeaseTransferred;
}

absl::Status CheckValue(size_t bytes, size_t most_bytes) {
  if (bytes <= most_bytes) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("a value of {} bytes; expected at most {}", bytes, most_bytes));
}

// Whether `payload` is `count` effects, with nothing before, between or behind them.
absl::Status CheckEffects(std::string_view payload, uint64_t count, size_t max_value_bytes) {
  for (uint64_t found = 0; found < count || !payload.empty(); ++found) {
    if (found == count || payload.empty()) {
      return absl::DataLossError(fmt::format("the mark counts {} effects; found {}, and {} bytes",
                                             count, found, payload.size()));
    }
    ASSIGN_OR_RETURN(const EffectView effect, TakeEffect(&payload));
    RETURN_IF_ERROR(CheckValue(effect.value.size(), max_value_bytes));
  }
  return absl::OkStatus();
}

}  // namespace

RecordReader::RecordReader(Options options, ReadPosition position)
    : options_(std::move(options)), read_seq_(position.seq), position_(std::move(position)) {}

absl::Status RecordReader::Next(const Record& record, Visitor visit) {
  RETURN_IF_ERROR(status_);
  CHECK_EQ(record.seq, read_seq_ + 1);
  if (record.kind == RecordKind::kData) {
    const absl::Status taken = TakeData(record, visit);
    status_ = Annotate(taken, fmt::format("record {}", record.seq));
    RETURN_IF_ERROR(status_);
  } else {
    TakeLeaseEvent(record);
  }
  read_seq_ = record.seq;
  return absl::OkStatus();
}

void RecordReader::TakeLeaseEvent(const Record& record) {
  if (EndsEpoch(record.kind) && record.lease && record.lease->name == options_.lease_name) {
    VoidRun();
    position_.epoch = Grants(record.kind) ? Epoch(record.seq.value()) : Epoch();
  }
  if (!run_) position_.seq = record.seq;
}

absl::Status RecordReader::TakeData(const Record& record, Visitor visit) {
  ASSIGN_OR_RETURN(RecordMark mark, RecordMark::Of(record));
  if (mark.opens_reign()) {
    if (!record.payload.empty()) {
      return absl::DataLossError(
          fmt::format("'{}' with {} bytes; expected none", mark.ToText(), record.payload.size()));
    }
    VoidRun();
    Counted(record.seq, mark.End());
    return absl::OkStatus();
  }
  if (mark.part != RunPart::kNone) return TakeRunPart(mark, record, visit);
  return TakeEffects(mark, record, visit);
}

absl::Status RecordReader::CheckContinues(const RecordMark& mark) const {
  const StreamPlace& place = position_.place;
  const bool first_of_epoch = place.history.empty() || position_.place_epoch != position_.epoch;
  const bool begins = mark.part == RunPart::kNone || mark.part == RunPart::kFirst;
  const bool follows = mark.history == place.history && mark.offset == place.offset;
  if (!run_ && begins && (first_of_epoch || follows)) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("'{}'; expected {}", mark.ToText(),
                  run_ ? fmt::format("part {} of a run", run_->records + 1)
                       : fmt::format("what follows offset {} of {}", place.offset, place.history)));
}

absl::Status RecordReader::CheckContinuesRun(const RecordMark& mark) const {
  const RecordMark& first = run_->first_mark;
  const bool follows = mark.part == RunPart::kMiddle || mark.part == RunPart::kLast;
  if (follows && mark.run_number == run_->records + 1 && mark.history == first.history &&
      mark.offset == first.offset) {
    return absl::OkStatus();
  }
  return absl::DataLossError(fmt::format("'{}'; expected part {} of the run at offset {} of {}",
                                         mark.ToText(), run_->records + 1, first.offset,
                                         first.history));
}

absl::Status RecordReader::TakeEffects(const RecordMark& mark, const Record& record,
                                       Visitor visit) {
  RETURN_IF_ERROR(CheckContinues(mark));
  std::string_view payload = record.payload;
  RETURN_IF_ERROR(CheckEffects(payload, mark.effects, options_.max_value_bytes));
  for (uint32_t index = 0; !payload.empty(); ++index) {
    visit(*TakeEffect(&payload), EffectId{record.seq, index});
  }
  Counted(record.seq, mark.End());
  return absl::OkStatus();
}

absl::Status RecordReader::TakeRunPart(const RecordMark& mark, const Record& record,
                                       Visitor visit) {
  if (run_) {
    RETURN_IF_ERROR(CheckContinuesRun(mark));
  } else {
    RETURN_IF_ERROR(CheckContinues(mark));
    RETURN_IF_ERROR(BeginRun(mark, record.payload));
  }
  Run& run = *run_;
  const size_t bytes = run.bytes.size() + record.payload.size();
  const bool last = mark.part == RunPart::kLast;
  if (record.payload.empty() || bytes > run.whole_bytes || (bytes == run.whole_bytes) != last) {
    return absl::DataLossError(fmt::format(
        "'{}' with {} bytes; expected {} to come{}", mark.ToText(), record.payload.size(),
        run.whole_bytes - run.bytes.size(), last ? "" : ", and more behind it"));
  }
  run.bytes += record.payload;
  ++run.records;
  if (!last) return absl::OkStatus();
  std::string_view payload = run.bytes;
  ASSIGN_OR_RETURN(const EffectView effect, TakeEffect(&payload));
  visit(effect, EffectId{record.seq, 0});
  run_.reset();
  Counted(record.seq, mark.End());
  return absl::OkStatus();
}

absl::Status RecordReader::BeginRun(const RecordMark& mark, const std::string& payload) {
  std::string_view rest = payload;
  ASSIGN_OR_RETURN(const EffectHead head, TakeEffectHead(&rest));
  RETURN_IF_ERROR(CheckValue(head.value_bytes, options_.max_value_bytes));
  const size_t head_bytes = payload.size() - rest.size() - head.effect.value.size();
  run_ = Run{.first_mark = mark, .whole_bytes = head_bytes + head.value_bytes};
  return absl::OkStatus();
}

void RecordReader::VoidRun() {
  if (run_) ++voided_runs_;
  run_.reset();
}

void RecordReader::Counted(Seq seq, StreamPlace place) {
  position_.seq = seq;
  position_.place = std::move(place);
  position_.place_epoch = position_.epoch;
}

}  // namespace cairn::adapter::memcache
