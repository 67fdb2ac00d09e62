#include "server/runtime/peer_transport.h"

#include <algorithm>
#include <utility>

namespace cairn::server {

PeerTransport::PeerTransport(PeerLinkOptions options, LinkListener* listener, Metrics* metrics)
    : options_(std::move(options)),
      listener_(listener),
      metrics_(metrics),
      links_(std::make_shared<const Links>()) {}

PeerTransport::~PeerTransport() { Stop(); }

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
  // After all were offered, so that what one turn sends to one peer is one frame.
  for (const auto& [id, link] : *all) link->Flush();
}

void PeerTransport::Pulse() {
  for (const auto& [id, link] : *links()) link->Pulse();
}

void PeerTransport::SetPeers(const std::vector<Peer>& peers) {
  const std::shared_ptr<const Links> before = links();
  Links after;
  for (const Peer& peer : peers) {
    const auto it = before->find(peer.id);
    const bool same = it != before->end() && it->second->peer() == peer;
    after[peer.id] =
        same ? it->second : std::make_shared<PeerLink>(peer, options_, listener_, metrics_);
  }
  {
    absl::MutexLock lock(&mutex_);
    links_ = std::make_shared<const Links>(after);
  }
  for (const auto& [id, link] : *before) {
    const auto it = after.find(id);
    if (it == after.end() || it->second != link) link->Stop();
  }
}

void PeerTransport::Stop() {
  for (const auto& [id, link] : *links()) link->Stop();
}

}  // namespace cairn::server
