// Node: owns the store, the queues, the workers and the transport; creates and removes
// groups as the catalog says; holds the order of start, drain and stop in one place.
//
// Threads: public calls from any thread unless said otherwise.
// Start order: open store -> form or rejoin the cluster -> workers -> group 0 -> stored
//   groups -> transport; requests are answered NOT_READY before.
// Stop order: drain (leaderships away) -> refuse new requests -> workers answer everything
//   -> transport -> commit queue (syncs) -> store.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "cairn/v1/peer.pb.h"
#include "server/catalog.h"
#include "server/group.h"
#include "server/group_events.h"
#include "server/runtime/access_state.h"
#include "server/runtime/archive.h"
#include "server/runtime/audit_log.h"
#include "server/runtime/config.h"
#include "server/runtime/group_keeper.h"
#include "server/runtime/metrics.h"
#include "server/runtime/node_tls.h"

namespace cairn {
class SocketStream;
}  // namespace cairn
namespace cairn::storage {
struct RocksHooks;
}  // namespace cairn::storage

namespace cairn::server {

// What tests put under a node; as storage::RocksOptions says. All empty otherwise.
struct NodeSeams {
  const storage::RocksHooks* store_hooks = nullptr;
  std::string boot_id;
};

struct NodeStatus {
  NodeId node_id;
  std::string name;
  std::string cluster_id;  // Empty while forming.
  std::string state;       // "forming", "ready", "storage_full", "draining", "failed".
  std::string detail;      // What a forming node waits for.
  uint64_t uptime_ms = 0;
  uint64_t disk_free_bytes = 0;
  std::string archive_location;  // Without secrets; empty: logs are archived nowhere.
};

class Node {
 public:
  // Validated configuration in; does not start anything.
  explicit Node(NodeConfig config, NodeSeams seams = {});
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Opens the data directory and starts the threads. Forming goes on in the background and
  // needs the peer service to answer: start the gRPC server right after.
  // Errors: whatever makes the directory unusable (locked, another node's, newer format).
  absl::Status Start();
  // Not OK once the node cannot go on by itself (its name belongs to another data directory,
  // the members disagree): the process should stop and exit with the message. Cheap.
  [[nodiscard]] absl::Status Failure() const;
  // Whether the process should stop as if asked to, and start again: what it found damaged on its
  // disk is rebuilt at a start, and all others are there to do without it meanwhile. Cheap.
  [[nodiscard]] bool WantsRestart() const;
  // Hands leaderships over and waits for that, at most `timeout_ms`.
  void Drain(int64_t timeout_ms);
  void Stop();

  // ---- For services ------------------------------------------------------------------
  // The group that a call speaks of. `log_id` 0 skips the check of the id.
  // Rejections: NOT_READY, LOG_NOT_FOUND, LOG_RECREATED, SHUTTING_DOWN.
  [[nodiscard]] std::variant<GroupId, Rejection> Resolve(std::string_view log,
                                                         uint64_t log_id) const;
  // False: the worker's mailbox is full (OVERLOADED) and `event` is untouched.
  [[nodiscard]] bool Post(GroupId group, Event& event);
  // As Post, and the worker may use this thread (Worker::RunHere): the reply may come before
  // this returns, so the caller must hold no lock.
  [[nodiscard]] bool PostAndRun(GroupId group, Event& event);
  void PostUrgent(GroupId group, Event event);
  [[nodiscard]] std::shared_ptr<const CatalogView> catalog() const;
  // Who may do what, as far as this node knows. Cheap.
  [[nodiscard]] const AccessState& access() const;
  [[nodiscard]] AuditLog& audit();
  [[nodiscard]] NodeStatus Status() const;
  [[nodiscard]] std::vector<GroupView> Groups() const;
  // "host:port" that a member advertises; empty when unknown.
  [[nodiscard]] std::string AddressOf(NodeId node) const;
  // Of all members that are known of, those that the configuration names among them.
  [[nodiscard]] std::vector<std::string> MemberAddresses() const;
  // Null without an archive, and before the node belongs to a cluster.
  [[nodiscard]] Archive* archive() const;
  // Whether readers from the first record on may find older ones in the archive.
  [[nodiscard]] bool ReadsArchive(GroupId group) const;
  // Null without TLS.
  [[nodiscard]] NodeTls* tls() const;
  [[nodiscard]] const NodeConfig& config() const;
  [[nodiscard]] Metrics& metrics();
  [[nodiscard]] const Clock& clock() const;
  // What is only looked at when somebody asks; `ready` is left to the caller.
  [[nodiscard]] Metrics::Snapshot Measure() const;
  // For HttpPages: the text of /metrics, and why the node is not ready (empty: it is).
  [[nodiscard]] std::string MetricsText() const;
  [[nodiscard]] std::string NotReady() const;

  // ---- For peers: their streams (peer_receiver.h) and the peer service ------------------
  // Whether who says so is a member: what it is answered.
  [[nodiscard]] cairn::v1::ExchangeResponse CheckHello(const cairn::v1::PeerHello& hello);
  // Whether it was a member, and is none any more. Cheap.
  [[nodiscard]] bool WasRemoved(NodeId node) const;
  // Routes messages to their groups; drops what no group here takes. Spends `request`, which came
  // on a connection of `from`.
  void Receive(NodeId from, cairn::v1::ExchangeRequest& request);
  // Sends a run down `stream`, whose other end is a member; blocks.
  void SendRun(const cairn::v1::RunFetch& wanted, SocketStream& stream);
  cairn::v1::IntroduceResponse Introduce(const cairn::v1::IntroduceRequest& request);
  cairn::v1::FormResponse Form(const cairn::v1::FormRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::server
