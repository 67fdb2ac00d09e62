// Worker: one event loop that owns a set of groups, without locks.
//
// A turn: drain the mailbox; hand each event to its group; finish every touched group; then
// carry the gathered effects out: messages leave, one store batch is submitted, reads are
// queued, replies and chunks are delivered. RunOnce() is a whole turn, so that the simulator
// runs the same loop without threads.
//
// Ports: everything outside is reached through WorkerPorts, none of whose calls may block.
// Threads: groups are touched only by the worker's own thread (or by whoever calls RunOnce,
//   when Start was not called). Post from any thread.
// Bound: the mailbox holds `mailbox_capacity` refusable events.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mailbox.h"
#include "server/group.h"
#include "storage/commit_queue.h"
#include "storage/read_queue.h"

namespace cairn::server {

// What a worker asks of the world. Called on the worker's thread.
class WorkerPorts {
 public:
  virtual ~WorkerPorts() = default;
  // To other nodes; may drop. All messages of a turn, in order.
  virtual void Send(std::vector<OutMessage> messages) = 0;
  // sink->OnCommitted(ticket) when durable.
  virtual void Commit(storage::StoreBatch batch, storage::CommitSink* sink, uint64_t ticket) = 0;
  virtual void Read(storage::ReadRequest request, storage::ReadSink* sink) = 0;
  // Group 0 applied a change.
  virtual void OnCatalogChange(const CatalogChange& change) = 0;
  virtual void Alarm(const std::string& line) = 0;
  [[nodiscard]] virtual bool HasSpace() const = 0;
};

class Worker : private storage::CommitSink, private storage::ReadSink {
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
  // False when the mailbox is full: nothing happened, `event` is untouched.
  [[nodiscard]] bool Post(GroupEvent& event);
  // For what must not be lost and is bounded by its sender.
  void PostUrgent(GroupEvent event);
  // Control: creates, removes, updates a group; in order with events.
  void AddGroup(GroupConfig config, GroupStart start, Catalog* catalog);
  void RemoveGroup(GroupId group);  // Also moves its data to the trash.
  void UpdateGroup(GroupId group, cairn::v1::LogSettings settings);
  // To every group of this worker.
  void Broadcast(LinkChange change);
  void DrainAll();
  // A recent picture of all groups (refreshed each tick, and on role changes).
  [[nodiscard]] std::vector<GroupView> Views() const;

  // ---- Running --------------------------------------------------------------------
  void Start();
  // Answers everything that waits with SHUTTING_DOWN and joins.
  void Stop();
  // One turn over what is waiting, without blocking. Returns whether anything was done.
  bool RunOnce();
};

}  // namespace cairn::server
