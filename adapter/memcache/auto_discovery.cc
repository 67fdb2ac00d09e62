#include "adapter/memcache/auto_discovery.h"

#include <fmt/format.h>

#include <string_view>

namespace cairn::adapter::memcache {
namespace {

constexpr std::string_view kOldKey = "AmazonElastiCache:cluster";

}  // namespace

bool AsksForDoors(const Request& request) {
  if (request.verb == Verb::kConfigGet) return request.keys.front() == "cluster";
  const bool gets = request.verb == Verb::kGet || request.verb == Verb::kGets;
  return gets && request.keys.size() == 1 && request.keys.front() == kOldKey;
}

std::string DoorsReply(const Request& request, const std::vector<std::string>& doors,
                       uint64_t version) {
  if (!AsksForDoors(request)) return "END\r\n";
  std::string nodes;
  for (const std::string& door : doors) {
    const size_t colon = door.rfind(':');
    const std::string_view host = std::string_view(door).substr(0, colon);
    if (!nodes.empty()) nodes += ' ';
    nodes += fmt::format("{}|{}|{}", host, host, std::string_view(door).substr(colon + 1));
  }
  const std::string value = fmt::format("{}\n{}\n", version, nodes);
  const std::string_view word = request.verb == Verb::kConfigGet ? "CONFIG" : "VALUE";
  return fmt::format("{} {} 0 {}\r\n{}\r\nEND\r\n", word, request.keys.front(), value.size(),
                     value);
}

}  // namespace cairn::adapter::memcache
