// PeerBook: the other members as this node knows them: who they are, where they are, and who is
// none. Puts together what the cluster was when this node came to it, the catalog's members, and
// what newer members say of themselves before the catalog here has heard of them.
//
// Who may talk to this node (decision 003, 026):
//   a member, with the incarnation that is known of it        yes
//   a member with another incarnation: its disk was wiped     no
//   a node that was removed                                   no, and it is told so
//   a node with an id beyond all that are known of            yes: ids only grow, so it has
//       joined since, and this node may need it to catch up
//   anybody else, or of another cluster                       no
//
// Threads: any. One leaf mutex.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "cairn/v1/peer.pb.h"
#include "server/catalog.h"
#include "server/runtime/peer_link.h"

namespace cairn::server {

// Of the streams between nodes (PeerHello::protocol).
inline constexpr uint32_t kPeerProtocol = 1;

class PeerBook {
 public:
  PeerBook(const cairn::v1::FormRequest& formed, NodeId self);

  // What the catalog says now. Returns whether anything is news.
  bool Update(const Catalog& catalog);

  struct Answer {
    std::string refusal;   // Empty: welcome.
    bool removed = false;  // The caller is no member any more.
    bool news = false;     // It was not known before.
  };
  // Whether who says hello is a member; notes it if it is a newer one.
  Answer Check(const cairn::v1::PeerHello& hello);

  // Everybody else that may be running, by id.
  [[nodiscard]] std::vector<Peer> Peers() const;
  [[nodiscard]] bool WasRemoved(NodeId node) const;
  // "host:port"; empty when unknown.
  [[nodiscard]] std::string AddressOf(NodeId node) const;
  // Of everybody, also of those that were added and have not joined.
  [[nodiscard]] std::vector<std::string> Addresses() const;
  // The cluster as of now, for the next start.
  [[nodiscard]] cairn::v1::FormRequest Formed() const;
  [[nodiscard]] const std::string& cluster_id() const { return cluster_id_; }

 private:
  struct Entry {
    std::string name;
    std::string address;
    std::string zone;
    uint64_t incarnation = 0;  // 0: it has not joined yet.
    bool operator==(const Entry&) const = default;
  };

  Answer CheckMember(const cairn::v1::PeerHello& hello) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string cluster_id_;
  const NodeId self_;
  const bool joined_;

  mutable absl::Mutex mutex_;
  std::map<NodeId, Entry> members_ ABSL_GUARDED_BY(mutex_);
  std::map<NodeId, std::string> removed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::server
