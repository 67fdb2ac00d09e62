// An engine's replication stream on its way into records (adapter/redis: stream_cutter,
// record_builder), and a log's records on their way into a stream (stream_mark, record_reader).
//
// Beyond "no crash": where the reads end makes no difference to units and records; what was built
// is read back to the same bytes but for what was dropped; a reader that refuses a record does not
// move; what it feeds is whole units.
#include <string>
#include <utility>
#include <vector>

#include "adapter/redis/record_builder.h"
#include "adapter/redis/record_reader.h"
#include "adapter/redis/resp_encoder.h"
#include "base/check.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

using namespace adapter::redis;  // NOLINT: this file is about that folder alone.

enum Form : uint8_t { kStream, kRecords, kForms };

constexpr uint64_t kOffset = 1000;

struct Built {
  std::vector<std::pair<std::string, std::string>> records;  // Payload, mark.
  std::string kept;                                          // Of whole units, less the dropped.
  bool ok = true;

  bool operator==(const Built&) const = default;
};

Built Build(const std::vector<std::string_view>& inputs) {
  StreamCutter cutter(kOffset, 0);
  RecordBuilder builder({.engine = {"redis", 7, 0, 15},
                         .replid = std::string(40, 'a'),
                         .gather_bytes = 32,
                         .max_record_bytes = 64});
  Built built;
  std::vector<StreamRecord> records;
  std::string unit;
  for (std::string_view input : inputs) {
    while (!input.empty() && built.ok) {
      const auto piece = cutter.Next(&input);
      built.ok = piece.ok();
      if (!built.ok) break;
      CHECK(!piece->bytes.empty());
      CHECK_EQ(piece->begins_unit, unit.empty());
      unit += piece->bytes;
      builder.Add(*piece, &records);
      CHECK_LE(builder.pending_bytes(), size_t{96});
      if (!piece->ends_unit) continue;
      if (!piece->dropped) built.kept += unit;
      unit.clear();
    }
  }
  builder.Flush(&records);
  for (StreamRecord& record : records) {
    built.records.emplace_back(std::move(record.payload), record.mark.ToText());
  }
  return built;
}

Record DataRecord(uint64_t seq, std::string payload, std::string mark) {
  Record record{.seq = Seq(seq), .payload = std::move(payload)};
  record.metadata[std::string(kStreamMarkKey)] = std::move(mark);
  return record;
}

// Without the SELECT in front.
std::string Feed(const FeedStep& step, const Record& record) {
  std::string fed;
  if (step.kind == FeedStep::Kind::kFeed) fed = record.payload;
  for (const std::string& payload : step.held) fed += payload;
  return fed;
}

void CheckStream(std::string_view bytes, size_t cut) {
  const Built whole = Build({bytes});
  const Built split = Build({bytes.substr(0, cut), bytes.substr(cut)});
  CHECK_EQ(whole.ok, split.ok);
  // Of a stream that breaks off, how much of its last unit was handed on depends on the reads.
  if (!whole.ok) return;
  CHECK(whole == split);
  RecordReader reader({.engine = {"redis", 7, 0, 15}}, Seq(0));
  std::string fed;
  for (size_t i = 0; i < whole.records.size(); ++i) {
    Record record = DataRecord(i + 1, whole.records[i].first, whole.records[i].second);
    const auto step = reader.Next(&record);
    CHECK(step.ok());
    fed += Feed(*step, record);
  }
  CHECK(fed == whole.kept);
}

void CheckRecords(std::string_view bytes) {
  Input input(bytes);
  RecordReader reader({.engine = {"redis", 7, 0, 15}, .max_held_bytes = 100}, Seq(0));
  for (uint64_t seq = 1; !input.empty(); ++seq) {
    const auto kind = static_cast<RecordKind>(input.Byte() % 6);
    Record record = DataRecord(seq, std::string(input.Piece()), std::string(input.Piece()));
    record.kind = kind;
    if (kind != RecordKind::kData) record.lease = LeaseEvent{.name = record.payload};
    const Seq applied = reader.applied_seq();
    const auto step = reader.Next(&record);
    if (!step.ok()) {
      CHECK_EQ(reader.applied_seq(), applied);
      return;
    }
    CHECK_LE(reader.applied_seq(), Seq(seq));
    CHECK_GE(reader.applied_seq(), applied);
    const std::string fed = Feed(*step, record);
    StreamCutter cutter(0, 0);
    for (std::string_view rest = fed; !rest.empty();) CHECK(cutter.Next(&rest).ok());
    CHECK(cutter.idle());
  }
}

void Run(std::string_view bytes) {
  Input input(bytes);
  const Form form = static_cast<Form>(input.Byte() % kForms);
  const uint8_t number = input.Byte();
  const std::string_view text = input.Rest();
  if (form == kRecords) return CheckRecords(text);
  CheckStream(text, text.empty() ? 0 : number % text.size());
}

std::string Of(Form form, uint8_t number, const std::string& text) {
  return Number(form, 1) + Number(number, 1) + text;
}

std::string RecordsOf(const std::string& stream) {
  std::string records = Number(1, 1) + Piece("primary") + Piece("");
  for (const auto& [payload, mark] : Build({stream}).records) {
    records += Number(0, 1) + Piece(payload) + Piece(mark);
  }
  return records + Number(4, 1) + Piece("primary") + Piece("");
}

std::vector<Seed> Seeds() {
  const std::string small = EncodeCommand({"SELECT", "2"}) + EncodeCommand({"PING"}) +
                            EncodeCommand({"SET", "k", "v"}) +
                            EncodeCommand({"REPLCONF", "GETACK", "*"});
  const std::string transaction = EncodeCommand({"MULTI"}) + EncodeCommand({"INCR", "n"}) +
                                  EncodeCommand({"SELECT", "1"}) + EncodeCommand({"EXEC"});
  const std::string large = EncodeCommand({"SET", "k", std::string(200, 'v')});
  return {
      {"stream-small", Of(kStream, 30, small)},
      {"stream-transaction", Of(kStream, 20, transaction + small)},
      {"stream-run", Of(kStream, 100, small + large + transaction)},
      {"records-small", Of(kRecords, 0, RecordsOf(small + transaction))},
      {"records-run", Of(kRecords, 0, RecordsOf(small + large))},
  };
}

const Registered registered({.name = "stream_framer", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
