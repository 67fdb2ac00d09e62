// LiveSettings: settings of an engine that is not the agent's own, which are changed for a while.
//
// What a setting was is asked for before it is changed, once: when the outcome of a change is not
// known, or a connection breaks in between, putting back still means what it was at first.
//
// Threads: the engine thread. Lifetime: the link outlives it.
// Errors: those of the link; whatever the engine says to CONFIG.
#pragma once

#include <asio/awaitable.hpp>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "adapter/redis/engine_link.h"

namespace cairn::adapter::redis {

class LiveSettings {
 public:
  LiveSettings(EngineLink* link, Millis patience) : link_(link), patience_(patience) {}

  // OK: from here on the engine goes by it. After an error it may do so, or not.
  asio::awaitable<absl::Status> Change(std::string name, std::string value);
  // As it was before the first change; nothing if there was none.
  asio::awaitable<absl::Status> PutBack(std::string name);
  // Not as it was, or perhaps not.
  [[nodiscard]] bool changed(const std::string& name) const { return former_.contains(name); }

 private:
  EngineLink* const link_;
  const Millis patience_;
  std::map<std::string, std::string> former_;
};

}  // namespace cairn::adapter::redis
