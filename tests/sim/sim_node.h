// SimNode: one node of a simulated cluster. The real Worker with its groups runs over a disk
// in memory, the simulated network and the node's own clocks.
//
// A crash destroys the worker and leaves the disk with what it kept; a restart loads it again
// the way the real node does. Notices of an earlier life are ignored (`life_`).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/runtime/worker.h"
#include "storage/mem_log_store.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/faults.h"
#include "tests/sim/sim_network.h"

namespace cairn::sim {

class SimNode : public server::WorkerPorts {
 public:
  struct Context {
    const Faults* faults;
    EventQueue* events;
    SimNetwork* network;
    Random* random;
    // After each turn of this node: the invariants that need to see it.
    std::function<void(SimNode&)> after_turn;
    // A line of the story.
    std::function<void(std::string)> note;
    std::function<void(std::string)> violation;
  };
  SimNode(NodeId id, std::vector<GroupId> groups, Context context);
  ~SimNode() override;

  void Start();
  void Crash(storage::CrashFault fault);
  [[nodiscard]] bool up() const { return worker_ != nullptr; }

  // Requires: up().
  void Receive(const server::OutMessage& message);
  void Post(GroupId group, server::Event event);
  void SetSpace(bool has_space) { store_.SetSpace(has_space); }
  // Flips a bit of an entry that a start has to read. False: there is none. Requires: !up().
  bool FlipBit(GroupId group);

  [[nodiscard]] NodeId id() const { return id_; }
  // All that was written is on its disk, too.
  [[nodiscard]] bool synced() const { return unsynced_.empty(); }
  [[nodiscard]] SimClock& clock() { return clock_; }
  [[nodiscard]] const storage::MemLogStore& store() const { return store_; }
  // Null while down.
  [[nodiscard]] const server::Group* group(GroupId group) const;
  [[nodiscard]] const std::vector<GroupId>& groups() const { return groups_; }

 private:
  // WorkerPorts.
  void Send(std::vector<server::OutMessage> messages) override;
  void Commit(storage::StoreBatch batch, storage::CommitSink* sink, uint64_t ticket) override;
  void Read(storage::ReadRequest request, storage::ReadSink* sink) override;
  void OnCatalogChange(const server::CatalogChange& change) override;
  void Alarm(const std::string& line) override;
  [[nodiscard]] bool HasSpace() const override { return store_.HasSpace(); }

  void ScheduleTurn(SimTime delay);
  void ScheduleTick();
  void BeginSync();
  void ResolveVerdict();

  const NodeId id_;
  const std::vector<GroupId> groups_;
  Context context_;
  SimClock clock_;
  storage::MemLogStore store_;
  uint64_t life_ = 0;
  bool turn_scheduled_ = false;
  // Batches that were written and not yet synced, oldest first.
  struct Unsynced {
    storage::CommitSink* sink;
    uint64_t ticket;
  };
  std::deque<Unsynced> unsynced_;
  bool syncing_ = false;
  std::unique_ptr<server::Worker> worker_;
};

}  // namespace cairn::sim
