// RecordBuilder: gathers the effects of one reign into records for the log.
//
//   front, per-key order ──Effect──► RecordBuilder ──EffectRecord──► LogPublisher ──► log
//
// Effects share a record up to `gather_bytes`; the caller flushes when no more come right now, so
// that gathering costs no time. A larger one has a record of its own, and one above
// `max_record_bytes` becomes a run (record_mark.h). The order of the effects is that of Add.
//
// Bounds: holds less than gather_bytes; one Add makes as many records as its value takes.
// Threads: of one writer. Errors: none; what may not be is the caller's to refuse (AppendEffect).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "adapter/memcache/effect.h"
#include "adapter/memcache/effect_codec.h"
#include "adapter/memcache/record_mark.h"
#include "adapter/role_events.h"
#include "cairn/types.h"

namespace cairn::adapter::memcache {

struct EffectRecord {
  std::string payload;
  RecordMark mark;

  // For the producer; spends the payload.
  NewRecord ToNewRecord() &&;
};

class RecordBuilder {
 public:
  struct Options {
    size_t gather_bytes = size_t{256} << 10;
    // At least gather_bytes + kMaxEffectHeadBytes, at most the log's bound for a payload, 8 MiB by
    // default.
    size_t max_record_bytes = size_t{4} << 20;
  };
  // `from`: what the memory has said before; where the reign begins.
  explicit RecordBuilder(StreamPlace from) : RecordBuilder(std::move(from), Options()) {}
  RecordBuilder(StreamPlace from, Options options);

  // The record that opens the reign. Requires: before the first Add.
  [[nodiscard]] EffectRecord Opening() const;

  // Takes the next effect; adds to `ready` the records that are complete.
  void Add(const EffectView& effect, std::vector<EffectRecord>* ready);
  void Add(const Effect& effect, std::vector<EffectRecord>* ready) { Add(ViewOf(effect), ready); }
  // Makes a record of what waits, if anything does.
  void Flush(std::vector<EffectRecord>* ready);

  // Behind the last effect that was added; all of them are in records once pending_bytes() is 0.
  [[nodiscard]] StreamPlace place() const { return {history_, offset_}; }
  // Bytes that no record has yet.
  [[nodiscard]] size_t pending_bytes() const { return pending_.size(); }

 private:
  void EmitLarge(const EffectView& effect, std::vector<EffectRecord>* ready);
  [[nodiscard]] RecordMark Mark(uint64_t effects) const;

  const Options options_;
  const std::string history_;
  StreamOffset offset_;
  std::string pending_;
  uint64_t pending_effects_ = 0;
};

}  // namespace cairn::adapter::memcache
