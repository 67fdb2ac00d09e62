// Chaos: what happens to a simulated cluster, besides its load: one fault or command after
// another, of those that the seed drew, until the world is healed.
//
// It damages only what can be repaired: stored bits are flipped at one node at a time, and only
// while all others hold what it holds (design section 8).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
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
    // Who reads the log turns to one node from now on, and who appends to another.
    std::function<void(GroupId log, NodeId reads_at, NodeId appends_at)> ask;
    std::function<void(std::string)> note;
  };
  explicit Chaos(Context context);

  void Start();
  // No fault from now on; what is broken is mended: the part of a good operator.
  void Heal();
  // The node reached a crash point.
  void OnDoomed(SimNode& node);

  // Of the node that leads `log`.
  void OnMoment(Moment moment, NodeId leader, GroupId log);

  // Between clients and a node. In a lull all that clients send is lost.
  [[nodiscard]] bool ClientsReach(NodeId node) const { return node != unreachable_; }
  [[nodiscard]] bool Loses();
  // How much longer a packet of this client takes now: longer than a lease's margin, at times.
  [[nodiscard]] SimTime Late(int client);
  [[nodiscard]] const ChaosCounts& counts() const { return counts_; }

 private:
  using Action = void (Chaos::*)();
  struct Choice {
    bool on;
    int weight;
    Action action;
  };

  [[nodiscard]] bool InLull() const;
  void ScheduleNext();
  void Act();

  // The network (chaos_network.cc).
  void CutSomething();
  void CutNode(NodeId node, bool outgoing, bool incoming);
  void JoinNode(NodeId node);
  void CutHalves();
  void Split(const std::vector<NodeId>& side);
  void CutBridge();
  void Clog();
  void HealNetwork();
  void CutClients();
  void BeginLull();
  void DamageSomething();

  // Nodes (chaos_nodes.cc).
  void CrashSomebody();
  void CrashLeader();
  void FlapSomebody();
  void Flap(NodeId id, int times);
  void PowerCutAll();
  void PauseSomebody();
  void StallDisk();
  void FillDisk();
  void MoveClock();
  void Crash(SimNode& node, storage::CrashFault fault);
  // With a harmed disk perhaps; where that can be mended surely, if it is for the sake of one log.
  void CrashAndHarm(SimNode& node, std::optional<GroupId> log = std::nullopt);
  void CrashAndRestart(SimNode& node) {
    CrashAndHarm(node);
    Restart(node.id(), ShortOrLong());
  }
  [[nodiscard]] storage::CrashFault AnyFault();
  // Worse than a crash, where the others can mend it. Requires: the node is down.
  void MaybeDamageDisk(SimNode& node, std::optional<GroupId> log);
  void Restart(NodeId id, SimTime delay);

  // Commands (chaos_commands.cc).
  void MoveLeadership();
  void Trim();
  void TrimAll(LogWatch& watch, SimNode& leader);
  void ChangeSomeMembers();
  void ChangeMembers(GroupId log);
  void DisturbChange(NodeId leader, GroupId log);

  // Recipes (chaos_recipes.cc).
  void LeaveBehind();
  void TrimAndRejoin(GroupId log, NodeId left, int patience);
  void HuntLeaders();
  void OnLeader(GroupId log);
  void Strike(NodeId leader);
  // Whether Silence may be called.
  [[nodiscard]] bool MaySilence() const;
  // Crashes the node or cuts it off, and brings it back soon.
  void Silence(NodeId id);
  void AskAnOldSleeper();
  void CutWhenAsleep(GroupId log, int patience);
  void AskWhenDeposed(GroupId log, NodeId old);
  void StopALeader();
  void RestartAPromiser();
  void RestartBetween(GroupId log, NodeId old, NodeId between);
  void ChangeOver();
  void WakeUp(GroupId log, const std::vector<NodeId>& sleepers);
  // Once the node, which has lost records, holds something else than it `had` at its start, or at
  // the `latest`.
  void WhenGivenSomething(GroupId log, NodeId id, std::optional<Index> had, SimTime latest,
                          const std::function<void()>& action);

  // Unless the world is healed by then.
  void Later(SimTime delay, std::function<void()> action);
  // Between nothing and `most`, each of five orders of magnitude as likely.
  [[nodiscard]] SimTime UpTo(SimTime most);
  // As UpTo, for seconds.
  [[nodiscard]] SimTime ShortOrLong();
  // Every log has a leader that reaches a majority of the nodes, and `spare` more.
  [[nodiscard]] bool Works(size_t spare = 0) const;
  [[nodiscard]] bool IsSound(const SimNode& node) const;
  [[nodiscard]] bool AllAreSound() const;
  // It lacks what it had said to hold.
  [[nodiscard]] bool IsLost(const SimNode& node) const;
  [[nodiscard]] bool SomebodyIsHurt();
  // The node that leads `log`, if any does.
  [[nodiscard]] SimNode* LeaderOf(GroupId log) const;
  [[nodiscard]] SimNode& NodeOf(NodeId id) const { return *(*context_.nodes)[id.value() - 1]; }
  [[nodiscard]] SimNode& AnyNode() const;
  // Of some log; any node if that has none.
  [[nodiscard]] SimNode& AnyLeader() const;
  [[nodiscard]] const SimLog& AnyLog() const;
  [[nodiscard]] LogWatch& AnyWatch() const;
  [[nodiscard]] LogWatch& WatchOf(GroupId log) const;
  [[nodiscard]] Random& random() const { return *context_.random; }
  void Note(std::string line) { context_.note(std::move(line)); }

  const Context context_;
  std::vector<Choice> choices_;
  int weights_ = 0;
  bool over_ = false;
  NodeId unreachable_;
  SimTime lull_ends_ = 0;
  SimTime quiet_ends_ = 0;  // Until then nothing else happens.
  NodeId hurt_;             // The last one to lose something; 0 once it was seen whole.
  GroupId hunted_;
  SimTime hunt_ends_ = 0;
  std::map<int, SimTime> slow_until_;  // By client: packets are late more often until then.
  ChaosCounts counts_;
};

}  // namespace cairn::sim
