// NodePulse: signs of life between nodes. While a group hibernates nobody counts its leader's
// heartbeats; what stands in for all of them is one pulse per pair of nodes (decision 025).
//
// A pulse leaves once every worker of the node has ticked since the last one, so that a node with
// one worker that hangs falls silent as a whole. Who was heard and then is not for `silence_us` is
// told to be silent, once, and to be heard again. That wakes the groups that rely on it; it
// confirms none of them, and proves nothing about any.
//
// Of a node that never sent a pulse nothing is told: its groups do not hibernate.
//
// Deterministic. Threads: none; its owner's lock.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/clock.h"
#include "server/group_events.h"

namespace cairn::server {

class NodePulse {
 public:
  // Requires: workers > 0.
  NodePulse(uint32_t workers, int64_t interval_us, int64_t silence_us);

  struct Due {
    bool pulse = false;  // One shall leave now, to all peers.
    std::vector<LinkChange> changes;
  };
  // The worker of that number has ticked.
  Due OnTick(uint32_t worker, MonoMicros now);
  // A pulse of `peer` came.
  void OnPulse(NodeId peer, MonoMicros now);

 private:
  struct Seen {
    MonoMicros at = 0;
    bool silent = false;
  };

  [[nodiscard]] bool AllTicked() const;

  const int64_t interval_us_;
  const int64_t silence_us_;
  std::vector<bool> ticked_;  // By worker, since the last pulse.
  MonoMicros sent_at_ = 0;
  std::map<NodeId, Seen> peers_;
};

}  // namespace cairn::server
