// What clients are told who ask for what only the agent does: to run its engine. The words are
// those of a memcached in which it is switched off, where there are such.
#include "adapter/memcache/command_line.h"

namespace cairn::adapter::memcache {
namespace {

constexpr std::string_view kError = "ERROR";

std::string_view RefuseMemoryLimit(const Words& words) {
  if (words.size() != 2 && words.size() != 3) return kError;
  const std::optional<uint32_t> megabytes = ReadUnsigned32(words[1]);
  if (!megabytes) return kError;
  if (*megabytes < 8) return "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m";
  return "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust";
}

std::string_view RefuseSlabs(const Words& words) {
  const bool reassign = words.size() == 4 && words[1] == "reassign";
  return reassign ? "CLIENT_ERROR slab reassignment disabled" : kError;
}

std::string_view RefuseCrawler(const Words& words) {
  if (words.size() == 3 && words[1] == "crawl") return "CLIENT_ERROR lru crawler disabled";
  if (words.size() == 3 && words[1] == "metadump") return "ERROR metadump not allowed";
  if (words.size() == 2 && words[1] == "enable") return "ERROR failed to start lru crawler thread";
  if (words.size() == 2 && words[1] == "disable") return "ERROR failed to stop lru crawler thread";
  return kError;
}

}  // namespace

std::optional<std::string_view> AdministrationRefusal(const Words& words) {
  const std::string_view verb = words[0];
  if (verb == "cache_memlimit") return RefuseMemoryLimit(words);
  if (verb == "slabs") return RefuseSlabs(words);
  if (verb == "lru_crawler") return RefuseCrawler(words);
  if (verb == "shutdown") return "ERROR: shutdown not enabled";
  if (verb == "watch") return "CLIENT_ERROR watch commands not allowed";
  constexpr std::string_view kOthers[] = {"lru", "extstore", "refresh_certs", "debugtime",
                                          "misbehave"};
  for (const std::string_view other : kOthers) {
    if (verb == other) return kError;
  }
  return std::nullopt;
}

}  // namespace cairn::adapter::memcache
