#include "server/runtime/group_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "server/group_load.h"

namespace cairn::server {
namespace {

Rejection Refusal(cairn::v1::Reason reason, std::string_view log, std::string message) {
  Rejection rejection;
  rejection.info.set_reason(reason);
  rejection.info.set_log(std::string(log));
  rejection.message = std::move(message);
  return rejection;
}

}  // namespace

bool AllAreWhole(const std::vector<GroupView>& views, const Catalog& catalog, NodeId self) {
  std::set<GroupId> whole;
  for (const GroupView& view : views) {
    if (view.halted || view.standing != consensus::Standing::kSound) return false;
    // Logs whose creation is held and not applied are not known yet.
    if (view.group == kCatalogGroup && view.applied != view.last) return false;
    whole.insert(view.group);
  }
  if (!whole.contains(kCatalogGroup)) return false;
  return std::all_of(catalog.logs().begin(), catalog.logs().end(), [&](const auto& row) {
    const std::vector<NodeId>& replicas = row.second.replicas;
    return whole.contains(row.first) || !std::binary_search(replicas.begin(), replicas.end(), self);
  });
}

GroupKeeper::GroupKeeper(const NodeConfig* config, NodeId self, const storage::LogStore* store,
                         std::vector<Worker*> workers, std::function<void()> wake,
                         uint64_t run_bytes)
    : config_(config),
      self_(self),
      store_(store),
      workers_(std::move(workers)),
      wake_(std::move(wake)),
      run_bytes_(run_bytes),
      catalog_(config->max_logs),
      view_(std::make_shared<const CatalogView>(CatalogView{catalog_})) {
  CHECK(!workers_.empty());
}

GroupConfig GroupKeeper::MakeConfig() const {
  GroupConfig group;
  group.raft.self = self_;
  group.raft.election_ticks = config_->election_ticks;
  group.raft.heartbeat_ticks = config_->heartbeat_ticks;
  group.raft.lease_reads = config_->lease_reads;
  group.raft.hibernate_ticks = config_->hibernate_ticks();
  group.limits.max_leases = config_->max_leases_per_log;
  group.limits.max_producers = config_->max_producers_per_log;
  group.limits.producer_expiry_ms = config_->producer_expiry_ms;
  group.limits.archive_logs = config_->archive_logs == "all";
  group.tick_us = config_->tick_us();
  group.segment_bytes = config_->segment_bytes;
  group.append_message_bytes = config_->peer_message_bytes;
  if (config_->fill_bytes_per_second == 0) group.fill_message_bytes = 0;
  if (config_->fill_by_runs) group.run_bytes = run_bytes_;
  return group;
}

absl::Status GroupKeeper::Open(const std::vector<NodeId>& members) {
  ASSIGN_OR_RETURN(std::vector<storage::StoredGroup> found, store_->LoadGroups());
  for (storage::StoredGroup& group : found) {
    const GroupId id = group.group;
    if (id != kCatalogGroup) stored_ids_.insert(id);
    stored_.emplace(id, std::move(group));
  }
  GroupStart start;
  start.group = kCatalogGroup;
  start.name = "catalog";
  start.initial_voters = members;
  start.verdict = store_->Verdict();
  if (stored_.contains(kCatalogGroup)) {
    if (const std::string damage = Load(start); !start.stored) {
      return absl::DataLossError(ToAbsl(damage));
    }
  }
  WorkerOf(kCatalogGroup).AddGroup(MakeConfig(), std::move(start), &catalog_);
  return absl::OkStatus();
}

std::string GroupKeeper::Load(GroupStart& start) {
  auto node = stored_.extract(start.group);
  CHECK(!node.empty());
  std::string damage;
  const absl::Status status = LoadGroup(*store_, std::move(node.mapped()), &start, &damage);
  if (!status.ok()) {
    start.stored.reset();
    return fmt::format("log {} ({}) cannot be opened: {}", start.group, start.name,
                       ToStd(status.message()));
  }
  if (damage.empty()) return "";
  return fmt::format("log {} ({}) is damaged and will be refilled by its peers: {}", start.group,
                     start.name, damage);
}

// ---- The catalog, on group 0's worker ------------------------------------------------------

void GroupKeeper::OnCatalogChange(const CatalogChange& change) {
  Publish();
  switch (change.kind) {
    case CatalogChange::Kind::kCreated:
      founders_.emplace(change.log_id, change.replicas);
      OnHeld(change.log_id);
      break;
    case CatalogChange::Kind::kPlaced:
    case CatalogChange::Kind::kSettled:
      OnHeld(change.log_id);
      wake_();  // Whoever leads that log, or the catalog, has a step to take.
      break;
    case CatalogChange::Kind::kUpdated:
      OnUpdated(change);
      break;
    case CatalogChange::Kind::kDeleted:
      OnDeleted(change.log_id);
      break;
    case CatalogChange::Kind::kConfirmed:
      OnConfirmed();
      break;
    case CatalogChange::Kind::kMember:
      wake_();
      break;
    case CatalogChange::Kind::kFormed:
    case CatalogChange::Kind::kPolicy:
      break;
  }
}

GroupStart GroupKeeper::NewStart(const CatalogLog& log) const {
  GroupStart start;
  start.group = log.id;
  start.name = log.name;
  start.settings = log.settings;
  start.base = log.base;
  start.verdict = store_->Verdict();
  start.placement = log.placement.value();
  return start;
}

void GroupKeeper::OnHeld(GroupId id) {
  // The catalog may be ahead of this change: what it no longer has was deleted behind it.
  const CatalogLog* log = catalog_.Find(id);
  if (log == nullptr) return;
  if (confirmed_ || PLANTED(kPlacedUnconfirmed)) {
    Follow(*log);
  } else if (stored_ids_.contains(id) && open_.insert(id).second) {
    // Whoever holds it may be needed to elect a leader, also if it has moved meanwhile.
    Note(OpenTask{*log});
  }
}

void GroupKeeper::OnConfirmed() {
  confirmed_ = true;
  for (const auto& [id, log] : catalog_.logs()) Follow(log);
}

void GroupKeeper::Follow(const CatalogLog& log) {
  const bool only_wanted = log.moving() && PLANTED(kSettledBeforeCommit);
  const std::vector<NodeId>& holders = only_wanted ? log.wanted : log.replicas;
  const bool mine = std::binary_search(holders.begin(), holders.end(), self_);
  if (!mine) {
    if (open_.erase(log.id) == 0) return;
    left_.insert(log.id);
    Note(LeaveTask{log.id, log.placement.value(), log.replicas.front()});
    return;
  }
  if (!open_.insert(log.id).second) return;
  if (!left_.contains(log.id) && stored_ids_.contains(log.id)) return Note(OpenTask{log});
  GroupStart start = NewStart(log);
  start.initial_voters = founders_.at(log.id);
  // What it voted for and acknowledged is gone with the replica that it had.
  const bool forgot = std::binary_search(log.left.begin(), log.left.end(), self_);
  start.damaged = forgot && !PLANTED(kReturnsAsNew);
  if (left_.contains(log.id)) return Note(ComeBackTask{std::move(start)});
  WorkerOf(log.id).AddGroup(MakeConfig(), std::move(start), nullptr);
}

void GroupKeeper::OnUpdated(const CatalogChange& change) {
  if (open_.contains(change.log_id)) Note(UpdateTask{change.log_id, change.settings});
}

void GroupKeeper::OnDeleted(GroupId id) {
  founders_.erase(id);
  const bool stored = stored_ids_.erase(id) != 0;
  const bool open = open_.erase(id) != 0;
  if (stored || open) Note(RemoveTask{id});
}

void GroupKeeper::Publish() {
  // The catalog has all changes of a turn when the first of them is told: one copy is enough.
  if (catalog_.applied_seq() == published_seq_) return;
  published_seq_ = catalog_.applied_seq();
  access_.Publish(catalog_.policy());
  auto view = std::make_shared<const CatalogView>(CatalogView{catalog_});
  absl::MutexLock lock(&mutex_);
  view_.swap(view);
}

std::shared_ptr<const CatalogView> GroupKeeper::view() const {
  absl::MutexLock lock(&mutex_);
  return view_;
}

void GroupKeeper::Note(Task task) {
  {
    absl::MutexLock lock(&mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_();
}

// ---- The node's own thread -------------------------------------------------------------------

std::vector<std::string> GroupKeeper::Work() {
  std::deque<Task> tasks;
  {
    absl::MutexLock lock(&mutex_);
    tasks.swap(tasks_);
  }
  std::vector<std::string> alarms;
  for (Task& task : tasks) {
    std::string alarm = std::visit([this](auto& inner) { return Do(inner); }, task);
    if (!alarm.empty()) alarms.push_back(std::move(alarm));
  }
  return alarms;
}

std::string GroupKeeper::Do(OpenTask& task) {
  GroupStart start = NewStart(task.log);
  std::string alarm = Load(start);
  if (start.stored) {
    WorkerOf(task.log.id).AddGroup(MakeConfig(), std::move(start), nullptr);
  } else {
    // Without a base to start from it must not begin anew: it has voted.
    unreadable_.insert(task.log.id);
  }
  return alarm;
}

std::string GroupKeeper::Do(UpdateTask& task) {
  WorkerOf(task.group).UpdateGroup(task.group, std::move(task.settings));
  return "";
}

std::string GroupKeeper::Do(RemoveTask& task) {
  stored_.erase(task.group);
  unreadable_.erase(task.group);
  WorkerOf(task.group).RemoveGroup(task.group);
  return "";
}

std::string GroupKeeper::Do(LeaveTask& task) {
  WorkerOf(task.group).LeaveGroup(task.group, task.placement, task.successor);
  return "";
}

std::string GroupKeeper::Do(ComeBackTask& task) {
  const GroupId id = task.start.group;
  if (unreadable_.contains(id)) {
    return fmt::format(
        "log {} ({}) was moved to this node, which holds an older replica of it that "
        "cannot be read: move it elsewhere, or replace the node",
        id, task.start.name);
  }
  WorkerOf(id).AddGroup(MakeConfig(), std::move(task.start), nullptr);
  return "";
}

std::optional<GroupView> GroupKeeper::CatalogGroup() const {
  const std::vector<GroupView> views = WorkerOf(kCatalogGroup).Views();
  if (views.empty() || views.front().group != kCatalogGroup) return std::nullopt;
  return views.front();
}

bool GroupKeeper::IsCatalogConfirmed() const {
  const std::optional<GroupView> group = CatalogGroup();
  return group && group->confirmed;
}

const AccessState& GroupKeeper::access() const {
  if (access_.mode() == AccessState::Mode::kUnknown && IsCatalogConfirmed()) access_.Confirm();
  return access_;
}

// A replica that started a moment ago applies the catalog only as far as it knew it to be
// committed. Were all nodes to start at once, all would deny a log whose creation was
// acknowledged; so none does before a leader has told it where the catalog stands. Ids are seqs of
// the catalog: of one that this replica has not come to, only the catalog's leader can say that it
// is nobody's.
Rejection GroupKeeper::NotFound(std::string_view log, uint64_t log_id) const {
  const std::optional<GroupView> group = CatalogGroup();
  if (!group || !group->confirmed) {
    return Refusal(cairn::v1::REASON_NOT_READY, log,
                   fmt::format("this node does not know yet whether there is a log {}", log));
  }
  const Seq applied = view()->catalog.applied_seq();
  if (Seq(log_id) > applied && group->role != consensus::Role::kLeader) {
    return Refusal(cairn::v1::REASON_NOT_READY, log,
                   fmt::format("the call names log {} with id {}, and this node's catalog has come "
                               "to {} so far",
                               log, log_id, applied));
  }
  return Refusal(cairn::v1::REASON_LOG_NOT_FOUND, log, fmt::format("there is no log {}", log));
}

std::variant<GroupId, Rejection> GroupKeeper::Resolve(std::string_view log, uint64_t log_id) const {
  const std::shared_ptr<const CatalogView> now = view();
  if (now->catalog.cluster_id().empty()) {
    return Refusal(cairn::v1::REASON_NOT_READY, log,
                   "this node has not learnt the cluster's catalog yet");
  }
  const CatalogLog* found = now->catalog.FindByName(log);
  // Ids only grow: the call knows of a later log of that name than this replica of the catalog.
  if (found == nullptr || GroupId(log_id) > found->id) return NotFound(log, log_id);
  if (log_id != 0 && found->id != GroupId(log_id)) {
    Rejection rejection =
        Refusal(cairn::v1::REASON_LOG_RECREATED, log,
                fmt::format("log {} has id {} now, the call named {}", log, found->id, log_id));
    rejection.info.set_log_id(found->id.value());
    return rejection;
  }
  if (!std::binary_search(found->replicas.begin(), found->replicas.end(), self_)) {
    Rejection rejection = Refusal(cairn::v1::REASON_NOT_LEADER, log,
                                  fmt::format("log {} has no replica on this node", log));
    rejection.info.set_log_id(found->id.value());
    rejection.info.set_actual(found->replicas.front().value());
    return rejection;
  }
  return found->id;
}

}  // namespace cairn::server
