// MemcacheTools: `cairn-agent TOOL` on the log of a world's cache, as processes.
//
// Threads: one. Lifetime: the world outlives it. Nothing waits for more than a minute.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/memcache_world.h"

namespace cairn::integration {

class MemcacheTools {
 public:
  explicit MemcacheTools(const MemcacheWorld& world) : world_(world) {}

  // argv of the tool on the cache's log.
  [[nodiscard]] std::vector<std::string> Command(const std::string& tool,
                                                 std::vector<std::string> flags) const;
  // What the tool printed, and its exit status.
  std::pair<std::string, int> Run(const std::string& tool, std::vector<std::string> flags);
  // The object that it printed last; empty, and a failure of the test, unless it exits with 0.
  nlohmann::json RunWell(const std::string& tool, std::vector<std::string> flags);
  // The fold of the log: all its items, as EngineItems() gives those of an engine. A failure of the
  // test, and empty, if it cannot be had.
  MemcacheItems Fold();

  // Another log of the cluster, with this as its only record.
  bool AppendTo(const std::string& log, const std::string& payload);
  // The tools work on that log from now on.
  void SetLog(std::string log) { log_ = std::move(log); }

 private:
  const MemcacheWorld& world_;
  std::string log_ = "cache";
  int runs_ = 0;
};

}  // namespace cairn::integration
