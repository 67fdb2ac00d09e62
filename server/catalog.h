// Catalog: the state machine of group 0. Members, logs with their settings and replica
// sets, where a new log's replicas go, and who may do what (access_policy.h).
//
// Group 0 is a log like any other; its records are CatalogCommands, and a log's id is the
// seq of the record that created it, so ids are never reused; in a cluster that was recovered, a
// base is added, so that the old cluster's are not either. The leader judges a command
// against the applied catalog and appends it on the condition that nothing was appended
// since (compare-and-append on its own log), so the catalog needs no speculation.
// The catalog's log is never trimmed: a node rebuilds the catalog by reading it from seq 1.
//
// Members are added by name, become members of the cluster when the node of that name joins with
// its data directory, and are removed once nothing is on them; a node id is never given again. A
// log's replicas are changed in two records: LogPlaced says what is wanted, LogSettled that the
// log's own group has come to it (server/placement.h, runtime/steward.h; decision 026).
//
// Deterministic. Threads: group 0's worker; other threads read copies (runtime/node.h).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "base/copy_on_write.h"
#include "server/access_policy.h"
#include "server/group_events.h"

namespace cairn::server {

struct CatalogMember {
  NodeId id;
  std::string name;
  std::string address;
  std::string zone;
  uint64_t incarnation = 0;  // 0: it was added, and has not been started yet.
  cairn::v1::MemberState state = cairn::v1::MEMBER_STATE_ACTIVE;

  // May be given replicas and votes.
  [[nodiscard]] bool serves() const {
    return incarnation != 0 && state == cairn::v1::MEMBER_STATE_ACTIVE;
  }
  bool operator==(const CatalogMember&) const = default;
};

struct CatalogLog {
  GroupId id;
  std::string name;
  cairn::v1::LogSettings settings;
  // Who holds it, sorted: while it is being moved both those that shall and those that did.
  std::vector<NodeId> replicas;
  // While it is being moved: the voters that it shall have, sorted; else empty.
  std::vector<NodeId> wanted;
  Seq placement;  // Of the LogPlaced that `wanted` is of, or was.
  // Members that held it once and gave it away, sorted: what is made anew there has forgotten what
  // it promised.
  std::vector<NodeId> left = {};
  std::optional<cairn::v1::LogBase> base = std::nullopt;  // It was imported, and began there.

  [[nodiscard]] bool moving() const { return !wanted.empty(); }
};

// "" when `name` is a legal log name ([A-Za-z0-9._/-]{1,255}), else what is wrong with it.
std::string CheckLogName(std::string_view name);
// The least that a quota of bytes a second may be, of a log or of a tenant.
inline constexpr uint64_t kMinQuotaBytes = 1024;
// "" or what is wrong (segment_bytes out of range, a guard name too long, …).
std::string CheckSettings(const cairn::v1::LogSettings& settings);
// `base` with every field that is set in `change` replaced.
cairn::v1::LogSettings MergeSettings(const cairn::v1::LogSettings& base,
                                     const cairn::v1::LogSettings& change);

class Catalog {
 public:
  explicit Catalog(uint32_t max_logs = 100'000) : max_logs_(max_logs) {}

  // What to append for a command, or the answer when nothing needs to be. What it says to
  // append applies, if nothing else is appended in between.
  struct Append {
    std::string payload;  // Serialized CatalogCommand, with replicas chosen and so on.
    CatalogDone done;     // Answer once committed; log_id is filled in from the seq if created.
  };
  std::variant<Append, CatalogDone, Rejection> Judge(const CatalogOp& op) const;

  // Applies the committed record at `seq`.
  // Errors: kDataLoss when it contradicts the catalog, which is then unchanged.
  absl::StatusOr<CatalogChange> Apply(Seq seq, std::string_view payload);

  [[nodiscard]] const std::string& cluster_id() const { return cluster_id_; }
  [[nodiscard]] const std::map<NodeId, CatalogMember>& members() const { return members_; }
  // Of members that are no more, by id: their names.
  [[nodiscard]] const std::map<NodeId, std::string>& removed() const { return removed_; }
  [[nodiscard]] const std::map<GroupId, CatalogLog>& logs() const { return logs_; }
  // Null when there is none.
  [[nodiscard]] const CatalogMember* FindMember(std::string_view name) const;
  // Logs of which the node has a replica, or is about to.
  [[nodiscard]] uint64_t ReplicasOn(NodeId node) const;
  // Larger than the id of any member that is known of.
  [[nodiscard]] NodeId NextNodeId() const;
  // Null when there is none.
  [[nodiscard]] const CatalogLog* FindByName(std::string_view name) const;
  [[nodiscard]] const CatalogLog* Find(GroupId id) const;
  // Logs that were deleted: their ids, for telling a deletion from "not yet created".
  [[nodiscard]] bool WasDeleted(GroupId id) const;
  [[nodiscard]] Seq applied_seq() const { return applied_seq_; }
  // The id of a log that the record at `seq` creates.
  [[nodiscard]] GroupId LogIdOf(Seq seq) const { return GroupId(log_id_base_ + seq.value()); }
  // Never null. Not changed any more: a change of the policy puts another in its place.
  [[nodiscard]] std::shared_ptr<const AccessPolicy> policy() const { return policy_.Share(); }

  // Three members that serve (or all, if fewer): different zones first, then those with the fewest
  // replicas, then the lowest id. `kept` are among them in any case. Sorted.
  [[nodiscard]] std::vector<NodeId> PlaceReplicas(std::vector<NodeId> kept = {}) const;

 private:
  using Verdict = std::variant<Append, CatalogDone, Rejection>;

  Verdict JudgeFormed(const cairn::v1::ClusterFormed& formed) const;
  Verdict JudgeCreated(const cairn::v1::LogCreated& created, bool if_not_exists) const;
  Verdict JudgeUpdated(const cairn::v1::LogUpdated& updated) const;
  Verdict JudgeDeleted(const cairn::v1::LogDeleted& deleted) const;
  Verdict JudgeMember(const cairn::v1::Member& changed) const;
  Verdict JudgeAdded(CatalogMember member) const;
  Verdict JudgeJoined(const CatalogMember& member) const;
  Verdict JudgeState(NodeId id, cairn::v1::MemberState state) const;
  Verdict JudgeRemoved(const cairn::v1::MemberRemoved& removed) const;
  Verdict JudgePlaced(const cairn::v1::LogPlaced& placed, NodeId instead_of) const;
  Verdict JudgeSettled(const cairn::v1::LogSettled& settled) const;
  Verdict JudgePolicy(const cairn::v1::PolicyChange& change) const;
  // "" or why `member` may not be put into the table.
  std::string CheckMemberChange(const CatalogMember& member) const;
  // "" or why the log's replicas may not become `wanted`.
  std::string CheckPlacement(const CatalogLog& log, const std::vector<NodeId>& wanted) const;

  absl::StatusOr<CatalogChange> ApplyCommand(Seq seq, const cairn::v1::CatalogCommand& command);
  absl::StatusOr<CatalogChange> ApplyFormed(Seq seq, const cairn::v1::ClusterFormed& formed);
  absl::StatusOr<CatalogChange> ApplyCreated(Seq seq, const cairn::v1::LogCreated& created);
  absl::StatusOr<CatalogChange> ApplyUpdated(Seq seq, const cairn::v1::LogUpdated& updated);
  absl::StatusOr<CatalogChange> ApplyDeleted(Seq seq, const cairn::v1::LogDeleted& deleted);
  absl::StatusOr<CatalogChange> ApplyMember(Seq seq, const cairn::v1::Member& changed);
  absl::StatusOr<CatalogChange> ApplyRemoved(Seq seq, const cairn::v1::MemberRemoved& removed);
  absl::StatusOr<CatalogChange> ApplyPlaced(Seq seq, const cairn::v1::LogPlaced& placed);
  absl::StatusOr<CatalogChange> ApplySettled(Seq seq, const cairn::v1::LogSettled& settled);
  void SetReplicas(CatalogLog& log, std::vector<NodeId> replicas);
  absl::StatusOr<CatalogChange> ApplyPolicy(Seq seq, const cairn::v1::PolicyChange& change);
  static CatalogChange ChangeOf(CatalogChange::Kind kind, const CatalogLog& log);

  uint32_t max_logs_;
  std::string cluster_id_;
  uint64_t log_id_base_ = 0;
  std::map<NodeId, CatalogMember> members_;
  std::map<NodeId, std::string> removed_;
  std::map<GroupId, CatalogLog> logs_;
  std::map<std::string, GroupId, std::less<>> by_name_;
  std::map<NodeId, uint64_t> replica_count_;  // Over logs_.
  std::vector<GroupId> deleted_;              // Ascending; 8 bytes for each deletion ever.
  Seq applied_seq_;
  CopyOnWrite<AccessPolicy> policy_;
};

}  // namespace cairn::server
