// Effects on their way into records of a log and back (adapter/memcache: effect_codec, record_mark,
// record_builder, record_reader).
//
// Beyond "no crash": what is read is written as the same bytes; what was built is read back,
// whatever the sizes of records; a reader that refuses a record has shown none of it, and does not
// move.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "adapter/memcache/effect_codec.h"
#include "adapter/memcache/record_builder.h"
#include "adapter/memcache/record_mark.h"
#include "adapter/memcache/record_reader.h"
#include "base/check.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

using namespace adapter::memcache;  // NOLINT: this file is about that folder alone.

enum Form : uint8_t { kEffects, kRecords, kMark, kForms };

constexpr size_t kMaxValue = 10'000;

Record DataRecord(uint64_t seq, std::string payload, std::string mark) {
  Record record{.seq = Seq(seq), .payload = std::move(payload)};
  record.metadata[std::string(kRecordMarkKey)] = std::move(mark);
  return record;
}

std::vector<std::pair<std::string, std::string>> Build(const std::vector<Effect>& effects) {
  RecordBuilder builder({"life", adapter::StreamOffset(9)},
                        {.gather_bytes = 50, .max_record_bytes = 330});
  std::vector<EffectRecord> records = {builder.Opening()};
  for (const Effect& effect : effects) builder.Add(effect, &records);
  builder.Flush(&records);
  std::vector<std::pair<std::string, std::string>> built;
  for (EffectRecord& record : records) {
    CHECK_LE(record.payload.size(), size_t{330});
    built.emplace_back(std::move(record.payload), record.mark.ToText());
  }
  return built;
}

void CheckEffects(std::string_view bytes) {
  std::vector<Effect> effects;
  while (!bytes.empty()) {
    const std::string_view before = bytes;
    const auto effect = TakeEffect(&bytes);
    if (!effect.ok()) {
      CHECK(bytes == before);
      break;
    }
    effects.push_back(ToEffect(*effect));
    std::string again;
    AppendEffect(*effect, &again);
    CHECK(again == before.substr(0, before.size() - bytes.size()));
  }
  RecordReader reader({}, {});
  std::vector<Effect> found;
  uint64_t seq = 0;
  for (auto& [payload, mark] : Build(effects)) {
    const Record record = DataRecord(++seq, std::move(payload), std::move(mark));
    const auto take = [&](const EffectView& effect, EffectId) {
      found.push_back(ToEffect(effect));
    };
    CHECK(reader.Next(record, take).ok());
  }
  CHECK(found == effects);
  CHECK_EQ(reader.position().place.offset.value(), 9 + effects.size());
}

void CheckRecords(std::string_view bytes) {
  Input input(bytes);
  RecordReader reader({.max_value_bytes = kMaxValue}, {});
  for (uint64_t seq = 1; !input.empty(); ++seq) {
    const auto kind = static_cast<RecordKind>(input.Byte() % 6);
    Record record = DataRecord(seq, std::string(input.Piece()), std::string(input.Piece()));
    record.kind = kind;
    if (kind != RecordKind::kData) record.lease = LeaseEvent{.name = record.payload};
    const ReadPosition before = reader.position();
    uint64_t shown = 0;
    const absl::Status read = reader.Next(record, [&](const EffectView& effect, EffectId id) {
      CHECK_EQ(id.index, shown++);
      CHECK_LE(effect.value.size(), kMaxValue);
    });
    if (!read.ok()) {
      CHECK_EQ(shown, uint64_t{0});
      CHECK(reader.position() == before);
      return;
    }
    CHECK_LE(reader.held_bytes(), kMaxValue + kMaxEffectHeadBytes);
  }
}

void CheckMark(std::string_view text) {
  const auto mark = RecordMark::Parse(text);
  if (mark.ok()) {
    CHECK(mark->ToText() == text);
  } else {
    CHECK(!mark.status().message().empty());
  }
}

void Run(std::string_view bytes) {
  Input input(bytes);
  const Form form = static_cast<Form>(input.Byte() % kForms);
  const std::string_view rest = input.Rest();
  if (form == kEffects) CheckEffects(rest);
  if (form == kRecords) CheckRecords(rest);
  if (form == kMark) CheckMark(rest);
}

std::string RecordsOf(const std::vector<Effect>& effects) {
  std::string records = Number(1, 1) + Piece("primary") + Piece("");
  for (const auto& [payload, mark] : Build(effects)) {
    records += Number(0, 1) + Piece(payload) + Piece(mark);
  }
  return records + Number(4, 1) + Piece("primary") + Piece("");
}

std::vector<Seed> Seeds() {
  const std::vector<Effect> small = {StoreEffect{"key", false, {"value", 7, 1'700'000'000}},
                                     DeleteEffect{"key", true}, TouchEffect{"key", false, -1},
                                     FlushAtEffect{1'700'000'009}, FlushEffect{}};
  const std::vector<Effect> large = {StoreEffect{"key", false, {std::string(900, 'v'), 0, 0}},
                                     DeleteEffect{"key", false}};
  std::string effects;
  for (const Effect& effect : small) AppendEffect(ViewOf(effect), &effects);
  const auto of = [](Form form, const std::string& rest) { return Number(form, 1) + rest; };
  return {{"effects", of(kEffects, effects)},
          {"records-small", of(kRecords, RecordsOf(small))},
          {"records-run", of(kRecords, RecordsOf(large))},
          {"mark", of(kMark, "v1 life 12+3")},
          {"mark-run", of(kMark, "v1 life 12+1 run=3/last")}};
}

const Registered registered({.name = "memcache_records", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
