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
#include <vector>

#include "base/random.h"

namespace cairn::adapter::memcache {

// A CAS token that was seen in an answer, and its counterpart.
struct SeenToken {
  std::string theirs;
  std::string ours;
};

class Comparison {
 public:
  // "" if `theirs` and `ours` are alike; otherwise both, for a message.
  std::string Compare(std::string_view theirs, std::string_view ours);

  // One of the tokens that were seen last; 0 as long as there is none.
  [[nodiscard]] SeenToken PickToken(Random* random) const;

 private:
  bool Alike(std::string_view theirs, std::string_view ours);
  bool SameWord(std::string_view theirs, std::string_view ours, bool cas);

  std::map<std::string, std::string, std::less<>> tokens_;  // From theirs to ours.
  std::vector<SeenToken> seen_;                             // Oldest first.
};

}  // namespace cairn::adapter::memcache
