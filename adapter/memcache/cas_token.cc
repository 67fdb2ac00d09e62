#include "adapter/memcache/cas_token.h"

#include <fmt/format.h>

#include <optional>

#include "adapter/memcache/line_text.h"

namespace cairn::adapter::memcache {
namespace {

constexpr int kNumberBits = 42;
constexpr int kLifeBits = 5;
constexpr int kEpochBits = 15;
constexpr uint64_t kMark = uint64_t{1} << 62;
constexpr uint64_t kNumberMask = (uint64_t{1} << kNumberBits) - 1;

constexpr int kIndexBits = 20;
constexpr int kSeqBits = 41;
constexpr uint64_t kLogged = uint64_t{1} << (kIndexBits + kSeqBits);

constexpr uint64_t Low(uint64_t value, int bits) { return value & ((uint64_t{1} << bits) - 1); }

constexpr bool IsLogged(uint64_t number) { return (number & (kMark | kLogged)) == kLogged; }

// Where in `line` the engine's CAS stands: its digits; empty if there is none.
std::string_view CasOf(std::string_view line) {
  std::string_view text = line;
  if (text.ends_with("\r\n")) text.remove_suffix(2);
  if (text.starts_with("VALUE ")) {
    const Words words = SplitWords(text, 6);
    return words.size() == 5 ? words[4] : std::string_view();
  }
  const bool meta = text.starts_with("HD ") || text.starts_with("VA ");
  if (!meta && !text.starts_with("ME ")) return {};
  // The key of ME and the flags O and k of HD may look like anything, but each stands behind its
  // own letter, or first.
  const std::string_view mark = meta ? "c" : "cas=";
  size_t skip = meta ? (text.starts_with("VA ") ? 2 : 1) : 2;
  std::string_view found;
  for (const std::string_view word : SplitWords(text, text.size())) {
    if (skip > 0) {
      --skip;
    } else if (word.starts_with(mark)) {
      found = word.substr(mark.size());
    }
  }
  return found;
}

}  // namespace

CasTokens::CasTokens(uint64_t epoch, uint64_t engine_life) {
  tag_ = (Low(epoch, kEpochBits) << kLifeBits | Low(engine_life, kLifeBits)) << kNumberBits | kMark;
}

uint64_t CasTokens::Logged(uint64_t seq, uint32_t index) {
  return kLogged | Low(seq, kSeqBits) << kIndexBits | Low(index, kIndexBits);
}

uint64_t CasTokens::ToClient(uint64_t engine_cas) const {
  if (engine_cas == 0 || !rewrites() || IsLogged(engine_cas)) return engine_cas;
  return tag_ | (engine_cas & kNumberMask);
}

bool CasTokens::IsOlder(uint64_t token, uint64_t engine_cas) const {
  if (token == 0) return false;
  if (!rewrites() || (IsLogged(token) && IsLogged(engine_cas))) return token < engine_cas;
  if (IsLogged(engine_cas) || (token & ~kNumberMask) != tag_) return false;
  return (token & kNumberMask) < (engine_cas & kNumberMask);
}

void CasTokens::AppendForClient(std::string_view line, std::string* out) const {
  const std::string_view digits = rewrites() ? CasOf(line) : std::string_view();
  const std::optional<uint64_t> cas = digits.empty() ? std::nullopt : ReadUnsigned64(digits);
  if (!cas) {
    out->append(line);
    return;
  }
  const auto at = static_cast<size_t>(digits.data() - line.data());
  out->append(line.substr(0, at));
  fmt::format_to(std::back_inserter(*out), "{}", ToClient(*cas));
  out->append(line.substr(at + digits.size()));
}

}  // namespace cairn::adapter::memcache
