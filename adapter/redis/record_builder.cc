#include "adapter/redis/record_builder.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::adapter::redis {

RecordBuilder::RecordBuilder(Options options) : options_(std::move(options)) {
  CHECK_LE(options_.gather_bytes, options_.max_record_bytes);
  CHECK_GT(options_.gather_bytes, size_t{0});
}

void RecordBuilder::Add(const StreamPiece& piece, std::vector<StreamRecord>* ready) {
  if (piece.begins_unit) {
    unit_begin_ = pending_.size();
    unit_db_ = piece.db_before;
    if (unit_begin_ == 0) units_db_ = unit_db_;
  }
  std::string_view rest = piece.bytes;
  while (!rest.empty()) {
    const size_t unit_bytes = pending_.size() - unit_begin_;
    if (unit_bytes == options_.max_record_bytes) {
      EmitUnits(ready);
      EmitRunPart(piece.end_offset - rest.size(),
                  run_records_ == 0 ? RunPart::kFirst : RunPart::kMiddle, ready);
      continue;
    }
    const size_t taken = std::min(rest.size(), options_.max_record_bytes - unit_bytes);
    pending_ += rest.substr(0, taken);
    rest.remove_prefix(taken);
  }
  if (piece.ends_unit) End(piece, ready);
}

void RecordBuilder::End(const StreamPiece& piece, std::vector<StreamRecord>* ready) {
  whole_offset_ = piece.end_offset;
  if (run_records_ > 0) {
    EmitRunPart(piece.end_offset, RunPart::kLast, ready);
    run_records_ = 0;
    return;
  }
  if (piece.dropped) {
    pending_.resize(unit_begin_);
    return;
  }
  if (pending_.size() > options_.gather_bytes) EmitUnits(ready);
  if (unit_begin_ == 0) units_db_ = unit_db_;
  unit_begin_ = pending_.size();
  units_end_offset_ = piece.end_offset;
  if (pending_.size() >= options_.gather_bytes) EmitUnits(ready);
}

void RecordBuilder::Flush(std::vector<StreamRecord>* ready) { EmitUnits(ready); }

// The whole units; what is behind them moves to the front.
void RecordBuilder::EmitUnits(std::vector<StreamRecord>* ready) {
  if (unit_begin_ == 0) return;
  std::string behind = pending_.substr(unit_begin_);
  pending_.resize(unit_begin_);
  ready->push_back({std::move(pending_), Mark(units_end_offset_, units_db_)});
  pending_ = std::move(behind);
  unit_begin_ = 0;
}

// All that waits, which is of one unit.
void RecordBuilder::EmitRunPart(uint64_t end_offset, RunPart part,
                                std::vector<StreamRecord>* ready) {
  CHECK_EQ(unit_begin_, size_t{0});
  StreamMark mark = Mark(end_offset, unit_db_);
  mark.part = part;
  mark.run_number = ++run_records_;
  ready->push_back({std::move(pending_), std::move(mark)});
  pending_ = std::string();
}

StreamMark RecordBuilder::Mark(uint64_t end_offset, uint32_t db) const {
  return {.engine = options_.engine, .replid = options_.replid, .end_offset = end_offset, .db = db};
}

}  // namespace cairn::adapter::redis
