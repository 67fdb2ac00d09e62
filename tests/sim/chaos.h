// Chaos: what happens to a simulated cluster, besides its load: one fault or command after
// another, of those that the seed drew, until the world is healed.
//
// It damages only what can be repaired: stored bits are flipped at one node at a time, and only
// while all others hold what it holds (design section 8).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/faults.h"
#include "tests/sim/log_watch.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/sim_service.h"
#include "tests/sim/sim_user.h"

namespace cairn::sim {

struct ChaosCounts {
  uint64_t crashes = 0;
  uint64_t recovery_crashes = 0;  // Of nodes that were still on their way back.
  uint64_t power_cuts = 0;        // Of all nodes at once.
  uint64_t bit_flips = 0;
};

class Chaos {
 public:
  struct Context {
    const Faults* faults;
    const std::vector<SimLog>* logs;
    EventQueue* events;
    Random* random;
    SimNetwork* network;
    SimService* service;
    const std::vector<std::unique_ptr<SimNode>>* nodes;
    const std::vector<std::unique_ptr<SimUser>>* users;
    const std::vector<std::unique_ptr<LogWatch>>* watches;
    // Sends a request of the world's own, whose answer nobody waits for.
    std::function<void(NodeId to, GroupId log, server::RequestBody body)> send;
    std::function<void(std::string)> note;
  };
  explicit Chaos(Context context);

  void Start();
  // No fault from now on; what is broken is mended: the part of a good operator.
  void Heal();
  // The node reached a crash point.
  void OnDoomed(SimNode& node);

  // Between clients and a node.
  [[nodiscard]] bool ClientsReach(NodeId node) const { return node != unreachable_; }
  [[nodiscard]] bool Loses();
  [[nodiscard]] const ChaosCounts& counts() const { return counts_; }

 private:
  using Action = void (Chaos::*)();
  struct Choice {
    bool on;
    int weight;
    Action action;
  };

  void ScheduleNext();
  void Act();

  void CutSomething();
  void CutNode(NodeId node, bool outgoing, bool incoming);
  void JoinNode(NodeId node);
  void CutHalves();
  void CutBridge();
  void Clog();
  void HealNetwork();
  void CutClients();
  void DamageSomething();
  void CrashSomebody();
  void CrashLeader();
  void PowerCutAll();
  void PauseSomebody();
  void StallDisk();
  void FillDisk();
  void MoveClock();
  void MoveLeadership();
  void Trim();
  void TrimAll(LogWatch& watch, SimNode& leader);
  void LeaveBehind();
  void ChangeMembers();

  void Crash(SimNode& node, storage::CrashFault fault);
  // With a harmed disk perhaps, and back after a while.
  void CrashAndRestart(SimNode& node);
  [[nodiscard]] storage::CrashFault AnyFault();
  // Worse than a crash, where the others can mend it. Requires: the node is down.
  void MaybeDamageDisk(SimNode& node);
  // Between nearly at once and seconds, each order of magnitude as likely.
  [[nodiscard]] SimTime ShortOrLong();
  void Restart(NodeId id, SimTime delay);
  [[nodiscard]] bool IsSound(const SimNode& node) const;
  [[nodiscard]] bool AllAreSound() const;
  // The node that leads `log`, if any does.
  [[nodiscard]] SimNode* LeaderOf(GroupId log) const;
  [[nodiscard]] SimNode& AnyNode() const;
  [[nodiscard]] const SimLog& AnyLog() const;
  [[nodiscard]] LogWatch& AnyWatch() const;
  [[nodiscard]] Random& random() const { return *context_.random; }
  void Note(std::string line) { context_.note(std::move(line)); }

  const Context context_;
  std::vector<Choice> choices_;
  int weights_ = 0;
  bool over_ = false;
  NodeId unreachable_;
  ChaosCounts counts_;
};

}  // namespace cairn::sim
