// ShardWorld: a Redis cache of two logs with some agents each, and the operator's tool that moves
// slots between them.
//
// Threads: one. Lifetime: the destructor kills what still runs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapter/redis/resharding/slot_log.h"
#include "adapter/redis/resharding/slot_state.h"
#include "cairn/client.h"
#include "tests/integration/agent_world.h"

namespace cairn::integration {

class ShardWorld {
 public:
  explicit ShardWorld(size_t nodes = 1, size_t agents = 2);

  // Starts all agents, and waits until both logs have primaries.
  void Begin();
  // For tests that start agents themselves; Begin does it, too.
  void Connect();

  [[nodiscard]] AgentWorld& world() { return world_; }
  // Requires: Connect.
  [[nodiscard]] Client* client() { return client_.get(); }
  [[nodiscard]] std::vector<std::string> Addresses() const;
  // The cache's slot log. Waits; nullopt: it cannot be opened.
  std::optional<adapter::redis::SlotLog> OpenSlots();
  // What the slot log says now.
  [[nodiscard]] adapter::redis::SlotState Slots();

  // Begins the tool, which goes on by itself until it has ended or is killed.
  void StartTool(const std::vector<std::string>& words);
  void KillTool() { tool_ = nullptr; }
  // Its exit code; -1: it does not end.
  int Tool(const std::vector<std::string>& words);
  [[nodiscard]] std::string ToolOutput() const { return ReadWholeFile(world_.File("tool")); }

  // The slot log has a record of the move in this phase, or in a later one: as soon as it comes.
  bool AwaitPhase(uint64_t move, adapter::redis::MovePhase phase);
  bool AwaitOver(uint64_t move);

  // In how many of the engines that lead one of the two logs the key is; -1: one does not answer.
  int CountEngines(const std::string& key);

 private:
  AgentWorld world_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<Process> tool_;
};

}  // namespace cairn::integration
