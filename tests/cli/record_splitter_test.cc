// Records do not depend on where the pieces of the input end: each case is fed whole, byte by
// byte, and cut in two at every place.
#include "cli/record_splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace cairn::cli {
namespace {

using ::testing::HasSubstr;

using Records = std::vector<std::string>;

struct Outcome {
  absl::Status status;
  Records records;
};

Outcome Split(const SplitterOptions& options, const std::vector<std::string>& pieces) {
  Outcome outcome;
  const auto sink = [&outcome](std::string_view record) {
    outcome.records.emplace_back(record);
    return absl::OkStatus();
  };
  RecordSplitter splitter(options);
  for (const std::string& piece : pieces) {
    outcome.status = splitter.Feed(piece, sink);
    if (!outcome.status.ok()) return outcome;
  }
  outcome.status = splitter.Finish(sink);
  return outcome;
}

std::vector<std::vector<std::string>> AllCuts(const std::string& input) {
  std::vector<std::vector<std::string>> cuts = {{input}, {}};
  for (const char c : input) cuts.back().emplace_back(1, c);
  for (size_t at = 1; at < input.size(); ++at) {
    cuts.push_back({input.substr(0, at), input.substr(at)});
  }
  return cuts;
}

std::string Prefixed(const Records& records) {
  std::string out;
  for (const std::string& record : records) AppendLengthPrefixed(out, record);
  return out;
}

TEST(RecordSplitterTest, CutsTheSameRecordsWhereverThePiecesEnd) {
  const std::string binary("\0\n\xff", 3);
  struct Case {
    const char* name;
    SplitterOptions options;
    std::string input;
    Records want;
  };
  const Case cases[] = {
      {"no input", {}, "", {}},
      {"lines", {}, "one\ntwo\n", {"one", "two"}},
      {"a last line without its end", {}, "one\ntwo", {"one", "two"}},
      {"empty lines are records", {}, "\n\nx\n\n", {"", "", "x", ""}},
      {"a carriage return belongs to the line", {}, "a\r\nb\r\n", {"a\r", "b\r"}},
      {"length-prefixed",
       {.framing = Framing::kLengthPrefixed},
       Prefixed({"abc", binary, "x"}),
       {"abc", binary, "x"}},
      {"length-prefixed, empty ones",
       {.framing = Framing::kLengthPrefixed},
       Prefixed({"", "a", "", ""}),
       {"", "a", "", ""}},
      {"chunks, none left over",
       {.framing = Framing::kChunks, .chunk_bytes = 3},
       "abcdef",
       {"abc", "def"}},
      {"chunks, a shorter last one",
       {.framing = Framing::kChunks, .chunk_bytes = 4},
       "ab\ndef",
       {"ab\nd", "ef"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    for (const auto& pieces : AllCuts(c.input)) {
      const Outcome outcome = Split(c.options, pieces);
      EXPECT_TRUE(outcome.status.ok()) << ToStd(outcome.status.message());
      EXPECT_EQ(outcome.records, c.want);
    }
  }
}

TEST(RecordSplitterTest, RefusesWhatCannotBeARecord) {
  struct Case {
    const char* name;
    SplitterOptions options;
    std::string input;
    size_t records_before;
    const char* message;
  };
  const Case cases[] = {
      {"a line above the limit", {.max_record_bytes = 4}, "ab\nabcde\n", 1, "record at byte 3"},
      {"a line above the limit that never ends",
       {.max_record_bytes = 4},
       "abcdefgh",
       0,
       "at byte 0"},
      {"a length above the limit",
       {.framing = Framing::kLengthPrefixed, .max_record_bytes = 4},
       Prefixed({"ab", "abcde"}),
       1,
       "record at byte 6"},
      {"an input that ends in a length",
       {.framing = Framing::kLengthPrefixed},
       Prefixed({"ab"}) + std::string(2, '\0'),
       1,
       "2 of 4 bytes of its length"},
      {"an input that ends in a payload",
       {.framing = Framing::kLengthPrefixed},
       Prefixed({"ab", "abcde"}).substr(0, 12),
       1,
       "2 of 5 bytes of its payload"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    for (const auto& pieces : AllCuts(c.input)) {
      const Outcome outcome = Split(c.options, pieces);
      EXPECT_EQ(outcome.status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(std::string(ToStd(outcome.status.message())), HasSubstr(c.message));
      EXPECT_EQ(outcome.records.size(), c.records_before);
    }
  }
}

TEST(RecordSplitterTest, ASinkThatRefusesStopsIt) {
  RecordSplitter splitter({});
  int calls = 0;
  const absl::Status status = splitter.Feed("a\nb\nc\n", [&calls](std::string_view) {
    return ++calls == 2 ? absl::UnavailableError("full") : absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace cairn::cli
