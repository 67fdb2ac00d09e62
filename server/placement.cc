#include "server/placement.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "server/catalog_parts.h"

namespace cairn::server {
namespace {

constexpr size_t kMostCatalogVoters = 5;

bool Has(const std::vector<NodeId>& sorted, NodeId id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

bool Serves(const Catalog& catalog, NodeId id) {
  const auto member = catalog.members().find(id);
  return member != catalog.members().end() && member->second.serves();
}

bool IsLeaving(const CatalogMember& member) {
  return member.state == cairn::v1::MEMBER_STATE_LEAVING;
}

// Odd, so that each voter adds to what may fail.
size_t CatalogVoters(size_t serving) {
  if (serving < 3) return serving;
  return serving < kMostCatalogVoters ? 3 : kMostCatalogVoters;
}

// The replicas that `log` shall have, given who serves now.
std::vector<NodeId> BestReplicas(const Catalog& catalog, const CatalogLog& log) {
  const std::vector<NodeId>& current = log.moving() ? log.wanted : log.replicas;
  std::vector<NodeId> kept;
  std::vector<NodeId> going;
  for (const NodeId id : current) (Serves(catalog, id) ? kept : going).push_back(id);
  std::vector<NodeId> best = catalog.PlaceReplicas(kept);
  // Nobody is there to take it: what drains keeps it, what leaves goes all the same.
  for (const NodeId id : going) {
    const auto member = catalog.members().find(id);
    const bool leaves = member == catalog.members().end() || IsLeaving(member->second);
    if (best.size() < current.size() && (!leaves || best.empty())) best.push_back(id);
  }
  std::sort(best.begin(), best.end());
  return best;
}

}  // namespace

WantedMembers WantedOf(const CatalogLog& log) {
  CHECK(log.moving());
  return {.voters = log.wanted, .learners = {}, .version = log.placement.value()};
}

WantedMembers WantedOfCatalog(const Catalog& catalog, const GroupView& leader) {
  std::vector<NodeId> serving;
  for (const auto& [id, member] : catalog.members()) {
    if (member.serves()) serving.push_back(id);
  }
  // Those that vote now first, each part by id.
  std::stable_partition(serving.begin(), serving.end(),
                        [&](NodeId id) { return Has(leader.voters, id); });
  serving.resize(CatalogVoters(serving.size()));
  std::sort(serving.begin(), serving.end());
  WantedMembers wanted{.voters = std::move(serving), .learners = {}};
  for (const auto& [id, member] : catalog.members()) {
    const bool done = IsLeaving(member) && catalog.ReplicasOn(id) == 0;
    if (member.incarnation == 0 || done || Has(wanted.voters, id)) continue;
    wanted.learners.push_back(id);
  }
  const bool same = wanted.voters == leader.voters && wanted.learners == leader.learners;
  wanted.version = same ? leader.membership_version : catalog.applied_seq().value();
  return wanted;
}

std::optional<ChangeMembersOp> NextChange(const GroupView& leader, const WantedMembers& wanted) {
  if (leader.joint || !leader.membership_committed) return std::nullopt;
  // Who shall vote and does not yet listens first.
  std::vector<NodeId> learners = wanted.learners;
  std::set_difference(wanted.voters.begin(), wanted.voters.end(), leader.voters.begin(),
                      leader.voters.end(), std::back_inserter(learners));
  // Who voted and shall only listen does so when it has stopped voting.
  std::erase_if(learners, [&](NodeId id) { return Has(leader.voters, id); });
  std::sort(learners.begin(), learners.end());
  if (!std::includes(leader.learners.begin(), leader.learners.end(), learners.begin(),
                     learners.end())) {
    return ChangeMembersOp{leader.voters, std::move(learners), wanted.version};
  }
  if (IsSettled(leader, wanted)) return std::nullopt;
  return ChangeMembersOp{wanted.voters, wanted.learners, wanted.version};
}

bool IsSettled(const GroupView& leader, const WantedMembers& wanted) {
  return !leader.joint && leader.membership_committed &&
         leader.membership_version == wanted.version && leader.voters == wanted.voters &&
         leader.learners == wanted.learners;
}

std::optional<cairn::v1::LogPlaced> NextPlacement(const Catalog& catalog) {
  size_t moving = 0;
  for (const auto& [id, log] : catalog.logs()) moving += log.moving() ? 1 : 0;
  for (const auto& [id, log] : catalog.logs()) {
    if (!log.moving() && moving >= kMovesAtOnce) continue;
    const std::vector<NodeId> best = BestReplicas(catalog, log);
    if (best.empty() || best == (log.moving() ? log.wanted : log.replicas)) continue;
    cairn::v1::LogPlaced placed;
    placed.set_log_id(id.value());
    for (const NodeId node : best) placed.add_wanted_node_ids(node.value());
    return placed;
  }
  return std::nullopt;
}

std::optional<NodeId> NextRemoval(const Catalog& catalog, const GroupView& catalog_group) {
  if (catalog_group.joint || !catalog_group.membership_committed) return std::nullopt;
  for (const auto& [id, member] : catalog.members()) {
    const bool needed = !IsLeaving(member) || catalog.ReplicasOn(id) != 0 ||
                        Has(catalog_group.voters, id) || Has(catalog_group.learners, id);
    if (!needed) return id;
  }
  return std::nullopt;
}

}  // namespace cairn::server
