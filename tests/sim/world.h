// World: a whole simulated cluster in one thread. One seed decides everything: delays, losses,
// partitions, crashes, lost and torn writes, clock rates, what clients ask for.
//
// The real worker box runs (Worker, Group, LogState, RaftCore) over simulated clocks, network
// and disks, and the real client library over a simulated transport. After every turn of a node
// the invariants that span nodes are checked; at the end the network heals, everybody comes back,
// and the cluster must converge within bounded virtual time and explain every answer that a
// client got (log_watch.h).
//
// The same seed gives the same trace hash, always.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/chaos.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/faults.h"
#include "tests/sim/log_watch.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/sim_service.h"
#include "tests/sim/sim_user.h"

namespace cairn::sim {

struct Result {
  uint64_t seed = 0;
  std::string faults;  // What its world drew.
  uint64_t trace_hash = 0;
  uint64_t turns = 0;
  uint64_t operations = 0;  // Completed with the definite answer "done".
  LogCounts logs;           // Of all logs together.
  ChaosCounts chaos;
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
  // What the clients of the `i`th log saw; for looking at a violation.
  [[nodiscard]] const history::History& history(size_t i) const { return watches_[i]->history(); }
  [[nodiscard]] size_t logs() const { return logs_.size(); }

 private:
  void Note(std::string line);
  void Violation(std::string line);
  void AddLogs();
  void AddNodes();
  void AddChaos();
  void AddClients();
  void AddClients(size_t log, int* number);
  void AddUsers(size_t log, int* number);
  void Deliver(NodeId to, const server::OutMessage& message);
  void Pulse(const SimNode& from);
  void SendRequest(NodeId to, GroupId log, server::RequestBody body, SimTime deadline_us,
                   server::ReplyTo reply_to);
  void AfterTurn(SimNode& node);

  [[nodiscard]] SimNode& NodeOf(NodeId id) const { return *nodes_[id.value() - 1]; }
  [[nodiscard]] bool ClockIsOff(NodeId id, const std::vector<NodeId>& voters) const;
  [[nodiscard]] bool Converged() const;
  [[nodiscard]] bool HasConverged(GroupId log) const;
  void NoteStates();
  void CheckEnd();
  void Count();

  const uint64_t seed_;
  const Faults faults_;
  Random random_;
  EventQueue events_;
  std::vector<SimLog> logs_;
  std::unique_ptr<SimNetwork> network_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::unique_ptr<SimService> service_;
  std::vector<std::unique_ptr<LogWatch>> watches_;  // As logs_.
  std::vector<std::unique_ptr<SimClient>> clients_;
  struct Asked {
    GroupId log;
    bool reads;
    SimClient* client;
  };
  std::vector<Asked> asked_;  // As clients_.
  std::vector<std::unique_ptr<SimUser>> users_;
  std::unique_ptr<Chaos> chaos_;

  Result result_;
  std::deque<std::string> story_;
};

}  // namespace cairn::sim
