#include "adapter/memcache/passed_line.h"

#include <fmt/format.h>

#include <optional>

#include "adapter/memcache/engine_command.h"
#include "adapter/memcache/expiry.h"
#include "adapter/memcache/line_text.h"
#include "base/check.h"

namespace cairn::adapter::memcache {
namespace {

// One byte more than memcached takes: what is too long stays too long.
constexpr size_t kMaxOpaqueBytes = 33;

std::string Joined(std::string_view verb, const absl::InlinedVector<std::string_view, 2>& words) {
  std::string line(verb);
  for (const std::string_view word : words) {
    line += ' ';
    line += word;
  }
  return line;
}

// A flag of `mg` as the engine shall see it; empty if it shall not. Letters that take no argument
// may have one all the same.
std::string MetaGetFlag(const Request& request, std::string_view flag, UnixSeconds now) {
  const MetaFlags& meta = request.meta;
  constexpr std::string_view kPlain = "vtfcslhu";
  switch (flag[0]) {
    case 'T':
      return fmt::format("T{}", ExptimeText(ExpiresAt(meta.ttl.value_or(0), now), now));
    case 'N':
      return fmt::format("N{}", meta.vivify_ttl.value_or(0));
    case 'R':
      return fmt::format("R{}", meta.recache_ttl.value_or(0));
    case 'O':
      return std::string(flag.substr(0, kMaxOpaqueBytes));
    case 'k':
      return request.binary ? "" : "k";
    default:
      return kPlain.find(flag[0]) == std::string_view::npos ? "" : std::string(1, flag[0]);
  }
}

// Behind how many words of the engine's line the key belongs: flags are answered in the order in
// which they were asked for, on a miss only O. nullopt: it was not asked for.
std::optional<size_t> PlaceOfKey(const Request& request, std::string_view line) {
  if (request.verb != Verb::kMetaGet || !request.binary) return std::nullopt;
  const bool miss = line.starts_with("EN");
  const bool value = line.starts_with("VA ");
  if (!miss && !value && !line.starts_with("HD")) return std::nullopt;
  const std::string_view answered = miss ? "O" : "stcflhO";
  size_t words = value ? 2 : 1;
  std::optional<size_t> place;
  ForEachFlag(request.meta.text, [&](std::string_view flag) {
    if (flag[0] == 'k') place = words;
    if (answered.find(flag[0]) != std::string_view::npos) ++words;
  });
  return place;
}

std::string WithKey(const Request& request, std::string_view line, size_t place) {
  size_t at = line.find("\r\n");
  const Words words = SplitWords(line.substr(0, at), place + 1);
  if (words.size() > place) at = static_cast<size_t>(words[place].data() - line.data()) - 1;
  return fmt::format("{} k{} b{}", line.substr(0, at), EncodeKey(request.key()), line.substr(at));
}

}  // namespace

std::string MetaGetLine(const Request& request, UnixSeconds now) {
  std::string line = MetaLine("mg", request.key(), request.binary);
  ForEachFlag(request.meta.text, [&](std::string_view flag) {
    const std::string passed = MetaGetFlag(request, flag, now);
    if (!passed.empty()) line += " " + passed;
  });
  return line;
}

std::string PlainLine(const Request& request) {
  switch (request.verb) {
    case Verb::kGet:
      return Joined("get", request.keys) + "\r\n";
    case Verb::kGets:
      return Joined("gets", request.keys) + "\r\n";
    case Verb::kMetaGet:
      return MetaGetLine(request, 0) + "\r\n";
    case Verb::kMetaDebug:
      return MetaLine("me", request.key(), request.binary) + "\r\n";
    case Verb::kVersion:
      return "version\r\n";
    case Verb::kStats:
      return std::string(request.line) + "\r\n";
    default:
      CHECK_UNREACHABLE();
  }
}

bool Silenced(const Request& request, std::string_view engine_line) {
  if (request.noreply) return true;
  return request.verb == Verb::kMetaGet && request.meta.quiet && engine_line.starts_with("EN");
}

void AppendPassedLine(const Request& request, const CasTokens& tokens, std::string_view line,
                      std::string* out) {
  if (Silenced(request, line)) return;
  const std::optional<size_t> place = PlaceOfKey(request, line);
  if (place) {
    tokens.AppendForClient(WithKey(request, line, *place), out);
  } else {
    tokens.AppendForClient(line, out);
  }
}

}  // namespace cairn::adapter::memcache
