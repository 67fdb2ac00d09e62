// Steward: has the cluster become what the catalog wants. On every node it moves the groups that
// this node leads towards their wanted members, and on the catalog's leader it also decides what
// is wanted next (server/placement.h), and removes members that nothing needs any more.
//
// Each step is asked for again until it is done, so nothing is lost with a leader or a message:
// all that it knows is in the catalog and in the groups' own configurations.
//
// Threads: Work on the node's own thread; replies come on workers'. One leaf mutex.
// Lifetime: ports outlive it, and no request of its is under way when it goes (the workers have
//   been stopped).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "cairn/v1/peer.pb.h"
#include "server/catalog.h"
#include "server/group.h"
#include "server/placement.h"

namespace cairn::server {

class StewardPorts {
 public:
  virtual ~StewardPorts() = default;
  virtual void PostUrgent(GroupId group, Event event) = 0;
  // Tells the catalog's leader, at node `leader`; may block for about a second.
  virtual absl::Status Settle(NodeId leader, const cairn::v1::SettleRequest& request) = 0;
};

class Steward : private ReplySink {
 public:
  Steward(NodeId self, const Clock* clock, StewardPorts* ports)
      : self_(self), clock_(clock), ports_(ports) {}

  // One look at everything. Returns whether something is on its way that this node has to drive, so
  // that the next look should come soon. A change of the catalog calls for a look at once, too.
  bool Work(const std::vector<GroupView>& views, const Catalog& catalog);

 private:
  // Returns whether the group still has to change.
  bool Drive(const GroupView& view, const WantedMembers& wanted);
  // Hands over a leadership that would end with the change, so that nobody waits for an election.
  bool HandOver(const GroupView& view, const WantedMembers& wanted);
  void Settle(const CatalogLog& log, NodeId catalog_leader);
  // Proposes what the catalog's leader decides; returns whether there was anything.
  bool Decide(const GroupView& catalog_group, const Catalog& catalog);
  // False while an earlier one of this group is not answered.
  bool Post(GroupId group, uint64_t token, RequestBody body);
  void OnReply(uint64_t token, Reply reply) override;

  const NodeId self_;
  const Clock* const clock_;
  StewardPorts* const ports_;
  // Node's own thread: groups whose leadership was offered to somebody, and the term of it.
  std::map<GroupId, Term> offered_;

  absl::Mutex mutex_;
  std::set<uint64_t> under_way_ ABSL_GUARDED_BY(mutex_);  // Tokens.
};

}  // namespace cairn::server
