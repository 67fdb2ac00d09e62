// PeerLink: the outgoing stream to one peer, and what waits to be sent on it.
//
// Life of a connection: connect -> magic -> TLS, if the node has certificates -> hello -> accepted:
// up -> broken -> connect again, later and later. A refused connect is what tells a dead process
// from an unreachable host; the peer's state is reported each time that it changes.
//
// Sending: messages that are offered while a frame is being sent gather, and leave together as
// the next one. Frames are sent on the thread that offers, so an idle link adds no hop; when the
// socket takes no more, the link's own thread goes on.
//
// Bounds: `queue_bytes` of waiting messages; what is beyond, and everything while the link
//   is not up, is dropped and counted: the Raft core repeats what matters.
// Threads: Offer and Flush from any thread, never blocking; one thread of its own connects, and
//   watches the connection. One leaf mutex; no call into the kernel is made with it held.
// Lifetime: Stop() before destruction.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/socket_stream.h"
#include "cairn/v1/peer.pb.h"
#include "server/group_events.h"
#include "server/runtime/metrics.h"
#include "server/runtime/node_tls.h"
#include "server/runtime/sockets.h"

namespace cairn::server {

struct Peer {
  NodeId id;
  std::string name;
  std::string address;  // "host:port"
  bool operator==(const Peer&) const = default;
};

// Told of links' changes; must not block. Calls for one peer come one at a time.
class LinkListener {
 public:
  virtual ~LinkListener() = default;
  virtual void OnLink(LinkChange change) = 0;
  // A peer says that this node was removed from the cluster, for good.
  virtual void OnRemoved(const std::string& refusal) = 0;
};

struct PeerLinkOptions {
  cairn::v1::PeerHello hello;  // `to_node_id` is filled in for each peer.
  uint64_t queue_bytes = 64ull << 20;
  // One frame carries at most this, unless a single message is larger.
  uint64_t request_bytes = 4ull << 20;
  uint64_t random_seed = 1;
  NodeTls* tls = nullptr;  // Null: in clear. Outlives the link.
};

class PeerLink {
 public:
  // Starts to connect. `listener` and `metrics` outlive the link.
  PeerLink(Peer peer, PeerLinkOptions options, LinkListener* listener, Metrics* metrics);
  ~PeerLink();
  PeerLink(const PeerLink&) = delete;
  PeerLink& operator=(const PeerLink&) = delete;

  [[nodiscard]] const Peer& peer() const { return peer_; }
  [[nodiscard]] bool up() const;

  // Queues one message. Flush() sends what was queued.
  void Offer(const OutMessage& message);
  void Flush();
  // Sends a pulse with the next frame, at once if none is under way. Nothing happens while the link
  // is not up.
  void Pulse();

  // Waits for an attempt to connect that is under way. By one thread.
  void Stop();

 private:
  enum class Sending : uint8_t {
    kIdle,
    kBusy,     // A thread is in SendFrames: frame_, sent_ and stream_ are its own.
    kBlocked,  // The socket takes no more: they are the link thread's.
  };
  struct Queued {
    cairn::v1::WireMessage wire;
    uint64_t bytes;
  };

  // ---- The link's own thread --------------------------------------------------------------
  void Run();
  // False when it is to stop.
  bool Pause(int64_t pause_us);
  // A connection that the peer has accepted, or none.
  SocketStream Connect();
  // The magic, in clear, and TLS after it.
  bool Open(SocketStream& stream);
  bool Greet(SocketStream& stream);
  // Until the socket is ready for it, the time is over, or the link is to stop.
  bool Await(int socket, Progress what, MonoMicros deadline);
  // Not again while it is the same.
  void SayOnce(const std::string& trouble);
  // Carries messages until the connection breaks or the link is to stop.
  void Carry(SocketStream stream);
  void WatchUntilBroken();
  void TakeDown();
  [[nodiscard]] int64_t NextPause();

  // Sends what is in frame_ and then what is queued. Whoever calls has set kBusy.
  void SendFrames();
  // The next frame; false when there is none, and nobody is sending any more.
  bool NextFrame();
  void Report(LinkChange::State state);
  [[nodiscard]] bool stopping() const;

  const Peer peer_;
  const PeerLinkOptions options_;
  LinkListener* const listener_;
  Metrics* const metrics_;
  WakeFd wake_;

  // ---- The link's own thread only --------------------------------------------------------
  Random random_;
  int64_t last_pause_us_ = 0;
  LinkChange::State reported_ = LinkChange::State::kDown;
  std::string last_trouble_;

  // ---- Who sends (see Sending); replaced while nobody does ----------------------------------
  SocketStream stream_;
  std::string frame_;
  size_t sent_ = 0;  // Of frame_.

  mutable absl::Mutex mutex_;
  bool up_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;  // A send failed.
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Sending sending_ ABSL_GUARDED_BY(mutex_) = Sending::kIdle;
  std::deque<Queued> queue_ ABSL_GUARDED_BY(mutex_);
  uint64_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool overflowed_ ABSL_GUARDED_BY(mutex_) = false;
  bool pulse_due_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace cairn::server
