// RecordBuilder: gathers the units of a replication stream into records for the log.
//
//   StreamCutter ──pieces──► RecordBuilder ──StreamRecord──► Producer
//
// Small units share a record up to `gather_bytes`; the caller flushes when the stream pauses, so
// that gathering costs no time. A larger unit has a record of its own, and one above
// `max_record_bytes` becomes a run, whose records leave while the unit is still coming in.
//
// Bounds: holds at most gather_bytes + max_record_bytes, however large a unit is.
// Threads: of one stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "adapter/redis/stream_cutter.h"
#include "adapter/redis/stream_mark.h"

namespace cairn::adapter::redis {

struct StreamRecord {
  std::string payload;
  StreamMark mark;
};

class RecordBuilder {
 public:
  struct Options {
    EngineVersion engine;
    std::string replid;
    size_t gather_bytes = size_t{256} << 10;
    // At most the log's bound for a payload, 8 MiB by default.
    size_t max_record_bytes = size_t{4} << 20;
  };
  explicit RecordBuilder(Options options);

  // Takes the next piece of the stream; adds to `ready` the records that it completes.
  void Add(const StreamPiece& piece, std::vector<StreamRecord>* ready);
  // Makes a record of the whole units that wait. A unit that has only begun goes on waiting.
  void Flush(std::vector<StreamRecord>* ready);

  // Bytes that no record has yet.
  [[nodiscard]] size_t pending_bytes() const { return pending_.size(); }
  // Behind the last whole unit, dropped ones too. Once all records have committed and nothing is
  // pending, the engine may be told so.
  [[nodiscard]] uint64_t whole_offset() const { return whole_offset_; }

 private:
  void End(const StreamPiece& piece, std::vector<StreamRecord>* ready);
  void EmitUnits(std::vector<StreamRecord>* ready);
  void EmitRunPart(uint64_t end_offset, RunPart part, std::vector<StreamRecord>* ready);
  [[nodiscard]] StreamMark Mark(uint64_t end_offset, uint32_t db) const;

  const Options options_;
  // Whole units up to unit_begin_, behind them the unit that is coming in.
  std::string pending_;
  size_t unit_begin_ = 0;
  uint32_t units_db_ = 0;  // Before the first of the whole units.
  uint32_t unit_db_ = 0;
  uint64_t units_end_offset_ = 0;
  uint64_t run_records_ = 0;  // Of the unit that is coming in; 0: it is no run yet.
  uint64_t whole_offset_ = 0;
};

}  // namespace cairn::adapter::redis
