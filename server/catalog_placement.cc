// Catalog's placement of logs: where replicas go, and their moves (decision 026).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

#include "server/catalog_parts.h"

namespace cairn::server {
namespace {

using cairn::v1::CatalogCommand;
using Verdict = std::variant<Catalog::Append, CatalogDone, Rejection>;

// More voters cost more than they protect.
constexpr size_t kMaxReplicas = 7;

std::vector<NodeId> ToNodes(const google::protobuf::RepeatedField<uint64_t>& ids) {
  std::vector<NodeId> nodes;
  for (const uint64_t id : ids) nodes.emplace_back(id);
  return nodes;
}

std::vector<NodeId> Union(const std::vector<NodeId>& a, const std::vector<NodeId>& b) {
  std::vector<NodeId> all;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
  return all;
}

std::vector<NodeId> Without(const std::vector<NodeId>& all, const std::vector<NodeId>& some) {
  std::vector<NodeId> rest;
  std::set_difference(all.begin(), all.end(), some.begin(), some.end(), std::back_inserter(rest));
  return rest;
}

bool Has(const std::vector<NodeId>& sorted, NodeId id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

// `log`'s replicas with `to` in the place of `from`. Sorted.
std::vector<NodeId> Instead(std::vector<NodeId> replicas, NodeId from, NodeId to) {
  std::erase(replicas, from);
  replicas.push_back(to);
  std::sort(replicas.begin(), replicas.end());
  return replicas;
}

}  // namespace

uint64_t Catalog::ReplicasOn(NodeId node) const {
  const auto found = replica_count_.find(node);
  return found == replica_count_.end() ? 0 : found->second;
}

std::vector<NodeId> Catalog::PlaceReplicas(std::vector<NodeId> kept) const {
  std::vector<NodeId> chosen = std::move(kept);
  std::set<std::string_view> zones;
  for (const NodeId id : chosen) zones.insert(members_.at(id).zone);
  while (chosen.size() < kReplicas) {
    const CatalogMember* best = nullptr;
    std::tuple<bool, uint64_t, NodeId> best_rank;
    for (const auto& [id, member] : members_) {
      if (!member.serves() || std::find(chosen.begin(), chosen.end(), id) != chosen.end()) continue;
      const std::tuple<bool, uint64_t, NodeId> rank{zones.contains(member.zone), ReplicasOn(id),
                                                    id};
      if (best != nullptr && best_rank <= rank) continue;
      best = &member;
      best_rank = rank;
    }
    if (best == nullptr) break;
    chosen.push_back(best->id);
    zones.insert(best->zone);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

// ---- Judge ------------------------------------------------------------------------------

std::string Catalog::CheckPlacement(const CatalogLog& log,
                                    const std::vector<NodeId>& wanted) const {
  if (wanted.empty() || wanted.size() > kMaxReplicas) {
    return fmt::format("{} replicas are wanted, allowed are 1 to {}", wanted.size(), kMaxReplicas);
  }
  if (std::adjacent_find(wanted.begin(), wanted.end(), std::greater_equal<>()) != wanted.end()) {
    return fmt::format("a node is named twice: {}", fmt::join(wanted, ", "));
  }
  for (const NodeId id : wanted) {
    const auto member = members_.find(id);
    if (member == members_.end()) return fmt::format("node {} is no member", id);
    if (!member->second.serves() && !Has(log.replicas, id)) {
      return fmt::format(
          "{} (node {}) takes no replicas: it has not joined yet, is a learner, or "
          "drains",
          member->second.name, id);
    }
  }
  return "";
}

Verdict Catalog::JudgePlaced(const cairn::v1::LogPlaced& placed, NodeId instead_of) const {
  const CatalogLog* log = Find(GroupId(placed.log_id()));
  if (log == nullptr) return NoSuchLog(GroupId(placed.log_id()));
  const auto refuse = [&](std::string why) {
    return RejectLog(cairn::v1::REASON_INVALID, log->name, log->id,
                     fmt::format("log {}: {}", log->name, why));
  };
  std::vector<NodeId> wanted = ToNodes(placed.wanted_node_ids());
  if (instead_of) {
    if (log->moving()) return refuse("its replicas are being moved: expected to wait for that");
    if (wanted.size() != 1) return refuse("expected one node to move the replica to");
    if (!Has(log->replicas, instead_of)) {
      return refuse(fmt::format("node {} has no replica of it; those of {} have", instead_of,
                                fmt::join(log->replicas, ", ")));
    }
    if (Has(log->replicas, wanted.front())) {
      return refuse(fmt::format("node {} has a replica of it already", wanted.front()));
    }
    wanted = Instead(log->replicas, instead_of, wanted.front());
  }
  std::sort(wanted.begin(), wanted.end());
  if (std::string wrong = CheckPlacement(*log, wanted); !wrong.empty()) return refuse(wrong);
  CatalogDone done{.log_id = log->id, .replicas = wanted};
  if (wanted == (log->moving() ? log->wanted : log->replicas)) return done;
  CatalogCommand command;
  command.mutable_log_placed()->set_log_id(log->id.value());
  for (const NodeId id : Union(log->replicas, wanted)) {
    command.mutable_log_placed()->add_replica_node_ids(id.value());
  }
  for (const NodeId id : wanted) command.mutable_log_placed()->add_wanted_node_ids(id.value());
  return Append{.payload = command.SerializeAsString(), .done = std::move(done)};
}

Verdict Catalog::JudgeSettled(const cairn::v1::LogSettled& settled) const {
  const CatalogLog* log = Find(GroupId(settled.log_id()));
  if (log == nullptr) return NoSuchLog(GroupId(settled.log_id()));
  const bool same = log->placement == Seq(settled.placement());
  if (same && !log->moving()) return CatalogDone{.log_id = log->id, .replicas = log->replicas};
  if (!same) {
    // Who says so is behind: the replicas that it knows of are not those wanted now.
    return RejectLog(cairn::v1::REASON_INVALID, log->name, log->id,
                     fmt::format("log {}: placement {} is in force, not {}", log->name,
                                 log->placement, settled.placement()));
  }
  CatalogCommand command;
  *command.mutable_log_settled() = settled;
  return Append{.payload = command.SerializeAsString(),
                .done = {.log_id = log->id, .replicas = log->wanted}};
}

// ---- Apply ------------------------------------------------------------------------------

void Catalog::SetReplicas(CatalogLog& log, std::vector<NodeId> replicas) {
  for (const NodeId node : log.replicas) --replica_count_[node];
  log.replicas = std::move(replicas);
  for (const NodeId node : log.replicas) ++replica_count_[node];
}

absl::StatusOr<CatalogChange> Catalog::ApplyPlaced(Seq seq, const cairn::v1::LogPlaced& placed) {
  const auto found = logs_.find(GroupId(placed.log_id()));
  if (found == logs_.end()) {
    return Contradiction(seq, fmt::format("it places log {}, which is not there", placed.log_id()));
  }
  CatalogLog& log = found->second;
  std::vector<NodeId> wanted = ToNodes(placed.wanted_node_ids());
  std::vector<NodeId> replicas = ToNodes(placed.replica_node_ids());
  std::string wrong = CheckPlacement(log, wanted);
  if (wrong.empty() && replicas != Union(log.replicas, wanted)) {
    wrong = "its replicas are not those present and wanted";
  }
  if (!wrong.empty()) return Contradiction(seq, wrong);
  SetReplicas(log, std::move(replicas));
  log.wanted = std::move(wanted);
  log.placement = seq;
  return ChangeOf(CatalogChange::Kind::kPlaced, log);
}

absl::StatusOr<CatalogChange> Catalog::ApplySettled(Seq seq, const cairn::v1::LogSettled& settled) {
  const auto found = logs_.find(GroupId(settled.log_id()));
  if (found == logs_.end() || !found->second.moving() ||
      found->second.placement != Seq(settled.placement())) {
    return Contradiction(seq, fmt::format("it ends placement {} of log {}, which is not under way",
                                          settled.placement(), settled.log_id()));
  }
  CatalogLog& log = found->second;
  log.left = Union(log.left, Without(log.replicas, log.wanted));
  SetReplicas(log, std::move(log.wanted));
  log.wanted.clear();
  return ChangeOf(CatalogChange::Kind::kSettled, log);
}

}  // namespace cairn::server
