// Answers of two memcacheds to the same bytes, compared: alike but for what cannot be the same.
//
// Seconds left to live may differ by the tick of a clock between two commands; CAS tokens are
// numbers of the engines' own, but of two tokens that were equal, or not, there, the same must hold
// here.
//
// Threads: none.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace cairn::adapter::memcache {

class Comparison {
 public:
  // "" if `theirs` and `ours` are alike; otherwise both, for a message.
  std::string Compare(std::string_view theirs, std::string_view ours);

 private:
  bool Alike(std::string_view theirs, std::string_view ours);
  bool SameWord(std::string_view theirs, std::string_view ours, bool cas);

  std::map<std::string, std::string, std::less<>> tokens_;  // From theirs to ours.
};

}  // namespace cairn::adapter::memcache
