#include "adapter/memcache/passed_line.h"

#include <fmt/format.h>

#include "adapter/memcache/effects.h"
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
std::string MetaGetFlag(const MetaFlags& meta, std::string_view flag, UnixSeconds now) {
  constexpr std::string_view kPlain = "vtfcsklhu";
  switch (flag[0]) {
    case 'T':
      return fmt::format("T{}", ExptimeText(ExpiresAt(meta.ttl.value_or(0), now), now));
    case 'N':
      return fmt::format("N{}", meta.vivify_ttl.value_or(0));
    case 'R':
      return fmt::format("R{}", meta.recache_ttl.value_or(0));
    case 'O':
      return std::string(flag.substr(0, kMaxOpaqueBytes));
    default:
      return kPlain.find(flag[0]) == std::string_view::npos ? "" : std::string(1, flag[0]);
  }
}

}  // namespace

std::string MetaGetLine(const Request& request, UnixSeconds now) {
  std::string line = MetaLine("mg", request.key(), request.binary);
  ForEachFlag(request.meta.text, [&](std::string_view flag) {
    const std::string passed = MetaGetFlag(request.meta, flag, now);
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

}  // namespace cairn::adapter::memcache
