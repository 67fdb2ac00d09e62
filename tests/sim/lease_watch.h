// LeaseWatch: whether the replicas of one log count its lease's time as they shall: neither cut
// short nor reset (design section 6).
//
// For each node it notes, by the node's own clock, when the node first showed the present grant or
// renewal. The node may let the lease expire a full TTL after that moment:
//   not earlier, ever;
//   not later either, where the node applied the grant or renewal itself. Where a start or a
//   snapshot brought it, the TTL may begin later, but only once: when the node begins to lead.
//
// Clients that hold the lease at the same time would show the first kind of mistake too, if they
// met it. The second kind nobody sees: it only makes a takeover late.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "server/group.h"
#include "tests/sim/sim_node.h"

namespace cairn::sim {

class LeaseWatch {
 public:
  // After a turn of `node`. Empty, or what is wrong.
  [[nodiscard]] std::string AfterTurn(SimNode& node, const server::Group& group);

 private:
  struct Seen {
    uint64_t life = 0;  // Of the node's process.
    Index applied;
    Epoch epoch;  // 0: nobody holds the lease.
    Index renewal;
    MonoMicros since = 0;
    bool brought = false;  // By a start or a snapshot.
    std::optional<MonoMicros> deadline;
  };
  std::map<NodeId, Seen> seen_;
};

}  // namespace cairn::sim
