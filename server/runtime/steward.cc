#include "server/runtime/steward.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/planted_bug.h"
#include "base/strings.h"

namespace cairn::server {
namespace {

constexpr MonoMicros kTimeoutUs = 5 * kMicrosPerSecond;
// Tokens are ids of groups for changes of their members, and this for commands of the catalog.
constexpr uint64_t kCatalogCommand = ~uint64_t{0};

bool Has(const std::vector<NodeId>& sorted, NodeId id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

bool Leads(const GroupView& view) { return view.role == consensus::Role::kLeader && !view.halted; }

}  // namespace

bool Steward::Work(const std::vector<GroupView>& views, const Catalog& catalog) {
  if (views.empty() || views.front().group != kCatalogGroup) return false;
  const GroupView& catalog_group = views.front();
  bool busy = false;
  if (Leads(catalog_group) && catalog_group.confirmed && !catalog.cluster_id().empty()) {
    busy = Drive(catalog_group, WantedOfCatalog(catalog, catalog_group));
    busy = Decide(catalog_group, catalog) || busy;
  }
  for (const GroupView& view : views) {
    if (view.hibernating && PLANTED(kSleeperNotMoved)) continue;
    const CatalogLog* log = catalog.Find(view.group);
    if (log == nullptr || !log->moving() || !Leads(view)) continue;
    busy = true;
    const WantedMembers wanted = WantedOf(*log);
    if (IsSettled(view, wanted)) {
      Settle(*log, catalog_group.leader);
    } else {
      Drive(view, wanted);
    }
  }
  return busy;
}

bool Steward::Drive(const GroupView& view, const WantedMembers& wanted) {
  if (IsSettled(view, wanted)) return false;
  std::optional<ChangeMembersOp> change = NextChange(view, wanted);
  if (!change) return true;
  const bool ends_leadership = !Has(change->voters, self_);
  if (ends_leadership && HandOver(view, wanted)) return true;
  Post(view.group, view.group.value(), *std::move(change));
  return true;
}

bool Steward::HandOver(const GroupView& view, const WantedMembers& wanted) {
  // Once a term: if nobody takes it, the change itself ends the leadership.
  if (std::exchange(offered_[view.group], view.term) == view.term) return false;
  for (const NodeId heir : wanted.voters) {
    if (!Has(view.voters, heir)) continue;
    return Post(view.group, view.group.value(), TransferLeadershipOp{heir});
  }
  return false;
}

void Steward::Settle(const CatalogLog& log, NodeId catalog_leader) {
  if (!catalog_leader) return;
  if (catalog_leader == self_) {
    CatalogOp op;
    op.command.mutable_log_settled()->set_log_id(log.id.value());
    op.command.mutable_log_settled()->set_placement(log.placement.value());
    Post(kCatalogGroup, kCatalogCommand, std::move(op));
    return;
  }
  cairn::v1::SettleRequest request;
  request.set_log_id(log.id.value());
  request.set_placement(log.placement.value());
  const absl::Status told = ports_->Settle(catalog_leader, request);
  if (!told.ok()) {
    spdlog::debug("log {}: node {} was not told that its replicas have moved: {}", log.name,
                  catalog_leader, ToStd(told.message()));
  }
}

bool Steward::Decide(const GroupView& catalog_group, const Catalog& catalog) {
  CatalogOp op;
  if (std::optional<cairn::v1::LogPlaced> placed = NextPlacement(catalog)) {
    *op.command.mutable_log_placed() = *std::move(placed);
  } else if (const std::optional<NodeId> gone = NextRemoval(catalog, catalog_group)) {
    op.command.mutable_member_removed()->set_node_id(gone->value());
  } else {
    return false;
  }
  Post(kCatalogGroup, kCatalogCommand, std::move(op));
  return true;
}

bool Steward::Post(GroupId group, uint64_t token, RequestBody body) {
  {
    absl::MutexLock lock(&mutex_);
    if (!under_way_.insert(token).second) return false;
  }
  ports_->PostUrgent(group, Request{.reply_to = {this, token},
                                    .body = std::move(body),
                                    .deadline = clock_->Mono() + kTimeoutUs});
  return true;
}

void Steward::OnReply(uint64_t token, Reply reply) {
  // Mostly a learner that has yet to catch up; the next look asks again.
  if (const auto* refused = std::get_if<Rejection>(&reply)) {
    spdlog::debug("a step of moving replicas was refused: {}", refused->message);
  }
  absl::MutexLock lock(&mutex_);
  under_way_.erase(token);
}

}  // namespace cairn::server
