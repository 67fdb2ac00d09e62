#include "tests/adapter/memcache/alike.h"

#include <cstdlib>
#include <string>

#include "adapter/memcache/line_text.h"

namespace cairn::adapter::memcache {
namespace {

constexpr int64_t kTicks = 2;

std::optional<int64_t> SecondsLeft(std::string_view word) {
  if (!word.starts_with('t')) return std::nullopt;
  const std::optional<uint64_t> seconds = ReadUnsigned64(word.substr(1));
  if (!seconds) return std::nullopt;
  return static_cast<int64_t>(*seconds);
}

std::string_view TakeLine(std::string_view* text) {
  const std::string_view line = text->substr(0, text->find('\n'));
  text->remove_prefix(std::min(line.size() + 1, text->size()));
  return line.substr(0, line.find('\r'));
}

}  // namespace

std::string Comparison::Compare(std::string_view theirs, std::string_view ours) {
  if (Alike(theirs, ours)) return "";
  return std::string("memcached: ") + std::string(theirs) + "\nthe agent: " + std::string(ours);
}

SeenToken Comparison::PickToken(Random* random) const {
  constexpr size_t kLast = 6;
  if (seen_.empty()) return {"0", "0"};
  return seen_[seen_.size() - 1 - random->Below(std::min(kLast, seen_.size()))];
}

bool Comparison::Alike(std::string_view theirs, std::string_view ours) {
  if (theirs == ours && tokens_.empty()) return true;
  while (!theirs.empty() && !ours.empty()) {
    const Words their_words = SplitWords(TakeLine(&theirs), 64);
    const Words our_words = SplitWords(TakeLine(&ours), 64);
    if (their_words.size() != our_words.size()) return false;
    const bool with_cas = our_words.size() == 5 && our_words[0] == "VALUE";
    const bool meta = !our_words.empty() && (our_words[0] == "HD" || our_words[0] == "VA");
    for (size_t i = 0; i < our_words.size(); ++i) {
      const bool cas = (with_cas && i == 4) || (meta && i > 0 && our_words[i][0] == 'c');
      if (!SameWord(their_words[i], our_words[i], cas)) return false;
    }
  }
  return theirs.empty() && ours.empty();
}

bool Comparison::SameWord(std::string_view theirs, std::string_view ours, bool cas) {
  if (cas && theirs != "c0" && ours != "c0") {
    std::string_view their_number = theirs;
    std::string_view our_number = ours;
    if (theirs.starts_with('c')) their_number.remove_prefix(1);
    if (ours.starts_with('c')) our_number.remove_prefix(1);
    const auto [it, added] = tokens_.try_emplace(std::string(their_number), our_number);
    if (added) seen_.push_back({it->first, it->second});
    return it->second == our_number;
  }
  if (theirs == ours) return true;
  const auto their_seconds = SecondsLeft(theirs);
  const auto our_seconds = SecondsLeft(ours);
  return their_seconds && our_seconds && std::abs(*their_seconds - *our_seconds) <= kTicks;
}

}  // namespace cairn::adapter::memcache
