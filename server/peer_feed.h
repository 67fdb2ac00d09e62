// PeerFeed: puts entries into the appends that the Raft core names by range.
//
// From the tail ring when they are there; otherwise one cold read per peer is asked for, the
// core pauses that peer, and goes on when the entries have been loaded.
//
// A peer that is only filled (it is new, or so far behind that what it lacks has left memory, and
// the others commit without it) is held back: each of its appends is a small piece that is read
// when the node's allowance for filling lets it (storage/read_queue.h), also what memory has. For
// each byte that the log grows by meanwhile, two more go beside the allowance: whatever the rate
// and however many are filled, a log that is written to does not run away from its new replica.
//
// Bounds: one read in flight and at most one message's worth of loaded entries per peer; a
//   message carries at most `message_bytes` of payload (or one entry).
// Threads: the group's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "consensus/raft_core.h"
#include "server/group_events.h"
#include "server/tail_hub.h"

namespace cairn::server {

// Of a run, as what it may send beside the allowance: all, since somebody waits for it.
inline constexpr uint64_t kAllFree = ~uint64_t{0};

class PeerFeed {
 public:
  struct Sizes {
    uint64_t message_bytes = 0;
    uint64_t fill_bytes = 0;  // Of a message to a peer that is held back; 0: none is.
  };
  PeerFeed(GroupId group, Sizes sizes) : group_(group), sizes_(sizes) {}

  // Fills `append`, addressed to `to`, and tells the core what was sent. False: the entries
  // have to be read first (the read is in `reads`); the message must not be sent.
  bool Fill(NodeId to, consensus::AppendRequest& append, const TailHub& hub,
            consensus::RaftCore& core, std::vector<storage::ReadRequest>& reads);

  // The result of one of Fill's reads. Lets the core go on with that peer. Damage is
  // reported through `alarms`.
  // False: what the peer lacks cannot be read here, so somebody else has to lead.
  bool OnLoaded(storage::ReadResult result, consensus::RaftCore& core,
                std::vector<std::string>& alarms);

  // Whether `to`, which is to be sent entry `next`, is new or far behind.
  [[nodiscard]] static bool FarBehind(NodeId to, Index next, const TailHub& hub,
                                      const consensus::RaftCore& core);
  // Whether what fills `to` takes of an allowance.
  [[nodiscard]] bool HoldsBack(NodeId to, const consensus::RaftCore& core) const {
    return sizes_.fill_bytes != 0 && core.CommitsWithout(to);
  }
  // What may go to `to` now beside the allowance, because the log has grown, or somebody waits.
  uint64_t FreeBytes(NodeId to, const consensus::RaftCore& core);

  // The log has grown by an entry of that many bytes.
  void OnApplied(uint64_t bytes) { grown_bytes_ += bytes; }

 private:
  struct Load {
    bool in_flight = false;
    std::vector<consensus::Entry> entries;
    // What grown_bytes_ was at the last read that had to wait; nullopt: none had.
    std::optional<uint64_t> grown_bytes;
  };
  // The entry that was loaded for the peer; null: it was not.
  static const consensus::Entry* FindLoaded(const Load& load, Index index);
  // Whether nobody waits for what a peer lacks that is to be sent entry `next`.
  [[nodiscard]] bool OnlyFills(NodeId to, Index next, const TailHub& hub,
                               const consensus::RaftCore& core) const;
  void AskFor(NodeId to, const consensus::AppendRequest& append, bool only_fills,
              std::vector<storage::ReadRequest>& reads);
  // What may go beside the allowance for what the log has grown by since the last call.
  uint64_t TakeGrowth(Load& load) const;

  GroupId group_;
  Sizes sizes_;
  std::map<NodeId, Load> loads_;
  uint64_t grown_bytes_ = 0;  // Since the group was made here.
};

}  // namespace cairn::server
