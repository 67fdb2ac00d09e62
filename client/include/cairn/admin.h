// Admin: creating and deleting logs, and the cluster as a whole.
//
// Threads: safe from any thread; cheap to copy. Lifetime: the Client must outlive it.
// Blocking: every method blocks up to its timeout, except those named Async, whose callback runs
//   exactly once, on a transport thread or on the client thread, possibly before they return.
// Errors common to all: UNAUTHENTICATED, PERMISSION_DENIED, NOT_READY while the cluster forms, and
//   at the deadline kUnavailable or kDeadlineExceeded.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cairn/client.h"
#include "cairn/types.h"

namespace cairn {

struct CreateLogOptions {
  CallOptions call;
  LogSettings settings;
  // A log of that name with the same settings is a success.
  bool if_not_exists = false;
};

struct CreatedLog {
  LogId log_id;
  bool created = false;  // False: it was there already.
};

class Admin {
 public:
  using CreateCallback = std::function<void(absl::StatusOr<CreatedLog>)>;
  using DescribeCallback = std::function<void(absl::StatusOr<LogDescription>)>;

  explicit Admin(client::Core* core) : core_(core) {}
  [[nodiscard]] client::Core* core() const { return core_; }  // Of the Client.

  // Errors: LOG_EXISTS, INVALID (name or settings), TABLE_FULL. Without if_not_exists a lost
  // connection gives an unknown outcome, which DescribeLog resolves.
  absl::StatusOr<CreatedLog> CreateLog(std::string_view name, const CreateLogOptions& options = {});
  void CreateLogAsync(std::string_view name, const CreateLogOptions& options, CreateCallback done);

  // What the log is and where it stands, by name. Errors: LOG_NOT_FOUND.
  absl::StatusOr<LogDescription> DescribeLog(std::string_view name,
                                             const CallOptions& options = {});
  void DescribeLogAsync(std::string_view name, const CallOptions& options, DescribeCallback done);

  // All logs whose names start with `prefix`, in name order (fetched page by page).
  absl::StatusOr<std::vector<LogSummary>> ListLogs(std::string_view prefix = "",
                                                   const CallOptions& options = {});

  // Changes the settings that are set and returns all of them. `fenced` cannot be changed.
  absl::StatusOr<LogSettings> UpdateLog(std::string_view name, LogId log_id,
                                        const LogSettings& settings,
                                        const CallOptions& options = {});

  // Deletes the log of that name *and* id; its data stays in the servers' trash for a day.
  // LOG_NOT_FOUND: it is gone, perhaps by an earlier try of this call.
  absl::Status DeleteLog(std::string_view name, LogId log_id, const CallOptions& options = {});

  // One node's view of itself; `endpoint` empty: whichever answers first.
  absl::StatusOr<NodeStatus> Status(std::string_view endpoint = "", bool with_groups = false,
                                    const CallOptions& options = {});

  // Members as the catalog has them.
  absl::StatusOr<Members> GetMembers(const CallOptions& options = {});

  // Moves the leadership of `log` to `to` (0: the best follower) and returns how many moved.
  // With an empty `log`, all that the node at `endpoint` leads; then `endpoint` is required.
  // Errors: NOT_CAUGHT_UP: the target is behind or no member.
  absl::StatusOr<uint32_t> TransferLeadership(std::string_view log, NodeId to,
                                              std::string_view endpoint = "",
                                              const CallOptions& options = {});

  // Would stopping that node cost any log its quorum?
  absl::StatusOr<StopAdvice> CanIStop(NodeId node_id, const CallOptions& options = {});

  // Makes room for a node; it becomes a member when it starts with --join. Returns its id. Again
  // for the same: the same id. Errors: INVALID: name or address belong to another member.
  absl::StatusOr<NodeId> AddMember(const NewMember& member, const CallOptions& options = {});
  // Says what a member shall be (not kLearner). Returns when the wish is noted: GetMembers tells
  // how far it is. Errors: INVALID: no such member, or the last one that serves.
  absl::Status ChangeMember(NodeId node_id, MemberState state, const CallOptions& options = {});
  // Moves a log's replica; returns where its replicas will be, when the wish is noted.
  // Errors: LOG_NOT_FOUND; INVALID: `from` has none, `to` has one or takes none, or it is moving.
  absl::StatusOr<std::vector<NodeId>> MoveReplica(std::string_view log, NodeId from, NodeId to,
                                                  const CallOptions& options = {});

 private:
  client::Core* core_;
};

}  // namespace cairn
