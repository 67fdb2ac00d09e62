// Worker: one event loop that owns a set of groups, without locks.
//
// A turn: drain the mailbox; hand each event to its group; finish every touched group; then
// carry the gathered effects out: messages leave, one store batch is submitted, reads are
// queued, replies and chunks are delivered. RunOnce() is a whole turn, so that the simulator
// runs the same loop without threads.
//
// Ticks go to the groups that want them (tick_schedule.h), so what hibernates costs memory only.
//
// Ports: everything outside is reached through WorkerPorts, none of whose calls may block.
// Threads: groups are touched only by who holds the turn (base/mailbox.h): the worker's own
//   thread, which also ticks; or one that has just posted and lends itself for a few turns
//   (RunHere), which spares an idle worker two switches of threads per event. Everything else
//   from any thread.
// Bound: the mailbox holds `mailbox_capacity` refusable events.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "server/group.h"
#include "server/runtime/tick_schedule.h"
#include "storage/commit_queue.h"
#include "storage/read_queue.h"

namespace cairn::server {

// Told of what came of a fetch; any thread.
class FetchSink {
 public:
  virtual ~FetchSink() = default;
  virtual void OnFetched(GroupId group, Fetched fetched) = 0;
};

// What a worker asks of the world. Called on the worker's thread.
class WorkerPorts {
 public:
  virtual ~WorkerPorts() = default;
  // To other nodes; may drop. All messages of a turn, in order.
  virtual void Send(std::vector<OutMessage> messages) = 0;
  // sink->OnCommitted(ticket) when durable.
  virtual void Commit(storage::StoreBatch batch, storage::CommitSink* sink, uint64_t ticket) = 0;
  virtual void Read(storage::ReadRequest request, storage::ReadSink* sink) = 0;
  // sink->OnFetched once the run is there, or there will be none.
  virtual void Fetch(RunRequest request, FetchSink* sink) = 0;
  // Group 0 applied a change.
  virtual void OnCatalogChange(const CatalogChange& change) = 0;
  virtual void Alarm(const std::string& line) = 0;
  // What was counted since the last call; once a tick.
  virtual void Count(const TurnTally& /*tally*/) {}
  // A tick of the worker of that number is over.
  virtual void OnTicked(uint32_t /*worker*/) {}
  [[nodiscard]] virtual storage::Room FreeRoom() const = 0;
};

class Worker : private storage::CommitSink, private storage::ReadSink, private FetchSink {
 public:
  struct Options {
    uint32_t number = 0;
    size_t mailbox_capacity = 65536;
    uint64_t cache_bytes = 64 << 20;
    int64_t tick_us = 50 * kMicrosPerMilli;
    uint64_t random_seed = 1;
  };
  // `clock` and `ports` outlive the worker.
  Worker(Options options, const Clock* clock, WorkerPorts* ports);
  ~Worker() override;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // ---- Any thread ---------------------------------------------------------------
  // False when the mailbox is full: nothing happened, `event` is untouched. With Wake::kNo the
  // caller must call RunHere() soon.
  [[nodiscard]] bool Post(GroupEvent& event, Wake wake = Wake::kYes);
  // Works on what was posted, unless somebody does already. Replies, chunks and messages go out
  // on this thread, so the caller must hold no lock that their receivers take.
  void RunHere() { Lend(/*in_a_hurry=*/false); }
  // For what must not be lost and is bounded by its sender.
  void PostUrgent(GroupEvent event);
  // Control: creates, removes, updates a group; in order with events.
  void AddGroup(GroupConfig config, GroupStart start, Catalog* catalog);
  // The log was deleted: its data goes to the trash.
  void RemoveGroup(GroupId group);
  // The log was moved to other nodes, `successor` among them, by `placement`: the replica's data
  // goes to the trash, unless a later placement has brought the log back, as its own configuration
  // knows: the catalog here may be behind. Not what cannot be opened either.
  void LeaveGroup(GroupId group, uint64_t placement, NodeId successor);
  void UpdateGroup(GroupId group, cairn::v1::LogSettings settings);
  // To every group of this worker.
  void Broadcast(LinkChange change);
  void DrainAll();
  // A recent picture of all groups (refreshed each tick, and when a role, or the
  // state of a change of members, is another one).
  [[nodiscard]] std::vector<GroupView> Views() const;

  // ---- Running --------------------------------------------------------------------
  void Start();
  // Answers everything that waits with SHUTTING_DOWN and joins.
  void Stop();
  // One turn over what is waiting, without blocking; ticks when the clock says that one is
  // due. Returns whether anything was done. Requires: Start was not called.
  bool RunOnce();
  // Null when there is no such group, or its stored state does not decode. For the simulator,
  // between turns.
  [[nodiscard]] const Group* Find(GroupId group) const;

 private:
  struct Committed {
    uint64_t ticket;
    MonoMicros at;
  };
  struct AddGroupCommand {
    GroupConfig config;
    GroupStart start;
    Catalog* catalog;
  };
  struct RemoveGroupCommand {
    GroupId group;
  };
  struct LeaveGroupCommand {
    GroupId group;
    uint64_t placement;
    NodeId successor;
  };
  struct UpdateGroupCommand {
    GroupId group;
    cairn::v1::LogSettings settings;
  };
  struct BroadcastCommand {
    LinkChange change;
  };
  struct DrainCommand {};
  // Replies that a thread in a hurry left to the worker's own.
  struct DeliverCommand {
    std::vector<Effects::OutReply> replies;
  };
  using Item = std::variant<GroupEvent, Committed, storage::ReadResult, AddGroupCommand,
                            RemoveGroupCommand, LeaveGroupCommand, UpdateGroupCommand,
                            BroadcastCommand, DrainCommand, DeliverCommand>;

  // What was last seen of a group's core, to notice changes that Views() should show.
  struct Standing {
    consensus::Role role = consensus::Role::kFollower;
    Term term;
    NodeId leader;
    // A change of members waits for each of its steps to be seen.
    bool joint = false;
    bool members_committed = false;
    bool operator==(const Standing&) const = default;
  };
  struct Slot {
    std::unique_ptr<Group> group;  // Null: its stored state does not decode; see `broken`.
    std::string broken;
    bool touched = false;
    bool gathers = false;  // It is in gathering_.
    bool changed = false;  // It is in changed_.
    Standing seen;
  };
  // A submitted batch, and whom to tell when it is durable.
  struct InFlight {
    uint64_t ticket;
    std::vector<std::pair<GroupId, uint64_t>> notices;  // (group, write id)
  };

  // storage::CommitSink and ReadSink, on the storage and reader threads.
  void OnCommitted(uint64_t ticket) override;
  void AfterCommits() override { Lend(/*in_a_hurry=*/true); }
  void OnRead(storage::ReadResult result) override;
  // FetchSink, on the thread that fetches.
  void OnFetched(GroupId group, Fetched fetched) override;

  void Run();
  // `in_a_hurry`: the thread has more important work than to deliver many replies.
  void Lend(bool in_a_hurry);
  // Handles `items_` as one or more turns and empties it. Holds the turn.
  void Turns();
  [[nodiscard]] bool TickIsDue() const;
  void Dispatch(Item item);
  void Handle(Committed committed);
  void Handle(storage::ReadResult result);
  void Handle(GroupEvent event);
  void Handle(AddGroupCommand command);
  void Handle(RemoveGroupCommand command);
  void Handle(LeaveGroupCommand command);
  // Answers all that waits with `why`, forgets the group and drops its data.
  void Drop(GroupId id, const Rejection& why);
  // Nobody is told of the group's writes, and nothing is read for it that was not asked for yet.
  void ForgetRequests(GroupId id);
  // A read or a fetch of the group, which may have been dropped since, was answered.
  void OnAnswered(GroupId id);
  void Handle(UpdateGroupCommand command);
  void Handle(BroadcastCommand command);
  void Handle(DrainCommand);
  void Handle(DeliverCommand command);
  void Touch(GroupId id, Slot& slot);
  void NoteChange(GroupId id, Slot& slot);
  void Deliver(GroupId id, Slot& slot, Event event);
  // Answers what no group here can take.
  void Refuse(Event event, const Rejection& why);
  void TickIfDue();
  // Whether requests had better wait for the next batch (docs/decisions/006).
  [[nodiscard]] bool Gathers() const { return !in_flight_.empty() && !disk_is_free_; }
  void FinishTouched();
  void CarryOut();
  void SubmitWrites();
  void DeliverReplies();
  // Of the groups that were touched since the last time.
  void RefreshViews();
  void ShutdownGroups();

  const Options options_;
  const Clock* const clock_;
  WorkerPorts* const ports_;
  Mailbox<Item> mailbox_;

  // Written by who holds the turn; read by the worker's thread for its wait.
  std::atomic<MonoMicros> next_tick_ = 0;

  // ---- Who holds the turn only -----------------------------------------------------------
  bool in_a_hurry_ = false;
  std::vector<Item> items_;
  TurnTime now_;
  storage::Room room_ = storage::Room::kEnough;
  CacheBudget budget_;
  Random random_;
  std::map<GroupId, Slot> groups_;  // Ordered, so that a simulated turn is the same each time.
  TickSchedule schedule_;
  std::vector<std::pair<GroupId, Slot*>> touched_;
  std::vector<GroupId> changed_;  // Views() does not know yet.
  Effects effects_;
  uint64_t next_ticket_ = 1;
  std::deque<InFlight> in_flight_;
  // Writes that wait since kMaxInFlight batches are under way.
  storage::StoreBatch held_;
  std::vector<std::pair<GroupId, uint64_t>> held_notices_;
  bool views_stale_ = false;
  // A batch became durable in this turn, so the next one begins.
  bool disk_is_free_ = false;
  // Groups with requests that wait for that.
  std::vector<GroupId> gathering_;
  // Reads and fetches under way, of groups that were dropped, too. A replica that comes back is not
  // made before all answers to its forerunner have come: it would take them for its own.
  std::map<GroupId, uint64_t> asked_;
  std::map<GroupId, AddGroupCommand> coming_back_;

  mutable absl::Mutex views_mutex_;  // Leaf.
  std::map<GroupId, GroupView> views_ ABSL_GUARDED_BY(views_mutex_);

  std::thread thread_;
};

}  // namespace cairn::server
