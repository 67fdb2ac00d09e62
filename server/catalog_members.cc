// Catalog's members: added, joined, changed, removed (decision 026).
//
// A member_changed command of a caller is one of four, told apart by what it says:
//   no id, no incarnation     AddMember: room for a node of that name
//   no id, an incarnation     Join: the node of that name has started
//   an id and no name         ChangeMember: another state
//   an id and a name          the member as it shall be from now on
// What is appended is always the last.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/catalog_parts.h"

namespace cairn::server {
namespace {

using cairn::v1::CatalogCommand;
using cairn::v1::MemberState;
using Verdict = std::variant<Catalog::Append, CatalogDone, Rejection>;

constexpr size_t kMaxMembers = 64;

Verdict Invalid(std::string message) {
  return RejectCatalog(cairn::v1::REASON_INVALID, std::move(message));
}

Verdict AppendMember(const CatalogMember& member) {
  CatalogCommand command;
  *command.mutable_member_changed() = ToProto(member);
  return Catalog::Append{.payload = command.SerializeAsString(), .done = {.node_id = member.id}};
}

Verdict AppendRemoval(NodeId id) {
  CatalogCommand command;
  command.mutable_member_removed()->set_node_id(id.value());
  return Catalog::Append{.payload = command.SerializeAsString(), .done = {.node_id = id}};
}

}  // namespace

// ---- Look-ups ---------------------------------------------------------------------------

const CatalogMember* Catalog::FindMember(std::string_view name) const {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [&](const auto& row) { return row.second.name == name; });
  return found == members_.end() ? nullptr : &found->second;
}

NodeId Catalog::NextNodeId() const {
  NodeId last = members_.empty() ? NodeId() : members_.rbegin()->first;
  if (!removed_.empty()) last = std::max(last, removed_.rbegin()->first);
  return NodeId(last.value() + 1);
}

// ---- Judge ------------------------------------------------------------------------------

Verdict Catalog::JudgeMember(const cairn::v1::Member& changed) const {
  CatalogMember member = FromProto(changed);
  if (!member.id) {
    return member.incarnation == 0 ? JudgeAdded(std::move(member)) : JudgeJoined(member);
  }
  if (member.name.empty()) return JudgeState(member.id, changed.state());
  if (std::string wrong = CheckMemberChange(member); !wrong.empty()) {
    return Invalid(std::move(wrong));
  }
  const auto known = members_.find(member.id);
  if (known != members_.end() && known->second == member) return CatalogDone{.node_id = member.id};
  return AppendMember(member);
}

Verdict Catalog::JudgeAdded(CatalogMember member) const {
  if (const CatalogMember* known = FindMember(member.name)) {
    const bool same = known->address == member.address && known->zone == member.zone;
    if (same && known->state == member.state) return CatalogDone{.node_id = known->id};
    return Invalid(
        fmt::format("{} is node {} at {} already: expected another name, or that one "
                    "to be removed first",
                    known->name, known->id, known->address));
  }
  if (members_.size() >= kMaxMembers) {
    Rejection full = RejectCatalog(
        cairn::v1::REASON_TABLE_FULL,
        fmt::format("there are {} members, at most {} are allowed", members_.size(), kMaxMembers));
    full.info.set_limit(kMaxMembers);
    full.info.set_actual(members_.size());
    return full;
  }
  member.id = NextNodeId();
  if (std::string wrong = CheckMemberChange(member); !wrong.empty()) {
    return Invalid(std::move(wrong));
  }
  return AppendMember(member);
}

Verdict Catalog::JudgeJoined(const CatalogMember& member) const {
  const CatalogMember* known = FindMember(member.name);
  if (known == nullptr) {
    return RejectCatalog(cairn::v1::REASON_NOT_READY,
                         fmt::format("cluster {} has no room for a node {}: an operator has to run "
                                     "`cairn cluster add {} --address {}`",
                                     cluster_id_, member.name, member.name, member.address));
  }
  if (known->incarnation == member.incarnation) return CatalogDone{.node_id = known->id};
  if (known->incarnation != 0) {
    return Invalid(fmt::format(
        "{} is node {} of cluster {} with another data directory (incarnation {:016x}, not "
        "{:016x}): start it with that one; if that is lost, `cairn cluster remove {}`, then "
        "`cairn cluster add {} --address {}`, and start with --join and an empty directory",
        known->name, known->id, cluster_id_, known->incarnation, member.incarnation, known->name,
        known->name, member.address));
  }
  if (known->address != member.address) {
    return Invalid(
        fmt::format("{} was added with the address {}, and starts with --advertise {}: "
                    "expected the same",
                    known->name, known->address, member.address));
  }
  if (!member.zone.empty() && !known->zone.empty() && known->zone != member.zone) {
    return Invalid(
        fmt::format("{} was added with the zone {}, and starts with --zone {}: expected "
                    "the same",
                    known->name, known->zone, member.zone));
  }
  CatalogMember joined = *known;
  joined.incarnation = member.incarnation;
  if (joined.zone.empty()) joined.zone = member.zone;
  return AppendMember(joined);
}

Verdict Catalog::JudgeState(NodeId id, MemberState state) const {
  const auto found = members_.find(id);
  if (found == members_.end()) {
    const auto gone = removed_.find(id);
    if (gone != removed_.end() && state == cairn::v1::MEMBER_STATE_LEAVING) {
      return CatalogDone{.node_id = id};
    }
    return Invalid(fmt::format("node {} is no member", id));
  }
  const bool known = state == cairn::v1::MEMBER_STATE_ACTIVE ||
                     state == cairn::v1::MEMBER_STATE_DRAINING ||
                     state == cairn::v1::MEMBER_STATE_LEAVING;
  if (!known) {
    return Invalid(fmt::format("node {}: expected the state ACTIVE, DRAINING or LEAVING", id));
  }
  CatalogMember member = found->second;
  if (member.state == state) return CatalogDone{.node_id = id};
  if (state != cairn::v1::MEMBER_STATE_ACTIVE) {
    const bool others = std::any_of(members_.begin(), members_.end(), [&](const auto& row) {
      return row.first != id && row.second.serves();
    });
    if (!others) {
      return Invalid(
          fmt::format("node {} is the last member that serves: add another one first, "
                      "and wait until it has joined",
                      id));
    }
    const bool never_joined = member.incarnation == 0;
    if (never_joined && state == cairn::v1::MEMBER_STATE_LEAVING) return AppendRemoval(id);
  }
  member.state = state;
  return AppendMember(member);
}

std::string Catalog::CheckMemberChange(const CatalogMember& member) const {
  if (std::string wrong = CheckMember(member); !wrong.empty()) return wrong;
  if (removed_.contains(member.id)) return fmt::format("node {} was removed", member.id);
  for (const auto& [id, other] : members_) {
    if (id == member.id) continue;
    if (other.name == member.name) {
      return fmt::format("the name {} belongs to node {}", member.name, id);
    }
    if (other.address == member.address) {
      return fmt::format("the address {} belongs to {} (node {})", member.address, other.name, id);
    }
  }
  const auto known = members_.find(member.id);
  if (known != members_.end() && known->second.incarnation != 0 &&
      known->second.incarnation != member.incarnation) {
    // A wiped data directory has forgotten its votes: it must not pass for the old one.
    return fmt::format("node {} has incarnation {}, not {}", member.id, known->second.incarnation,
                       member.incarnation);
  }
  return "";
}

Verdict Catalog::JudgeRemoved(const cairn::v1::MemberRemoved& removed) const {
  const NodeId id(removed.node_id());
  if (removed_.contains(id)) return CatalogDone{.node_id = id};
  const auto found = members_.find(id);
  if (found == members_.end()) return Invalid(fmt::format("node {} is no member", id));
  if (found->second.state != cairn::v1::MEMBER_STATE_LEAVING) {
    return Invalid(fmt::format("node {} is not leaving", id));
  }
  if (const uint64_t held = ReplicasOn(id); held != 0) {
    return Invalid(fmt::format("node {} still holds {} logs", id, held));
  }
  return AppendRemoval(id);
}

// ---- Apply ------------------------------------------------------------------------------

absl::StatusOr<CatalogChange> Catalog::ApplyMember(Seq seq, const cairn::v1::Member& changed) {
  CatalogMember member = FromProto(changed);
  if (std::string wrong = CheckMemberChange(member); !wrong.empty()) {
    return Contradiction(seq, wrong);
  }
  CatalogChange change;
  change.kind = CatalogChange::Kind::kMember;
  change.name = member.name;
  members_[member.id] = std::move(member);
  return change;
}

absl::StatusOr<CatalogChange> Catalog::ApplyRemoved(Seq seq,
                                                    const cairn::v1::MemberRemoved& removed) {
  const auto found = members_.find(NodeId(removed.node_id()));
  if (found == members_.end() || ReplicasOn(found->first) != 0) {
    return Contradiction(seq, fmt::format("it removes node {}, which is no member or holds logs",
                                          removed.node_id()));
  }
  CatalogChange change;
  change.kind = CatalogChange::Kind::kMember;
  change.name = found->second.name;
  for (auto& [id, log] : logs_) std::erase(log.left, found->first);
  removed_.emplace(found->first, found->second.name);
  members_.erase(found);
  return change;
}

}  // namespace cairn::server
