#include "adapter/memcache/agent_stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/clock.h"

namespace cairn::adapter::memcache {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kStat = "STAT ";

}  // namespace

std::string AgentStats(const MemcacheStatus& status) {
  std::string text;
  const auto tell = [&text](std::string_view name, const auto& value) {
    fmt::format_to(std::back_inserter(text), "STAT {} {}\r\n", name, value);
  };
  const std::string why = status.NotReady();
  const bool reigns = status.front == FrontMode::kPrimary || status.front == FrontMode::kPausing;
  tell("role", reigns ? "primary" : "replica");
  tell("state", Name(status.role));
  tell("epoch", status.epoch);
  tell("primary", status.primary);
  tell("ready", why.empty() ? "yes" : why);
  tell("mode", status.mode);
  tell("lag_bytes", status.in_flight_bytes);
  tell("lag_ms", status.lag_us / kMicrosPerMilli);
  tell("records_behind", status.records_behind);
  tell("log", status.log_reachable ? "up" : "down");
  tell("engine", status.engine_ready ? "up" : "down");
  tell("engine_items", status.engine.items);
  tell("engine_memory_bytes", status.engine.memory_bytes);
  tell("view_seq", status.view_seq);
  tell("view_items", status.view_items);
  for (const std::string& agent : status.agents) tell("agent", agent);
  return text + "END\r\n";
}

bool ReadAgentStats(std::string_view text, AgentAnswer* answer) {
  while (text.starts_with(kStat)) {
    text.remove_prefix(kStat.size());
    const std::string_view line = text.substr(0, text.find(kLineEnd));
    text.remove_prefix(std::min(text.size(), line.size() + kLineEnd.size()));
    const size_t blank = line.find(' ');
    if (blank != std::string_view::npos) answer->Add(line.substr(0, blank), line.substr(blank + 1));
  }
  return text.starts_with("END") && answer->fields.contains("role");
}

}  // namespace cairn::adapter::memcache
