// cairn-history: checks a history that was kept in a file (the form: history_text.h).
//
//   cairn-history FILE
//
// Exit 0: linearizable; 1: not, and the reason is printed; 2: undecided, or not a history.
#include <fmt/core.h>

#include <fstream>
#include <iterator>
#include <string>

#include "base/strings.h"
#include "tests/history/history_text.h"
#include "tests/history/linearizability.h"

int main(int argc, char** argv) {
  using cairn::history::Verdict;
  std::ifstream file(argc == 2 ? argv[1] : "");
  if (!file) {
    fmt::print(stderr, "usage: cairn-history FILE\n");
    return 2;
  }
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto history = cairn::history::ParseHistory(text);
  if (!history.ok()) {
    fmt::print(stderr, "{}: {}\n", argv[1], cairn::ToStd(history.status().message()));
    return 2;
  }
  const Verdict verdict = cairn::history::CheckLinearizable(*history);
  if (verdict.ok()) {
    fmt::print("Linearizable: {} operations.\n", history->operations.size());
    return 0;
  }
  fmt::print("{}", verdict.Text());
  return verdict.kind == Verdict::Kind::kViolation ? 1 : 2;
}
