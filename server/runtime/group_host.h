// GroupHost: the running part of a node that belongs to a cluster: workers, the storage and
// read queues, the streams to peers, and the wiring between them.
//
// Made once, when the cluster is formed or known from an earlier run.
//
// Threads: the constructor, Start, Work and Stop from the node's own thread (Stop after Work
//   was last called, from any); the rest from any thread.
// Lifetime: config, store, clock and metrics outlive it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/rate_meter.h"
#include "cairn/v1/peer.pb.h"
#include "server/group_events.h"
#include "server/node_pulse.h"
#include "server/runtime/archive.h"
#include "server/runtime/config.h"
#include "server/runtime/group_keeper.h"
#include "server/runtime/member_calls.h"
#include "server/runtime/metrics.h"
#include "server/runtime/peer_book.h"
#include "server/runtime/peer_transport.h"
#include "server/runtime/run_fetcher.h"
#include "server/runtime/run_sender.h"
#include "server/runtime/steward.h"
#include "server/runtime/worker.h"
#include "storage/commit_queue.h"
#include "storage/log_store.h"
#include "storage/read_queue.h"

namespace cairn::server {

class GroupHost : private WorkerPorts,
                  private LinkListener,
                  private ReplySink,
                  private StewardPorts,
                  private ArchiverPorts {
 public:
  // What outlives the host. `tls` null: peers talk in clear.
  struct Parts {
    const NodeConfig* config;
    storage::LogStore* store;
    const Clock* clock;
    Metrics* metrics;
    NodeTls* tls;
    MemberCalls* calls;
    std::function<void()> wake;
  };
  GroupHost(Parts parts, cairn::v1::FormRequest formed, NodeId self);
  ~GroupHost() override;
  GroupHost(const GroupHost&) = delete;
  GroupHost& operator=(const GroupHost&) = delete;

  // Opens group 0 and starts everything. Errors: the store's.
  absl::Status Start();
  // What has to be done from time to time, or after `wake`: opens groups, writes the cluster
  // into a new catalog, settles the verdict on the disk, follows the catalog's members, moves
  // replicas. Returns whether it should be called again soon.
  // Errors: the node cannot go on: it was removed from the cluster, or its disk fails.
  absl::StatusOr<bool> Work();
  // Answers everything that waits, closes the streams, syncs. Again: does nothing.
  void Stop();

  [[nodiscard]] NodeId self() const { return self_; }
  [[nodiscard]] PeerBook& book() { return book_; }
  [[nodiscard]] const PeerBook& book() const { return book_; }
  [[nodiscard]] const GroupKeeper& keeper() const { return *keeper_; }
  [[nodiscard]] bool Post(GroupId group, Event& event);
  [[nodiscard]] bool PostAndRun(GroupId group, Event& event);
  void PostUrgent(GroupId group, Event event) override;
  // `from`: whose connection it came on.
  void Receive(NodeId from, cairn::v1::ExchangeRequest& request);
  // On a connection of a member's; blocks.
  void SendRun(const cairn::v1::RunFetch& wanted, SocketStream& stream) const {
    run_sender_.Serve(wanted, stream);
  }
  void DrainAll();
  [[nodiscard]] std::vector<GroupView> Views() const override;
  // Null without an archive.
  [[nodiscard]] Archive* archive() const { return archive_.get(); }
  [[nodiscard]] uint64_t connected_peers() const { return transport_->connected(); }

 private:
  // WorkerPorts, on the workers' threads.
  void Send(std::vector<OutMessage> messages) override;
  void Commit(storage::StoreBatch batch, storage::CommitSink* sink, uint64_t ticket) override;
  void Read(storage::ReadRequest request, storage::ReadSink* sink) override;
  void Fetch(RunRequest request, FetchSink* sink) override;
  void OnCatalogChange(const CatalogChange& change) override;
  void Alarm(const std::string& line) override;
  void Count(const TurnTally& tally) override { metrics_->Add(tally); }
  void OnTicked(uint32_t worker) override;
  [[nodiscard]] storage::Room FreeRoom() const override;
  // LinkListener.
  void OnLink(LinkChange change) override;
  void OnRemoved(const std::string& refusal) override;
  // ReplySink: of the proposal that writes the cluster into the catalog.
  void OnReply(uint64_t token, Reply reply) override;

  // StewardPorts; PostUrgent is the public one.
  absl::Status Settle(NodeId leader, const cairn::v1::SettleRequest& request) override;
  // ArchiverPorts; the others are public ones.
  [[nodiscard]] std::string ClusterId() const override { return book_.cluster_id(); }

  // Opens and closes streams as members come and go, and notes them for the next start.
  absl::Status FollowMembers();
  void ProposeFormed();
  void SettleVerdict();

  const Parts parts_;
  // As it was when this node came to the cluster, or started.
  const cairn::v1::FormRequest formed_;
  const NodeId self_;
  storage::LogStore* const store_;
  const Clock* const clock_;
  Metrics* const metrics_;
  PeerBook book_;

  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<GroupKeeper> keeper_;
  std::unique_ptr<PeerTransport> transport_;
  Steward steward_;
  std::vector<Peer> connected_to_;  // Node's own thread: what the transport was given last.
  std::string saved_;               // Node's own thread: the cluster, as it was noted last.
  absl::Mutex pulse_mutex_;         // Leaf.
  NodePulse pulse_ ABSL_GUARDED_BY(pulse_mutex_);
  RateMeter filling_;  // What replicas are filled with, in bytes.
  storage::CommitQueue commits_;
  storage::ReadQueue reads_;
  RunSender run_sender_;
  RunFetcher run_fetcher_;
  std::unique_ptr<Archive> archive_;
  std::atomic<bool> proposing_{false};
  bool stopped_ = false;

  absl::Mutex mutex_;
  std::string removed_ ABSL_GUARDED_BY(mutex_);  // Why the node is no member any more; or empty.
};

}  // namespace cairn::server
