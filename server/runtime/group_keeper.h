// GroupKeeper: the groups of this node: which ones exist, on which worker, and how a name
// leads to one.
//
// The catalog alone decides (design section 8): a group is created when group 0 applies what
// places its log here, and removed when it applies the deletion, or that the log has moved. What
// the store holds for a log id is opened when the replayed catalog says that the log exists;
// absence from an older catalog is no deletion, and peers' messages never create a group.
//
// A catalog that is being replayed tells of placements that are long over: nothing is made or left
// by it before a leader has told where the catalog stands (CatalogChange::kConfirmed). Two nodes
// that made the replicas of such a placement anew would elect a leader between them.
//
// Opening what is stored reads the disk, so the worker that applies the catalog only notes
// it, and Work() does it on the node's own thread. A log that is new here is opened at once,
// so that who created it can use it.
//
// Threads: OnCatalogChange on group 0's worker; Open and Work on the node's own; the rest
//   from any. One leaf mutex.
// Lifetime: everything given to the constructor outlives it; the workers are stopped first.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "server/catalog.h"
#include "server/group.h"
#include "server/runtime/access_state.h"
#include "server/runtime/config.h"
#include "server/runtime/worker.h"
#include "storage/log_store.h"

namespace cairn::server {

// An immutable copy of the catalog, replaced whenever group 0 applies a change.
struct CatalogView {
  Catalog catalog;
};

// Whether every replica that node `self` ought to have is there and trusted, as of `views`.
// `catalog` was read after them: a log that the catalog's replica has applied by then is in it,
// also when its group is not open yet. That one, made anew behind a disk that lost it, must
// still find the disk in doubt.
[[nodiscard]] bool AllAreWhole(const std::vector<GroupView>& views, const Catalog& catalog,
                               NodeId self);

class GroupKeeper {
 public:
  // Less is there sooner entry by entry.
  static constexpr uint64_t kRunBytes = 1 << 20;

  // `wake` makes the node's own thread call Work soon. `run_bytes`: GroupConfig::run_bytes, if the
  // configuration wants runs at all.
  GroupKeeper(const NodeConfig* config, NodeId self, const storage::LogStore* store,
              std::vector<Worker*> workers, std::function<void()> wake,
              uint64_t run_bytes = kRunBytes);
  GroupKeeper(const GroupKeeper&) = delete;
  GroupKeeper& operator=(const GroupKeeper&) = delete;

  // Finds what is stored and opens group 0, whose voters are `members` if it is new.
  // Before the workers start. Errors: the store's.
  absl::Status Open(const std::vector<NodeId>& members);

  [[nodiscard]] Worker& WorkerOf(GroupId group) const {
    return *workers_[group.value() % workers_.size()];
  }
  void OnCatalogChange(const CatalogChange& change);
  [[nodiscard]] std::shared_ptr<const CatalogView> view() const;
  // The policy of the catalog. Its mode is looked for when it is unknown: group 0 is asked whether
  // a leader has told it where the catalog stands.
  [[nodiscard]] const AccessState& access() const;

  // Whether everything that the store holds was opened (or removed). Node's own thread.
  [[nodiscard]] bool all_opened() const { return stored_.empty(); }

  // Opens, updates and removes what was noted. Returns alarms, already worded.
  std::vector<std::string> Work();

  // The group that a call on `log` speaks of. `log_id` 0 skips the check of the id.
  // Rejections: NOT_READY (the catalog was not replayed, or not confirmed, or has not come to
  //   `log_id`), LOG_NOT_FOUND (as far as this replica of the catalog goes: another may know
  //   more), LOG_RECREATED,
  //   NOT_LEADER (no replica here; `actual` is the node id of one, as in a group's).
  [[nodiscard]] std::variant<GroupId, Rejection> Resolve(std::string_view log,
                                                         uint64_t log_id) const;

 private:
  struct OpenTask {
    CatalogLog log;
  };
  struct UpdateTask {
    GroupId group;
    cairn::v1::LogSettings settings;
  };
  struct RemoveTask {
    GroupId group;
  };
  // The log has moved elsewhere.
  struct LeaveTask {
    GroupId group;
    uint64_t placement;
    NodeId successor;
  };
  // It comes back, behind a LeaveTask.
  struct ComeBackTask {
    GroupStart start;
  };
  using Task = std::variant<OpenTask, UpdateTask, RemoveTask, LeaveTask, ComeBackTask>;

  // Group 0 as its worker last published it; nullopt before it did.
  [[nodiscard]] std::optional<GroupView> CatalogGroup() const;
  [[nodiscard]] bool IsCatalogConfirmed() const;
  [[nodiscard]] Rejection NotFound(std::string_view log, uint64_t log_id) const;
  void OnHeld(GroupId id);
  void OnConfirmed();
  // Makes, opens or leaves the replica of `log`, as the catalog has it now.
  void Follow(const CatalogLog& log);
  void OnUpdated(const CatalogChange& change);
  void OnDeleted(GroupId id);
  void Publish();
  void Note(Task task);
  // Work's part for one task. Returns an alarm, or "".
  std::string Do(OpenTask& task);
  std::string Do(UpdateTask& task);
  std::string Do(RemoveTask& task);
  std::string Do(LeaveTask& task);
  std::string Do(ComeBackTask& task);
  // Fills in what the store holds of the group. "" or an alarm.
  std::string Load(GroupStart& start);
  [[nodiscard]] GroupStart NewStart(const CatalogLog& log) const;
  [[nodiscard]] GroupConfig MakeConfig() const;

  const NodeConfig* const config_;
  const NodeId self_;
  const storage::LogStore* const store_;
  const std::vector<Worker*> workers_;
  const std::function<void()> wake_;
  const uint64_t run_bytes_;

  // ---- Group 0's worker ------------------------------------------------------------------
  Catalog catalog_;
  Seq published_seq_;
  std::set<GroupId> open_;        // Created on a worker, or noted to be.
  std::set<GroupId> stored_ids_;  // Keys of stored_, as found at the start.
  std::set<GroupId> left_;        // Since the start.
  // Voters that each log began with: what a replica that is made anew goes by before its first
  // entry, wherever the log is by then.
  std::map<GroupId, std::vector<NodeId>> founders_;
  bool confirmed_ = false;

  // ---- The node's own thread -----------------------------------------------------------------
  std::map<GroupId, storage::StoredGroup> stored_;  // Not opened yet.
  std::set<GroupId> unreadable_;                    // Stored, and could not be opened.

  mutable AccessState access_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<const CatalogView> view_ ABSL_GUARDED_BY(mutex_);
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::server
