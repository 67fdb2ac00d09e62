// What must be true of a MemberWorld at any moment, and what it has to come to in the end.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/check.h"
#include "tests/sim/electable.h"
#include "tests/sim/member_world.h"

namespace cairn::sim {
namespace {

// The groups that the catalog puts on that node, by id.
std::vector<GroupId> WantedOn(NodeId node, const server::Catalog& catalog) {
  std::vector<GroupId> wanted{kCatalogGroup};
  for (const auto& [id, log] : catalog.logs()) {
    if (std::binary_search(log.replicas.begin(), log.replicas.end(), node)) wanted.push_back(id);
  }
  return wanted;
}

std::vector<GroupId> StoredOn(const SimNode& node) {
  const auto groups = node.store().LoadGroups();
  CHECK(groups.ok());
  std::vector<GroupId> stored;
  for (const storage::StoredGroup& group : *groups) stored.push_back(group.group);
  return stored;
}

}  // namespace

// ---- At any moment ------------------------------------------------------------------------

void MemberWorld::CheckElectable() {
  for (const Log& log : logs_) {
    const consensus::Position committed = log.watch->newest_applied();
    std::vector<Elector> electors;
    for (const auto& node : nodes_) {
      if (auto elector = ElectorOf(*node, log.id, committed)) electors.push_back(*elector);
    }
    const NodeId wrong = ElectableWithout(electors);
    if (!wrong) continue;
    return Violation(fmt::format(
        "log {}: node {} could be elected without entry {} of term {}, which is committed", log.id,
        wrong, committed.index, committed.term));
  }
}

// ---- In the end ----------------------------------------------------------------------------

// All members hold and have applied what the leader has, which leads for good.
bool MemberWorld::HasConverged(GroupId id, const std::vector<NodeId>& voters) const {
  const SimNode* leader = LeaderOf(id);
  if (leader == nullptr || !leader->group(id)->state().leading()) return false;
  const consensus::RaftCore& want = leader->group(id)->core();
  const consensus::Membership& members = want.membership();
  if (members.joint() || members.voters != voters) return false;
  const std::vector<NodeId> all = members.All();
  return std::all_of(all.begin(), all.end(), [&](NodeId member) {
    const SimNode& node = NodeOf(member);
    const server::Group* group = node.group(id);
    return group != nullptr && node.synced() && group->core().applied() == want.last().index &&
           group->core().last() == want.last() &&
           group->core().standing() == consensus::Standing::kSound;
  });
}

std::string MemberWorld::WhyNotSettled(const server::Catalog& catalog,
                                       const server::GroupView& catalog_group) const {
  for (const auto& [id, log] : catalog.logs()) {
    if (log.moving()) return fmt::format("log {} is on its way", id);
    if (!HasConverged(id, log.replicas)) {
      return fmt::format("log {} is not held alike by {}", id, fmt::join(log.replicas, " "));
    }
  }
  if (server::NextPlacement(catalog)) return "a log is not where it should be";
  for (const auto& [id, member] : catalog.members()) {
    if (member.state == cairn::v1::MEMBER_STATE_LEAVING) {
      return fmt::format("node {} has not left", id);
    }
  }
  const std::vector<NodeId> voters = server::WantedOfCatalog(catalog, catalog_group).voters;
  return HasConverged(kCatalogGroup, voters) ? "" : "the catalog is not held alike";
}

// A replica that nobody wants, or that is missing, in memory or on disk.
std::string MemberWorld::WhyOrphaned(const server::Catalog& catalog) const {
  for (const auto& [id, member] : catalog.members()) {
    if (!started_.contains(id)) continue;
    const std::vector<GroupId> wanted = WantedOn(id, catalog);
    const std::vector<GroupId> stored = StoredOn(NodeOf(id));
    if (stored != wanted) {
      return fmt::format("node {} stores groups {}, the catalog wants {}", id,
                         fmt::join(stored, " "), fmt::join(wanted, " "));
    }
    const auto is_open = [&](GroupId group) { return NodeOf(id).group(group) != nullptr; };
    for (const Log& log : logs_) {
      if (is_open(log.id) == std::binary_search(wanted.begin(), wanted.end(), log.id)) continue;
      return fmt::format("node {} {} log {}", id, is_open(log.id) ? "runs" : "does not run",
                         log.id);
    }
  }
  return "";
}

// "" when every wish has been carried out and all hold the same.
std::string MemberWorld::WhyNotConverged() const {
  const auto idle = [](const Asker& asker) { return asker.client->idle(); };
  if (!std::all_of(clients_.begin(), clients_.end(), idle)) return "a client waits";
  const SimNode* leader = LeaderOf(kCatalogGroup);
  if (leader == nullptr) return "nobody leads the catalog";
  const server::Catalog& catalog = leader->host()->catalog();
  std::string why = WhyNotSettled(catalog, leader->group(kCatalogGroup)->View());
  if (why.empty()) why = WhyOrphaned(catalog);
  return why.empty() && archives() ? WhyNotArchived() : why;
}

void MemberWorld::CheckEnd() {
  if (const std::string why = WhyNotConverged(); !why.empty()) {
    NoteStates();
    return Violation(fmt::format("not settled {} s after everything was healed: {}",
                                 kConvergeUs / kMicrosPerSecond, why));
  }
  for (const Log& log : logs_) {
    const SimNode* leader = LeaderOf(log.id);
    log.watch->CheckEnd(*leader);
    if (!result_.violations.empty()) return;
    for (const NodeId id : leader->group(log.id)->core().membership().All()) {
      log.watch->CheckReplica(NodeOf(id));
    }
    if (archives() && log.id != kCatalogGroup) CheckRecords(log);
  }
}

}  // namespace cairn::sim
