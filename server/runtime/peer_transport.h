// PeerTransport: the way out to all other nodes. One stream per peer carries the messages
// of all groups (server/runtime/peer_link.h); heartbeats that many groups send in one turn
// share one request by that.
//
// The way in is the peer service of server/rpc, which hands requests to Node::Receive.
//
// Threads: Send from any thread, never blocking; one thread of its own probes and
//   reconnects. Lifetime: listener and metrics outlive it; Stop() before destruction.
#pragma once

#include <grpcpp/server_builder.h>

#include <cstdint>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "server/group_events.h"
#include "server/runtime/metrics.h"
#include "server/runtime/peer_link.h"

namespace cairn::server {

// What a server that takes peers' streams must allow: messages of any size (both ends bound
// what they send) and the pings that find a dead connection within seconds.
void AllowPeerStreams(grpc::ServerBuilder& builder);

class PeerTransport {
 public:
  PeerTransport(PeerLinkOptions options, const Clock* clock, LinkListener* listener,
                Metrics* metrics);
  ~PeerTransport();
  PeerTransport(const PeerTransport&) = delete;
  PeerTransport& operator=(const PeerTransport&) = delete;

  // Everybody else in the cluster. Links to peers that are new or have moved are opened,
  // others are kept or closed. Waits for what is closed. Not from a worker, and by one
  // thread at a time.
  void SetPeers(const std::vector<Peer>& peers);
  // Messages to one peer keep their order; those to strangers are dropped.
  void Send(std::vector<OutMessage> messages);
  [[nodiscard]] uint64_t connected() const;
  void Stop();

 private:
  using Links = std::map<NodeId, std::shared_ptr<PeerLink>>;

  void Run();
  void Wake();
  [[nodiscard]] std::shared_ptr<const Links> links() const;
  [[nodiscard]] bool Awake() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return woken_ || stopping_;
  }

  const PeerLinkOptions options_;
  const Clock* const clock_;
  LinkListener* const listener_;
  Metrics* const metrics_;

  // Held by the own thread while it drives links, and to replace them. Not a leaf: probes
  // run under it. Never taken by a sender.
  absl::Mutex drive_mutex_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const Links> links_ ABSL_GUARDED_BY(mutex_);
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace cairn::server
