// PeerFeed: puts entries into the appends that the Raft core names by range.
//
// From the tail ring when they are there; otherwise one cold read per peer is asked for, the
// core pauses that peer, and goes on when the entries have been loaded.
//
// Bounds: one read in flight and at most one message's worth of loaded entries per peer; a
//   message carries at most `message_bytes` of payload (or one entry).
// Threads: the group's.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "consensus/raft_core.h"
#include "server/group_events.h"
#include "server/tail_hub.h"

namespace cairn::server {

class PeerFeed {
 public:
  PeerFeed(GroupId group, uint64_t message_bytes) : group_(group), message_bytes_(message_bytes) {}

  // Fills `append`, addressed to `to`, and tells the core what was sent. False: the entries
  // have to be read first (the read is in `reads`); the message must not be sent.
  bool Fill(NodeId to, consensus::AppendRequest& append, const TailHub& hub,
            consensus::RaftCore& core, std::vector<storage::ReadRequest>& reads);

  // The result of one of Fill's reads. Lets the core go on with that peer. Damage is
  // reported through `alarms`.
  // False: what the peer lacks cannot be read here, so somebody else has to lead.
  bool OnLoaded(storage::ReadResult result, consensus::RaftCore& core,
                std::vector<std::string>& alarms);

 private:
  struct Load {
    bool in_flight = false;
    std::vector<consensus::Entry> entries;
  };
  // The entry from the ring or from what was loaded for the peer; null: neither.
  const consensus::Entry* Find(NodeId to, Index index, const TailHub& hub) const;

  GroupId group_;
  uint64_t message_bytes_;
  std::map<NodeId, Load> loads_;
};

}  // namespace cairn::server
