// PeerLink: the outgoing stream to one peer, and what waits to be sent on it.
//
// Life of a connection: probe (a plain TCP connect) -> open the stream, first message a
// hello -> accepted: up -> broken -> probe again, later and later. The probe comes first
// since it is what tells a dead process from an unreachable host; the peer's state is
// reported each time that it changes.
//
// Sending: messages that are offered while a write is in flight gather, and leave together
// as one request when it is done. A write is started on the thread that offers, so an idle
// link adds no hop.
//
// Bounds: `queue_bytes` of waiting messages; what is beyond, and everything while the link
//   is not up, is dropped and counted: the Raft core repeats what matters.
// Threads: Offer and Flush from any thread; Drive and Stop from the transport's own. The
//   stream's reactions arrive on gRPC's threads. One leaf mutex.
// Lifetime: Stop() before destruction; it waits until gRPC has let go of the stream.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/random.h"
#include "cairn/v1/peer.grpc.pb.h"
#include "server/group_events.h"
#include "server/runtime/metrics.h"

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
};

struct PeerLinkOptions {
  cairn::v1::PeerHello hello;  // `to_node_id` is filled in for each peer.
  uint64_t queue_bytes = 64ull << 20;
  // One request carries at most this, unless a single message is larger.
  uint64_t request_bytes = 4ull << 20;
  uint64_t random_seed = 1;
};

class PeerLink {
 public:
  // `wake` makes the transport's thread call Drive soon; it is called with no lock held.
  PeerLink(Peer peer, PeerLinkOptions options, LinkListener* listener, Metrics* metrics,
           std::function<void()> wake);
  ~PeerLink();
  PeerLink(const PeerLink&) = delete;
  PeerLink& operator=(const PeerLink&) = delete;

  [[nodiscard]] const Peer& peer() const { return peer_; }
  [[nodiscard]] bool up() const;

  // Queues one message. Flush() sends what was queued.
  void Offer(const OutMessage& message);
  void Flush();

  // Does what is due: reports a break, probes, connects, gives up on a silent peer. May
  // block for the length of a probe. Returns when it wants to be called next.
  MonoMicros Drive(MonoMicros now);
  void Stop();

 private:
  class Stream;
  enum class State : uint8_t { kIdle, kConnecting, kUp };
  struct Queued {
    cairn::v1::WireMessage wire;
    uint64_t bytes;
  };

  void Connect(MonoMicros now);
  void ScheduleRetry(MonoMicros now);
  void Report(LinkChange::State state);
  // Moves what fits from the queue into `request`.
  void FillRequest(cairn::v1::ExchangeRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The stream's reactions.
  void OnAnswer(Stream* stream, const cairn::v1::ExchangeResponse& answer);
  void OnBroken();
  void OnWritten(Stream* stream, bool ok);
  // Deletes the stream.
  void OnDone(Stream* stream, const grpc::Status& status);

  const Peer peer_;
  const PeerLinkOptions options_;
  LinkListener* const listener_;
  Metrics* const metrics_;
  const std::function<void()> wake_;

  // ---- The transport's thread only ---------------------------------------------------
  Random random_;
  MonoMicros retry_at_ = 0;
  MonoMicros retry_wait_us_ = 0;
  MonoMicros connect_deadline_ = 0;
  // Of the newest stream, and kept until the next: were the stream itself to let go of a channel
  // last, in a callback, gRPC (1.51) would join the callback's own thread and abort.
  std::shared_ptr<grpc::Channel> channel_;
  LinkChange::State reported_ = LinkChange::State::kDown;

  // In reactions to reads only, which come one at a time.
  std::string last_refusal_;

  mutable absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kIdle;
  Stream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool releasing_ ABSL_GUARDED_BY(mutex_) = false;  // OnDone deletes the last stream.
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool was_up_ ABSL_GUARDED_BY(mutex_) = false;  // The last stream had been accepted.
  std::deque<Queued> queue_ ABSL_GUARDED_BY(mutex_);
  uint64_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool overflowed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn::server
