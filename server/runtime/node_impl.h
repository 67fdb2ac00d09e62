// The inside of Node (server/runtime/node.h); included by its sources only.
//
//   node.cc           start and stop, and the node's own thread
//   node_services.cc  what services and peers ask of it
//
// Threads: the own thread, and those of whoever calls a Node; a mutex for what they share.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "server/runtime/audit_log.h"
#include "server/runtime/config.h"
#include "server/runtime/formation.h"
#include "server/runtime/formation_client.h"
#include "server/runtime/group_host.h"
#include "server/runtime/memory_keeper.h"
#include "server/runtime/metrics.h"
#include "server/runtime/node.h"
#include "server/runtime/node_tls.h"
#include "server/runtime/repair_turn.h"
#include "storage/log_store.h"

namespace cairn::server {

// The node's own thread forms the cluster, then makes the host and keeps it going; it alone
// writes `host`, which everybody else sees once it is complete.
struct Node::Impl {
  Impl(NodeConfig config_in, NodeSeams seams_in)
      : config(std::move(config_in)), seams(std::move(seams_in)) {}

  absl::Status OpenStore();
  absl::Status StartHost();
  void Run();
  // One round of the own thread's work; returns the pause until the next one.
  int64_t Round();
  int64_t FormingRound();
  void RestMemory();
  void LookForDamage();
  [[nodiscard]] bool IsWhole() const;
  bool TryToBeSpared();
  // The same while the store is being opened; blocks for up to a second for each member.
  bool CanBeSpared(const storage::NodeIdentity& self);
  // Of the disk that the data is on.
  [[nodiscard]] uint64_t FreeBytes() const;
  void Wake();
  void Fail(const absl::Status& status);
  [[nodiscard]] GroupHost* host() const { return host_ready.load(std::memory_order_acquire); }
  [[nodiscard]] Metrics::Snapshot LookAtEverything() const;
  [[nodiscard]] bool Awake() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return woken || stop_thread;
  }

  NodeConfig config;
  const NodeSeams seams;
  const Clock& clock = SystemClock();
  const MonoMicros started_at = clock.Mono();
  Metrics metrics;
  AuditLog audit{config.name, config.audit_file, &clock};
  std::unique_ptr<storage::LogStore> store;
  uint64_t watermark_bytes = 0;  // From OpenStore on.
  std::unique_ptr<NodeTls> tls;  // Null: everything is in clear.
  FormationClient formation_client;
  RepairTurn repair_turn{&formation_client};
  std::unique_ptr<Formation> formation;
  std::unique_ptr<GroupHost> host_owner;
  std::atomic<GroupHost*> host_ready{nullptr};
  std::atomic<bool> draining{false};
  std::atomic<bool> wants_restart{false};
  std::thread thread;
  // ---- The own thread's ----
  MonoMicros said_why_at = 0;
  MemoryKeeper memory;
  bool told_of_damage = false;

  mutable absl::Mutex mutex;
  bool woken ABSL_GUARDED_BY(mutex) = false;
  bool stop_thread ABSL_GUARDED_BY(mutex) = false;
  absl::Status failure ABSL_GUARDED_BY(mutex);
};

}  // namespace cairn::server
