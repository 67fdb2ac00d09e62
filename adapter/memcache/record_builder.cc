#include "adapter/memcache/record_builder.h"

#include <utility>

#include "base/check.h"

namespace cairn::adapter::memcache {

NewRecord EffectRecord::ToNewRecord() && {
  NewRecord record{.payload = std::move(payload), .metadata = {}};
  record.metadata.emplace(kRecordMarkKey, mark.ToText());
  return record;
}

RecordBuilder::RecordBuilder(StreamPlace from, Options options)
    : options_(options), history_(std::move(from.history)), offset_(from.offset) {
  CHECK_GT(options_.gather_bytes, size_t{0});
  CHECK_LE(kMaxEffectHeadBytes + options_.gather_bytes, options_.max_record_bytes);
  CHECK(RecordMark::Parse(Opening().mark.ToText()).ok());
}

EffectRecord RecordBuilder::Opening() const {
  CHECK(pending_.empty());
  return {"", Mark(0)};
}

void RecordBuilder::Add(const EffectView& effect, std::vector<EffectRecord>* ready) {
  if (effect.value.size() >= options_.gather_bytes) {
    Flush(ready);
    EmitLarge(effect, ready);
    return;
  }
  const size_t most_bytes = kMaxEffectHeadBytes + effect.value.size();
  if (pending_.size() + most_bytes > options_.max_record_bytes) Flush(ready);
  AppendEffect(effect, &pending_);
  ++pending_effects_;
  offset_ += 1;
  if (pending_.size() >= options_.gather_bytes) Flush(ready);
}

void RecordBuilder::Flush(std::vector<EffectRecord>* ready) {
  if (pending_effects_ == 0) return;
  RecordMark mark = Mark(pending_effects_);
  mark.offset = offset_ - pending_effects_;
  ready->push_back({std::move(pending_), std::move(mark)});
  pending_ = std::string();
  pending_effects_ = 0;
}

// In a record of its own, or in as many as it takes.
void RecordBuilder::EmitLarge(const EffectView& effect, std::vector<EffectRecord>* ready) {
  std::string payload;
  AppendEffectHead(effect, &payload);
  std::string_view rest = effect.value;
  const bool is_run = payload.size() + rest.size() > options_.max_record_bytes;
  for (uint64_t number = 1; !rest.empty(); ++number) {
    const std::string_view taken = rest.substr(0, options_.max_record_bytes - payload.size());
    payload += taken;
    rest.remove_prefix(taken.size());
    RecordMark mark = Mark(rest.empty() ? 1 : 0);
    if (is_run) {
      mark.run_number = number;
      mark.part = number == 1 ? RunPart::kFirst : RunPart::kMiddle;
      if (rest.empty()) mark.part = RunPart::kLast;
    }
    ready->push_back({std::move(payload), std::move(mark)});
    payload = std::string();
  }
  offset_ += 1;
}

RecordMark RecordBuilder::Mark(uint64_t effects) const {
  return {.history = history_, .offset = offset_, .effects = effects};
}

}  // namespace cairn::adapter::memcache
