#include "server/runtime/repair_turn.h"

#include <string>

namespace cairn::server {

bool RepairTurn::Decide(const cairn::v1::FormRequest& cluster, NodeId self) {
  intends_ = true;
  cairn::v1::IntroduceRequest request;
  for (const cairn::v1::FormMember& member : cluster.members()) {
    if (NodeId(member.node_id()) == self) request.set_from_name(member.name());
  }
  bool may = cluster.members_size() > 1;
  for (const cairn::v1::FormMember& member : cluster.members()) {
    const NodeId other(member.node_id());
    if (other == self) continue;
    const auto answer = peers_->Introduce(member.address(), request);
    if (answer.ok() && answer->whole() && !answer->wants_repair()) continue;
    may = false;
    // Of two that want to, this one waits; or nobody else does, and it asks again later.
    const bool goes_first = answer.ok() && answer->wants_repair() && self < other;
    if (!goes_first) {
      intends_ = false;
      break;
    }
  }
  return may;
}

}  // namespace cairn::server
