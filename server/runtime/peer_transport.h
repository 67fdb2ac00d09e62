// PeerTransport: the way out to all other nodes. One stream per peer carries the messages
// of all groups (server/runtime/peer_link.h); heartbeats that many groups send in one turn
// share one frame by that.
//
// The way in is server/runtime/peer_receiver.h, which hands frames to Node::Receive.
//
// Threads: Send from any thread, never blocking. Lifetime: listener and metrics outlive it;
//   Stop() before destruction.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/group_events.h"
#include "server/runtime/metrics.h"
#include "server/runtime/peer_link.h"

namespace cairn::server {

class PeerTransport {
 public:
  PeerTransport(PeerLinkOptions options, LinkListener* listener, Metrics* metrics);
  ~PeerTransport();
  PeerTransport(const PeerTransport&) = delete;
  PeerTransport& operator=(const PeerTransport&) = delete;

  // Everybody else in the cluster. Links to peers that are new or have moved are opened,
  // others are kept or closed. Waits for what is closed. Not from a worker, and by one
  // thread at a time.
  void SetPeers(const std::vector<Peer>& peers);
  // Messages to one peer keep their order; those to strangers are dropped.
  void Send(std::vector<OutMessage> messages);
  // A sign of life to everybody whose link is up (server/node_pulse.h).
  void Pulse();
  [[nodiscard]] uint64_t connected() const;
  // Nothing is sent any more.
  void Stop();

 private:
  using Links = std::map<NodeId, std::shared_ptr<PeerLink>>;

  [[nodiscard]] std::shared_ptr<const Links> links() const;

  const PeerLinkOptions options_;
  LinkListener* const listener_;
  Metrics* const metrics_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<const Links> links_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::server
