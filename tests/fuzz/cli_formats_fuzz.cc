// What the tool reads of people, files and records: record_splitter, resp_decoder, units, positions
// (all of cli/).
//
// The first byte picks the format, the second where the bytes are cut in two. Beyond "no crash":
// where the pieces end makes no difference; framings keep every byte; what is printed for a command
// or a time says the same when it is read again; a refusal has words.
#include "base/check.h"
#include "cli/data_commands.h"
#include "cli/record_splitter.h"
#include "cli/resp_decoder.h"
#include "cli/units.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

using namespace cli;  // The whole subject.

enum Form : uint8_t { kLines, kPrefixed, kChunks, kResp, kUnits, kPositions };
constexpr uint8_t kForms = kPositions + 1;
constexpr uint64_t kMaxRecordBytes = 64;

struct Split {
  std::vector<std::string> records;
  absl::Status status;
};

Split SplitInTwo(const SplitterOptions& options, std::string_view bytes, size_t cut) {
  Split split;
  RecordSplitter splitter(options);
  const auto sink = [&](std::string_view record) {
    CHECK_LE(record.size(), kMaxRecordBytes);
    split.records.emplace_back(record);
    return absl::OkStatus();
  };
  split.status = splitter.Feed(bytes.substr(0, cut), sink);
  if (split.status.ok()) split.status = splitter.Feed(bytes.substr(cut), sink);
  if (split.status.ok()) split.status = splitter.Finish(sink);
  return split;
}

// The stream that these records are cut from.
std::string Joined(const std::vector<std::string>& records, Framing framing) {
  std::string joined;
  for (const std::string& record : records) {
    if (framing == Framing::kLengthPrefixed) {
      AppendLengthPrefixed(joined, record);
    } else {
      joined += record;
      if (framing == Framing::kLines) joined += '\n';
    }
  }
  return joined;
}

void CheckSplitter(Framing framing, uint8_t chunk, std::string_view bytes, size_t cut) {
  SplitterOptions options{.framing = framing, .max_record_bytes = kMaxRecordBytes};
  if (framing == Framing::kChunks) options.chunk_bytes = chunk % kMaxRecordBytes + 1;
  const Split split = SplitInTwo(options, bytes, cut);
  const Split whole = SplitInTwo(options, bytes, bytes.size());
  CHECK(split.records == whole.records);
  CHECK(split.status.code() == whole.status.code());
  const std::string joined = Joined(split.records, framing);
  if (split.status.ok()) {
    // (A last line may lack its end.)
    CHECK(joined == bytes || joined == std::string(bytes) + '\n');
  } else {
    CHECK(!split.status.message().empty());
    CHECK(bytes.starts_with(joined));
  }
}

void CheckResp(std::string_view bytes, size_t cut) {
  std::vector<RespCommand> whole;
  std::vector<RespCommand> split;
  RespDecoder at_once;
  const absl::Status status = at_once.Feed(bytes, whole);
  RespDecoder in_two;
  absl::Status split_status = in_two.Feed(bytes.substr(0, cut), split);
  if (split_status.ok()) split_status = in_two.Feed(bytes.substr(cut), split);
  CHECK(status.code() == split_status.code());
  CHECK(whole == split);
  if (status.ok()) CHECK_EQ(at_once.pending_bytes(), in_two.pending_bytes());
  for (const RespCommand& command : whole) {
    CHECK(!command.empty());
    const std::string line = FormatRespCommand(command);
    CHECK(line.find('\n') == std::string::npos);
  }
}

void CheckUnits(std::string_view text) {
  for (const auto& parsed : {ParseByteCount(text), ParseDurationMs(text), ParseHash(text)}) {
    CHECK(parsed.ok() || !parsed.status().message().empty());
  }
  if (const auto hash = ParseHash(text); hash.ok()) CHECK(ParseHash(FormatHash(*hash)) == hash);
  if (const auto bytes = ParseByteCount(text); bytes.ok()) CHECK(!FormatByteCount(*bytes).empty());
  if (const auto ms = ParseDurationMs(text); ms.ok()) CHECK(!FormatDurationMs(*ms).empty());
  const auto time = ParseTimestampUs(text);
  if (!time.ok()) return;
  const auto again = ParseTimestampUs(FormatTimestampUs(*time));
  CHECK(again.ok());
  CHECK_EQ(*again, *time);
}

void CheckPositions(const std::string& text) {
  const auto position = ParsePosition(text);
  if (position.ok() && position->kind == Position::Kind::kSeq) CHECK(position->seq != Seq());
  const auto lease = ParseLeaseRef(text);
  if (lease.ok()) {
    CHECK(lease->epoch != Epoch() && !lease->name.empty());
    CHECK(text.starts_with(lease->name + ":"));
  }
  const auto metadata = ParseMetadata({text, "k=v"});
  if (metadata.ok()) CHECK_EQ(metadata->size(), 2u);
  CHECK(position.ok() || !position.status().message().empty());
  CHECK(lease.ok() || !lease.status().message().empty());
  CHECK(metadata.ok() || !metadata.status().message().empty());
}

void Run(std::string_view bytes) {
  Input input(bytes);
  const Form form = static_cast<Form>(input.Byte() % kForms);
  const uint8_t number = input.Byte();
  const std::string_view text = input.Rest();
  const size_t cut = text.empty() ? 0 : number % text.size();
  switch (form) {
    case kLines:
      return CheckSplitter(Framing::kLines, 0, text, cut);
    case kPrefixed:
      return CheckSplitter(Framing::kLengthPrefixed, 0, text, cut);
    case kChunks:
      return CheckSplitter(Framing::kChunks, number, text, cut);
    case kResp:
      return CheckResp(text, cut);
    case kUnits:
      return CheckUnits(text);
    case kPositions:
      return CheckPositions(std::string(text));
  }
}

std::string Of(Form form, uint8_t number, const std::string& text) {
  return Number(form, 1) + Number(number, 1) + text;
}

std::vector<Seed> Seeds() {
  return {
      {"lines", Of(kLines, 6, "one\ntwo\r\n\nthe last")},
      {"prefixed", Of(kPrefixed, 5, Joined({"one", "", "three"}, Framing::kLengthPrefixed))},
      {"chunks", Of(kChunks, 3, "0123456789")},
      {"resp", Of(kResp, 9, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\nPING x\r\n*0\r\n\r\n")},
      {"resp-inline", Of(kResp, 3, "SET k \"a \\x41 b\"\r\n")},
      {"bytes", Of(kUnits, 0, "1.5 GiB")},
      {"duration", Of(kUnits, 0, "250ms")},
      {"time", Of(kUnits, 0, "2026-11-21T12:30:00.250000Z")},
      {"time-zone", Of(kUnits, 0, "2026-11-21T12:30:00+02:00")},
      {"seconds", Of(kUnits, 0, "1795262400.25")},
      {"hash", Of(kUnits, 0, "0x00c0ffee00c0ffee")},
      {"seq", Of(kPositions, 0, "12")},
      {"position-time", Of(kPositions, 0, "@2026-11-21")},
      {"lease", Of(kPositions, 0, "primary:17")},
      {"metadata", Of(kPositions, 0, "key=value")},
  };
}

const Registered registered({.name = "cli_formats", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
