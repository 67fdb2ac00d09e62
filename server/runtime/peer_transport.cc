#include "server/runtime/peer_transport.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "base/check.h"

namespace cairn::server {
namespace {

constexpr MonoMicros kIdleWaitUs = kMicrosPerSecond;
// What a peer may send ahead of this end's reading: a large append in one flight.
constexpr int kLookaheadBytes = 8 << 20;
constexpr int kMinPingIntervalMs = 1000;

}  // namespace

void AllowPeerStreams(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(-1);
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMinPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kLookaheadBytes);
}

PeerTransport::PeerTransport(PeerLinkOptions options, const Clock* clock, LinkListener* listener,
                             Metrics* metrics)
    : options_(std::move(options)),
      clock_(clock),
      listener_(listener),
      metrics_(metrics),
      links_(std::make_shared<const Links>()),
      thread_([this] { Run(); }) {}

PeerTransport::~PeerTransport() { CHECK(!thread_.joinable()); }

std::shared_ptr<const PeerTransport::Links> PeerTransport::links() const {
  absl::MutexLock lock(&mutex_);
  return links_;
}

uint64_t PeerTransport::connected() const {
  const std::shared_ptr<const Links> all = links();
  return static_cast<uint64_t>(
      std::count_if(all->begin(), all->end(), [](const auto& link) { return link.second->up(); }));
}

void PeerTransport::Send(std::vector<OutMessage> messages) {
  const std::shared_ptr<const Links> all = links();
  for (const OutMessage& message : messages) {
    const auto link = all->find(message.message.to);
    if (link == all->end()) {
      metrics_->peer_dropped_link_total.Increment();
      continue;
    }
    link->second->Offer(message);
  }
  // After all were offered, so that what one turn sends to one peer is one request.
  for (const auto& [id, link] : *all) link->Flush();
}

void PeerTransport::SetPeers(const std::vector<Peer>& peers) {
  std::vector<std::shared_ptr<PeerLink>> closed;
  {
    absl::MutexLock driving(&drive_mutex_);
    const std::shared_ptr<const Links> before = links();
    Links after;
    for (const Peer& peer : peers) {
      const auto it = before->find(peer.id);
      const bool same = it != before->end() && it->second->peer() == peer;
      after[peer.id] = same ? it->second
                            : std::make_shared<PeerLink>(peer, options_, listener_, metrics_,
                                                         [this] { Wake(); });
    }
    for (const auto& [id, link] : *before) {
      const auto it = after.find(id);
      if (it == after.end() || it->second != link) closed.push_back(link);
    }
    absl::MutexLock lock(&mutex_);
    links_ = std::make_shared<const Links>(std::move(after));
    woken_ = true;
  }
  for (const std::shared_ptr<PeerLink>& link : closed) link->Stop();
}

void PeerTransport::Wake() {
  absl::MutexLock lock(&mutex_);
  woken_ = true;
}

void PeerTransport::Run() {
  MonoMicros next = clock_->Mono();
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      const int64_t wait_us = std::clamp<int64_t>(next - clock_->Mono(), 0, kIdleWaitUs);
      mutex_.AwaitWithTimeout(absl::Condition(this, &PeerTransport::Awake),
                              absl::Microseconds(wait_us));
      if (stopping_) return;
      woken_ = false;
    }
    absl::MutexLock driving(&drive_mutex_);
    next = INT64_MAX;
    for (const auto& [id, link] : *links()) next = std::min(next, link->Drive(clock_->Mono()));
  }
}

void PeerTransport::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
  for (const auto& [id, link] : *links()) link->Stop();
}

}  // namespace cairn::server
