// SimNode: one node of a simulated cluster. The real Worker with its groups runs over a disk
// in memory, the simulated network and the node's own clocks.
//
// A crash destroys the worker and leaves the disk with what it kept; a restart loads it again
// the way the real node does. Notices of an earlier life are ignored (`life_`).
//
// Crash points: the way of a write is cut at a random step. Once a node is doomed, nothing that
// the present turn still has to do reaches the world, and the node is gone after it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/node_pulse.h"
#include "server/run_ahead.h"
#include "server/runtime/worker.h"
#include "storage/mem_log_store.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/faults.h"
#include "tests/sim/sim_host.h"
#include "tests/sim/sim_network.h"

namespace cairn::sim {

// A log as all nodes know it from the beginning.
struct SimLog {
  GroupId id;
  std::string name;
  bool fenced = false;
};

// Steps between which a node may go.
enum class CrashPoint : uint8_t {
  kBeforeSend,   // Nothing of the turn leaves.
  kBeforeWrite,  // Its messages left.
  kAfterWrite,   // Its batch was written.
  kBeforeSync,   // The disk was asked to sync.
  kAfterSync,    // It has, and nobody knows.
};

class SimNode : public server::WorkerPorts {
 public:
  struct Context {
    const Faults* faults;
    const std::vector<SimLog>* logs;
    EventQueue* events;
    SimNetwork* network;
    Random* random;
    // After each turn of this node: the invariants that need to see it.
    std::function<void(SimNode&)> after_turn;
    // It reached a crash point that was drawn; the world crashes it.
    std::function<void(SimNode&)> doomed;
    // A line of the story.
    std::function<void(std::string)> note;
    std::function<void(std::string)> violation;
    // The disk of a node that is up and can be reached; else null.
    std::function<const storage::MemLogStore*(NodeId from, NodeId to)> store_of;
    // A pulse leaves for all other nodes.
    std::function<void(SimNode&)> pulse;
    // Empty: the node has all `logs`, for ever. Else its catalog says which it has (sim_host.h):
    // these two, and whom to tell that a log has moved.
    const cairn::v1::ClusterFormed* formed = nullptr;
    std::function<void(NodeId to, const cairn::v1::SettleRequest& request)> settle;
    // Where its logs are archived; null: they are not.
    SimObjects* objects = nullptr;
  };
  SimNode(NodeId id, Context context);
  ~SimNode() override;

  void Start();
  void Crash(storage::CrashFault fault);
  // SIGSTOP until that moment: clocks, disk and network go on.
  void Pause(SimTime until) { paused_until_ = until; }
  // No sync ends before that moment.
  void StallDisk(SimTime until) { disk_stalled_until_ = until; }
  // Whether the next writes pass crash points.
  void set_crash_points(bool on) { crash_points_ = on; }

  // Requires: up().
  void Receive(const server::OutMessage& message);
  // A pulse of `from` arrives.
  void HearPulse(NodeId from);
  void Post(GroupId group, server::Event event);
  void SetRoom(storage::Room room) { store_.SetRoom(room); }
  // What a disk that lies takes besides: `turns` that it had said to be synced. Requires: !up().
  void LoseTurns(size_t turns, storage::RecoveryVerdict verdict);
  // Flips a bit of an entry that a start has to read. False: there is none. Requires: !up().
  bool FlipBit(GroupId group);

  [[nodiscard]] NodeId id() const { return id_; }
  [[nodiscard]] bool up() const { return worker_ != nullptr; }
  // Changes with every start and every crash.
  [[nodiscard]] uint64_t life() const { return life_; }
  // Since its last start every log has had a leader, and its disk is trusted.
  [[nodiscard]] bool recovered() const { return recovered_; }
  // All that was written is on its disk, too.
  [[nodiscard]] bool synced() const { return unsynced_.empty(); }
  [[nodiscard]] SimClock& clock() { return clock_; }
  [[nodiscard]] const storage::MemLogStore& store() const { return store_; }
  // The same, as `from` can read it through this process; null: it cannot.
  [[nodiscard]] const storage::MemLogStore* StoreFor(NodeId from) const;
  // Null while down, and without a catalog.
  [[nodiscard]] const SimHost* host() const { return host_.get(); }
  // Null while down, and when it has none.
  [[nodiscard]] const server::Group* group(GroupId group) const;
  // A line of the story about a replica. Requires: group(group) is not null.
  [[nodiscard]] std::string Describe(GroupId group) const;

 private:
  // WorkerPorts.
  void Send(std::vector<server::OutMessage> messages) override;
  void Commit(storage::StoreBatch batch, storage::CommitSink* sink, uint64_t ticket) override;
  void Read(storage::ReadRequest request, storage::ReadSink* sink) override;
  void Fetch(server::RunRequest request, server::FetchSink* sink) override;
  void OnCatalogChange(const server::CatalogChange& change) override;
  void Alarm(const std::string& line) override;
  void OnTicked(uint32_t worker) override;
  [[nodiscard]] storage::Room FreeRoom() const override { return store_.FreeRoom(); }

  void MakeHost();
  void ScheduleWork();
  // Copies a run from another node's disk, or a part of it. `behind`: a run that it continues;
  // null: the log.
  server::Fetched CopyRun(const server::RunRequest& request, const storage::EntryRun* behind);
  absl::Status CopyRunInto(const server::RunRequest& request, const storage::EntryRun* behind,
                           server::Fetched& fetched);
  void FetchAhead(const server::RunRequest& request,
                  const std::shared_ptr<storage::EntryRun>& behind);
  void AddGroup(const SimLog& log, const std::vector<storage::StoredGroup>& stored);
  void ScheduleTurn(SimTime delay);
  void RunTurn();
  void ScheduleTick();
  void BeginSync();
  void EndSync(size_t batches);
  [[nodiscard]] bool AllAreOpen();
  void ResolveVerdict();
  void NoteRecovery();
  // Whether the node goes here; from then on it is doomed.
  bool Reached(CrashPoint point);

  const NodeId id_;
  Context context_;
  SimClock clock_;
  storage::MemLogStore store_;
  uint64_t life_ = 0;
  bool recovered_ = false;
  bool crash_points_ = false;
  bool doomed_ = false;
  SimTime paused_until_ = 0;
  SimTime disk_stalled_until_ = 0;
  bool turn_scheduled_ = false;
  // Batches that were written and not yet synced, oldest first.
  struct Unsynced {
    storage::CommitSink* sink;
    uint64_t ticket;
  };
  std::deque<Unsynced> unsynced_;
  bool syncing_ = false;
  server::RunAhead ahead_;
  std::unique_ptr<SimHost> host_;  // While up, if it has a catalog.
  std::unique_ptr<server::Worker> worker_;
  std::optional<server::NodePulse> pulse_;  // While up.
};

}  // namespace cairn::sim
