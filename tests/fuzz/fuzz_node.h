// FuzzNode: a node's worker box over a disk in memory, without threads, for inputs to act on.
//
//   Post(event) … Run(): turns until nothing is left to do; the disk and the cold reader answer
//   between turns. After each turn every group's invariants are checked.
//
// What leaves for other nodes waits for TakeSent, the newest kMaxSent messages of it
// from peers posts them.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "server/catalog.h"
#include "server/runtime/worker.h"
#include "storage/mem_log_store.h"

namespace cairn::fuzz {

class FuzzNode : public server::WorkerPorts {
 public:
  static constexpr int64_t kTickUs = 50 * kMicrosPerMilli;

  // This node is node 1 of `voters`.
  explicit FuzzNode(int voters);
  ~FuzzNode() override;
  FuzzNode(const FuzzNode&) = delete;
  FuzzNode& operator=(const FuzzNode&) = delete;

  // Group 0 is the catalog. Small limits, so that short inputs reach them.
  void AddGroup(GroupId group, const std::string& name);
  void Post(GroupId group, server::Event event) { worker_->PostUrgent({group, std::move(event)}); }
  void Run();
  void Tick(int ticks = 1);
  // Ticks until this node leads `group`. Requires: it is the only voter.
  void Elect(GroupId group);

  [[nodiscard]] const server::Group* group(GroupId group) const { return worker_->Find(group); }
  [[nodiscard]] MonoMicros now_us() const { return clock_.now_us; }
  [[nodiscard]] const server::Catalog& catalog() const { return catalog_; }
  // The oldest message that was sent and not taken yet.
  std::optional<server::OutMessage> TakeSent();
  void SetRoom(storage::Room room) { store_.SetRoom(room); }

 private:
  struct ManualClock : Clock {
    [[nodiscard]] MonoMicros Mono() const override { return now_us; }
    [[nodiscard]] WallMicros Wall() const override { return now_us; }
    int64_t now_us = 1'000'000'000;
  };
  struct Written {
    storage::CommitSink* sink;
    uint64_t ticket;
  };
  struct Wanted {
    storage::ReadRequest request;
    storage::ReadSink* sink;
  };

  // server::WorkerPorts.
  void Send(std::vector<server::OutMessage> messages) override;
  void Commit(storage::StoreBatch batch, storage::CommitSink* sink, uint64_t ticket) override;
  void Read(storage::ReadRequest request, storage::ReadSink* sink) override;
  void Fetch(server::RunRequest request, server::FetchSink* sink) override;
  void OnCatalogChange(const server::CatalogChange& change) override;
  void Alarm(const std::string& line) override;
  [[nodiscard]] storage::Room FreeRoom() const override { return store_.FreeRoom(); }

  // The disk and the reader finish what they have. False: nothing.
  bool Serve();
  void CheckGroups() const;

  const int voters_;
  ManualClock clock_;
  storage::MemLogStore store_{1};
  server::Catalog catalog_;
  std::vector<GroupId> groups_;
  std::deque<Written> written_;
  std::deque<Wanted> wanted_;
  std::deque<server::OutMessage> sent_;
  std::unique_ptr<server::Worker> worker_;
};

}  // namespace cairn::fuzz
