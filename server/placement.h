// Placement: what to do next about where logs live, and who votes in the catalog. Pure decisions;
// runtime/steward.h carries them out, decision 026 says why they are safe.
//
// A log moves in small steps: the catalog says what is wanted (LogPlaced); nodes that are new to
// the log make an empty replica; the log's leader takes them in as learners, and when they have
// caught up makes the wanted ones its voters by a joint configuration; then it tells the catalog
// (LogSettled), and whoever else holds the log drops it.
//
// Deterministic. Threads: none of its own.
#pragma once

#include <optional>
#include <vector>

#include "cairn/v1/store.pb.h"
#include "server/catalog.h"
#include "server/group.h"

namespace cairn::server {

// The members that a group shall have. Lists are sorted.
struct WantedMembers {
  std::vector<NodeId> voters;
  std::vector<NodeId> learners;
  uint64_t version = 0;  // Membership::version.
};

// What a log that is being moved shall have. Requires: log.moving().
WantedMembers WantedOf(const CatalogLog& log);

// What the catalog's group shall have: three voters, five when there are as many members that
// serve, or all if there are fewer than three. Who votes stays when it may. All others listen, but
// who is leaving and holds nothing any more.
WantedMembers WantedOfCatalog(const Catalog& catalog, const GroupView& leader);

// The change that brings the group that `leader` leads nearer to `wanted`; nullopt: it is there,
// or a change is under way.
std::optional<ChangeMembersOp> NextChange(const GroupView& leader, const WantedMembers& wanted);

// Whether the group has come to `wanted`, for good: no older configuration is possible any more.
bool IsSettled(const GroupView& leader, const WantedMembers& wanted);

// Where a log shall go that has a replica on a member that drains or leaves, or that has fewer
// replicas than there are members for; nullopt: all are where they should be. At most
// `kMovesAtOnce` logs are on their way at a time.
std::optional<cairn::v1::LogPlaced> NextPlacement(const Catalog& catalog);

// A member that is leaving, and that nothing needs any more: neither a log nor `catalog_group`, as
// its leader sees it.
std::optional<NodeId> NextRemoval(const Catalog& catalog, const GroupView& catalog_group);

inline constexpr size_t kMovesAtOnce = 4;

}  // namespace cairn::server
