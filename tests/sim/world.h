// World: a whole simulated cluster in one thread. One seed decides everything: delays, losses,
// partitions, crashes, lost and torn writes, clock rates, what clients ask for.
//
// The real worker box runs (Worker, Group, LogState, RaftCore) over simulated clocks, network
// and disks. After every turn of a node the invariants that span nodes are checked; at the end
// the network heals, everybody comes back, and the cluster must converge within bounded virtual
// time and explain every answer that a client got (history.h).
//
// The same seed gives the same trace hash, always.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/event_queue.h"
#include "tests/sim/faults.h"
#include "tests/sim/history.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_node.h"

namespace cairn::sim {

struct Result {
  uint64_t seed = 0;
  uint64_t trace_hash = 0;
  uint64_t turns = 0;
  size_t operations = 0;  // Completed with a definite answer "done".
  uint64_t leader_changes = 0;
  uint64_t crashes = 0;
  uint64_t bit_flips = 0;
  uint64_t refills = 0;
  uint64_t suspects = 0;
  SimTime simulated_us = 0;
  std::vector<std::string> violations;
  std::vector<std::string> story;  // The last events before the end.
};

class World {
 public:
  World(uint64_t seed, Faults faults);
  ~World();

  // Runs `chaos_us` of virtual time with faults, then heals and checks.
  Result Run(SimTime chaos_us);
  // The last events so far.
  [[nodiscard]] const std::deque<std::string>& story() const { return story_; }

 private:
  struct Seen {
    Index applied;
    Term term;
  };

  void Note(std::string line);
  void Violation(std::string line);
  void AddClients();
  void Deliver(NodeId to, const server::OutMessage& message);
  void SendRequest(NodeId to, server::RequestBody body, SimTime deadline_us,
                   server::ReplyTo reply_to);
  void AfterTurn(SimNode& node);

  void ScheduleFault();
  void InjectFault();
  void CutSomething();
  void DamageSomething();
  [[nodiscard]] static bool IsSound(const SimNode& node);
  [[nodiscard]] bool OthersAreSound(NodeId id) const;
  void CrashSomebody(bool power);
  void PowerCutAll();
  void Restart(NodeId id, SimTime delay);
  void SendTransfer();
  void SendTrim();
  void Heal();

  [[nodiscard]] bool ClockIsOff(NodeId id) const;
  [[nodiscard]] bool Converged() const;
  void CheckEnd();
  [[nodiscard]] std::vector<FinalRecord> ReadLog(const SimNode& node);
  SimNode& RandomNode() { return *nodes_[random_.Below(nodes_.size())]; }

  const uint64_t seed_;
  const Faults faults_;
  Random random_;
  EventQueue events_;
  std::unique_ptr<SimNetwork> network_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  History history_;
  std::vector<std::unique_ptr<SimClient>> clients_;

  bool chaos_ = true;
  Result result_;
  std::deque<std::string> story_;
  // What is known to be committed or to have led, from any node at any time.
  std::map<Seq, uint64_t> chains_;
  std::map<Term, NodeId> leaders_;
  std::map<NodeId, uint64_t> refills_;  // As each node counts them.
  std::set<std::pair<NodeId, Term>> suspects_;
  std::map<NodeId, Seen> seen_;
};

}  // namespace cairn::sim
