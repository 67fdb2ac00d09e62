#include "adapter/memcache/engine_facts.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>
#include <system_error>
#include <tuple>

#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::adapter::memcache {
namespace {

// "STAT name value" of a line.
std::optional<std::string_view> ValueOf(std::string_view reply, std::string_view name) {
  const std::string start = fmt::format("STAT {} ", name);
  size_t at = 0;
  while (at < reply.size()) {
    const size_t end = std::min(reply.find("\r\n", at), reply.size());
    const std::string_view line = reply.substr(at, end - at);
    if (line.starts_with(start)) return line.substr(start.size());
    at = end + 2;
  }
  return std::nullopt;
}

absl::StatusOr<std::string_view> Need(std::string_view reply, std::string_view name) {
  const std::optional<std::string_view> value = ValueOf(reply, name);
  if (value) return *value;
  return absl::UnavailableError(
      fmt::format("the engine's statistics lack \"{}\": is this a memcached?", name));
}

absl::StatusOr<uint64_t> NeedNumber(std::string_view reply, std::string_view name) {
  ASSIGN_OR_RETURN(const std::string_view text, Need(reply, name));
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return absl::UnavailableError(
      fmt::format("the engine's statistic \"{}\" is no number: {}", name, text));
}

std::tuple<int, int, int> VersionOf(std::string_view text) {
  std::array<int, 3> parts{};
  size_t i = 0;
  for (const absl::string_view part : absl::StrSplit(ToAbsl(text), '.')) {
    if (i == parts.size()) break;
    std::from_chars(part.data(), part.data() + part.size(), parts[i++]);
  }
  return {parts[0], parts[1], parts[2]};
}

}  // namespace

std::string EngineFacts::Life() const { return fmt::format("{}@{}", pid, clock.started); }

bool EngineFacts::takes_cas() const { return VersionOf(version) >= std::tuple(1, 6, 25); }

absl::Status ReadStats(std::string_view reply, EngineFacts* facts) {
  ASSIGN_OR_RETURN(const std::string_view version, Need(reply, "version"));
  facts->version = version;
  ASSIGN_OR_RETURN(facts->pid, NeedNumber(reply, "pid"));
  ASSIGN_OR_RETURN(const uint64_t now, NeedNumber(reply, "time"));
  ASSIGN_OR_RETURN(const uint64_t uptime, NeedNumber(reply, "uptime"));
  facts->clock.now = static_cast<UnixSeconds>(now);
  facts->clock.started = static_cast<UnixSeconds>(now - std::min(uptime, now));
  ASSIGN_OR_RETURN(facts->use.items, NeedNumber(reply, "curr_items"));
  ASSIGN_OR_RETURN(facts->use.memory_bytes, NeedNumber(reply, "bytes"));
  ASSIGN_OR_RETURN(facts->use.memory_limit_bytes, NeedNumber(reply, "limit_maxbytes"));
  ASSIGN_OR_RETURN(facts->use.evictions, NeedNumber(reply, "evictions"));
  ASSIGN_OR_RETURN(facts->use.hits, NeedNumber(reply, "get_hits"));
  ASSIGN_OR_RETURN(facts->use.misses, NeedNumber(reply, "get_misses"));
  ASSIGN_OR_RETURN(facts->use.connections, NeedNumber(reply, "curr_connections"));
  return absl::OkStatus();
}

absl::Status ReadSettings(std::string_view reply, EngineFacts* facts) {
  ASSIGN_OR_RETURN(facts->item_size.item_size_max, NeedNumber(reply, "item_size_max"));
  if (const auto chunk = NeedNumber(reply, "slab_chunk_max"); chunk.ok()) {
    facts->item_size.slab_chunk_max = *chunk;
  }
  ASSIGN_OR_RETURN(const std::string_view cas, Need(reply, "cas_enabled"));
  facts->cas_enabled = cas == "yes";
  if (!facts->cas_enabled) {
    return absl::FailedPreconditionError(
        "the engine keeps no CAS (option -C), without which changes of one item cannot be told "
        "apart: start it without -C");
  }
  if (VersionOf(facts->version) < std::tuple(1, 6, 0)) {
    return absl::FailedPreconditionError(
        fmt::format("the engine is memcached {}: expected 1.6.0 or later, which has meta commands",
                    facts->version));
  }
  return absl::OkStatus();
}

}  // namespace cairn::adapter::memcache
