// Histories as text (tests/history/history_text.h).
//
// Beyond "no crash": what parses is written as a text that parses to the same text again; a refusal
// names a line.
#include "base/check.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/history/history_text.h"

namespace cairn::fuzz {
namespace {

void Run(std::string_view bytes) {
  const auto history = history::ParseHistory(bytes);
  if (!history.ok()) {
    CHECK(history.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(std::string(history.status().message()).find("line") != std::string::npos);
    return;
  }
  const std::string text = history::FormatHistory(*history);
  const auto again = history::ParseHistory(text);
  CHECK(again.ok());
  CHECK_EQ(history::FormatHistory(*again), text);
}

std::vector<Seed> Seeds() {
  const std::string all =
      "log 7 fenced last_seq=4 chain=00c0ffee00c0ffee lease=A@3\n"
      "10..25 c1 append x y if_last_seq=4 epoch=3 -> ok 5..6 chain=[a b c d x y]\n"
      "12..   c2 append \"z 1\" -> unknown\n"
      "30..41 c3 append q if_last_seq=2 -> CONDITION_FAILED last_seq=6\n"
      "30..41 c3 read -> ok last_seq=6 chain=0123456789abcdef lease=A@3\n"
      "50..60 c4 acquire B if_last_seq=6 -> ok epoch=8 last_seq=8\n"
      "50..60 c5 acquire C -> LEASE_HELD lease=A@3\n"
      "61..70 c4 renew 8 -> ok\n"
      "61..70 c1 renew 3 -> LEASE_LOST lease=B@8\n"
      "71..80 c4 transfer 8 D -> ok epoch=9\n"
      "81..90 c4 release 9 -> refused\n"
      "committed from 7\n"
      "7 expired A epoch=3\n"
      "8 acquired B\n";
  return {{"all", all}, {"empty-log", "log 1\n"}, {"comment", "log 1 # of\n1..2 c1 read -> ok\n"}};
}

const Registered registered({.name = "history_text", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
