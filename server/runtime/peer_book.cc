#include "server/runtime/peer_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace cairn::server {

PeerBook::PeerBook(const cairn::v1::FormRequest& formed, NodeId self)
    : cluster_id_(formed.cluster_id()), self_(self), joined_(formed.joined()) {
  for (const cairn::v1::FormMember& member : formed.members()) {
    members_[NodeId(member.node_id())] = {member.name(), member.address(), member.zone(),
                                          member.incarnation()};
  }
}

bool PeerBook::Update(const Catalog& catalog) {
  absl::MutexLock lock(&mutex_);
  const std::map<NodeId, Entry> before = members_;
  // A catalog that is still being read lacks those that joined later: nobody goes by its silence.
  for (const auto& [id, member] : catalog.members()) {
    members_[id] = {member.name, member.address, member.zone, member.incarnation};
  }
  for (const auto& [id, name] : catalog.removed()) {
    members_.erase(id);
    removed_.emplace(id, name);
  }
  return members_ != before;
}

PeerBook::Answer PeerBook::Check(const cairn::v1::PeerHello& hello) {
  if (hello.protocol() != kPeerProtocol) {
    return {
        fmt::format("protocol {} is not spoken here, only {}", hello.protocol(), kPeerProtocol)};
  }
  if (hello.cluster_id() != cluster_id_) {
    return {fmt::format(
        "this node belongs to cluster {}, not to {}. If that one was given up, and this one was "
        "recovered from it, the caller can only come with an empty data directory: `cairn cluster "
        "add` it here, then start it with --join",
        cluster_id_, hello.cluster_id())};
  }
  if (NodeId(hello.to_node_id()) != self_) {
    return {fmt::format("this is node {}, not {}", self_, hello.to_node_id())};
  }
  absl::MutexLock lock(&mutex_);
  return CheckMember(hello);
}

PeerBook::Answer PeerBook::CheckMember(const cairn::v1::PeerHello& hello) {
  const NodeId from(hello.from_node_id());
  if (const auto gone = removed_.find(from); gone != removed_.end()) {
    return {.refusal = fmt::format("node {} ({}) was removed from cluster {}", from, gone->second,
                                   cluster_id_),
            .removed = true};
  }
  const auto member = members_.find(from);
  if (member != members_.end() && member->second.incarnation != 0) {
    if (member->second.incarnation == hello.from_incarnation()) return {};
    return {fmt::format(
        "node {} ({}) has another data directory: incarnation {:016x} is known, "
        "{:016x} calls",
        from, member->second.name, member->second.incarnation, hello.from_incarnation())};
  }
  NodeId last = members_.empty() ? NodeId() : members_.rbegin()->first;
  if (!removed_.empty()) last = std::max(last, removed_.rbegin()->first);
  // It was added, or even that has not been heard of here.
  const bool newer = member != members_.end() || from > last;
  if (!newer || hello.from_address().empty()) {
    return {fmt::format("node {} is no member of cluster {}", from, cluster_id_)};
  }
  Entry& entry = members_[from];
  entry.address = hello.from_address();
  entry.incarnation = hello.from_incarnation();
  return {.news = true};
}

std::vector<Peer> PeerBook::Peers() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Peer> peers;
  for (const auto& [id, member] : members_) {
    if (id != self_ && member.incarnation != 0) peers.push_back({id, member.name, member.address});
  }
  return peers;
}

bool PeerBook::WasRemoved(NodeId node) const {
  absl::MutexLock lock(&mutex_);
  return removed_.contains(node);
}

std::string PeerBook::AddressOf(NodeId node) const {
  absl::MutexLock lock(&mutex_);
  const auto member = members_.find(node);
  return member == members_.end() ? "" : member->second.address;
}

std::vector<std::string> PeerBook::Addresses() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> addresses;
  for (const auto& [id, member] : members_) addresses.push_back(member.address);
  return addresses;
}

cairn::v1::FormRequest PeerBook::Formed() const {
  cairn::v1::FormRequest formed;
  formed.set_cluster_id(cluster_id_);
  formed.set_joined(joined_);
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, entry] : members_) {
    if (entry.incarnation == 0) continue;
    cairn::v1::FormMember& member = *formed.add_members();
    member.set_node_id(id.value());
    member.set_name(entry.name);
    member.set_address(entry.address);
    member.set_zone(entry.zone);
    member.set_incarnation(entry.incarnation);
  }
  return formed;
}

}  // namespace cairn::server
