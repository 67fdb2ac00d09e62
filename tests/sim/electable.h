// Electable: whether anybody could be elected who lacks what was committed. That no two quorums
// decide without each other shows here at any moment, not only when such an election happens: who
// may win is what configurations, logs and memories of all nodes come to, of those too that are
// down, lag, or were removed and may come back.
//
// Pure; nodes are looked at by ElectorOf. Threads: the simulator's.
#pragma once

#include <optional>
#include <vector>

#include "base/ids.h"
#include "consensus/membership.h"
#include "consensus/types.h"
#include "tests/sim/sim_node.h"

namespace cairn::sim {

// A replica as elections see it.
struct Elector {
  NodeId id;
  consensus::Position last;
  // A candidate, if it is one: its configuration, and whether it holds what was committed.
  std::optional<consensus::Membership> stands_in = std::nullopt;
  bool holds = false;
};

// The first one that a quorum of its configuration would elect, since their logs end no later,
// although it does not hold what was committed; 0: none.
[[nodiscard]] NodeId ElectableWithout(const std::vector<Elector>& electors);

// The replica of `group` on that node, if there is one that trusts itself; its disk's, while it is
// down, which only votes. `committed`: what a leader has to hold.
[[nodiscard]] std::optional<Elector> ElectorOf(const SimNode& node, GroupId group,
                                               consensus::Position committed);

}  // namespace cairn::sim
