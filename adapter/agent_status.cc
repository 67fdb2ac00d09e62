#include "adapter/agent_status.h"

#include <fmt/format.h>

namespace cairn::adapter {

std::string AgentStatus::NotReady() const {
  switch (front) {
    case FrontMode::kPrimary:
    case FrontMode::kPausing:
      if (!log_reachable) return "the log does not answer: no write becomes durable";
      return "";
    case FrontMode::kReplica:
      if (engine_too_old) return "the log has records of a newer engine: reads show an old state";
      return "";
    case FrontMode::kHolding:
      return "the log does not answer: replies are held";
    case FrontMode::kClosed:
      break;
  }
  if (!engine_ready) return "the engine does not answer";
  return fmt::format("{}: clients are not served", Name(role));
}

}  // namespace cairn::adapter
