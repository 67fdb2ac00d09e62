#include "adapter/memcache/engine_item.h"

#include <fmt/format.h>

#include "adapter/memcache/engine_command.h"
#include "adapter/memcache/line_text.h"
#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

absl::Status Unexpected(std::string_view reply) {
  return absl::InternalError(
      fmt::format("the engine answered '{}' to a question of the agent", reply.substr(0, 80)));
}

// ME KEY exp=-1 la=0 cas=3 fetch=no cls=1 size=60
absl::StatusOr<std::optional<EngineItem>> ReadVersion(std::string_view line) {
  constexpr std::string_view kCas = "cas=";
  const Words words = SplitWords(line, 8);
  for (size_t i = 2; i < words.size(); ++i) {
    if (!words[i].starts_with(kCas)) continue;
    const std::optional<uint64_t> cas = ReadUnsigned64(words[i].substr(kCas.size()));
    if (cas) return EngineItem{.cas = *cas};
  }
  return Unexpected(line);
}

// False: the flag is not understood.
bool ReadFlag(std::string_view word, UnixSeconds now, EngineItem* item) {
  const std::string_view argument = word.substr(1);
  switch (word[0]) {
    case 't': {
      const std::optional<int32_t> left = ReadSigned32(argument);
      if (!left) return false;
      item->expires_at = *left < 0 ? 0 : now + *left;
      return true;
    }
    case 'f': {
      const std::optional<uint32_t> flags = ReadUnsigned32(argument);
      item->client_flags = flags.value_or(0);
      return flags.has_value();
    }
    case 'c': {
      const std::optional<uint64_t> cas = ReadUnsigned64(argument);
      item->cas = cas.value_or(0);
      return cas.has_value();
    }
    case 'W':
      item->took_token = item->token_sent = true;
      return true;
    case 'X':
      item->stale = true;
      return true;
    case 'Z':
      item->token_sent = true;
      return true;
    default:
      return false;
  }
}

// The flags of "HD c3" or "VA 5 t-1 f0 c3", from words[first] on.
absl::StatusOr<EngineItem> ReadFlags(const Words& words, size_t first, UnixSeconds now) {
  EngineItem item;
  for (size_t i = first; i < words.size(); ++i) {
    if (!ReadFlag(words[i], now, &item)) return Unexpected(words[i]);
  }
  return item;
}

absl::StatusOr<std::optional<EngineItem>> ReadItem(std::string_view line, std::string_view value,
                                                   UnixSeconds now) {
  const Words words = SplitWords(line, 16);
  const std::optional<uint64_t> bytes = words.size() < 2 ? std::nullopt : ReadUnsigned64(words[1]);
  if (!bytes || value.size() != *bytes + kLineEnd.size()) return Unexpected(line);
  ASSIGN_OR_RETURN(EngineItem item, ReadFlags(words, 2, now));
  item.value = value.substr(0, *bytes);
  return item;
}

// The number behind "STAT NAME "; nullopt: there is none.
std::optional<int64_t> Statistic(std::string_view stats, std::string_view name) {
  const std::string line = fmt::format("STAT {} ", name);
  const size_t at = stats.find(line);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = stats.substr(at + line.size());
  const std::optional<uint64_t> number = ReadUnsigned64(rest.substr(0, rest.find('\r')));
  if (!number) return std::nullopt;
  return static_cast<int64_t>(*number);
}

}  // namespace

void AppendQuestion(const Request& request, Facts facts, std::string* out) {
  const bool item = facts == Facts::kItem;
  const bool by_get = item || request.binary;
  out->append(MetaLine(by_get ? "mg" : "me", request.key(), request.binary));
  if (by_get) out->append(item ? " v t f c u" : " c u");
  out->append(kLineEnd);
}

absl::StatusOr<std::optional<EngineItem>> ReadAnswer(std::string_view reply, UnixSeconds now) {
  const size_t end = reply.find(kLineEnd);
  if (end == std::string_view::npos) return Unexpected(reply);
  const std::string_view line = reply.substr(0, end);
  const std::string_view rest = reply.substr(end + kLineEnd.size());
  if (line == "EN" && rest.empty()) return std::nullopt;
  if (line.starts_with("ME ") && rest.empty()) return ReadVersion(line);
  if (line.starts_with("HD") && rest.empty()) return ReadFlags(SplitWords(line, 16), 1, now);
  if (line.starts_with("VA ")) return ReadItem(line, rest, now);
  return Unexpected(line);
}

absl::StatusOr<EngineClock> ReadClock(std::string_view stats) {
  // memcached lets its count begin a little before its start, and hides that in `uptime`.
  constexpr int64_t kHeadStart = 60;
  const std::optional<int64_t> now = Statistic(stats, "time");
  const std::optional<int64_t> uptime = Statistic(stats, "uptime");
  if (!now || !uptime) return Unexpected(stats);
  return EngineClock{.now = *now, .started = *now - *uptime - kHeadStart};
}

std::string RepairCommand(const Request& request) {
  return MetaLine("md", request.key(), request.binary) + " I\r\n";
}

}  // namespace cairn::adapter::memcache
