// ClusterStatusView: every node's own view of itself, put side by side.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cairn/admin.h"
#include "cli/session.h"
#include "cli/view.h"

namespace cairn::cli {

struct NodeRowView {
  std::string node;
  NodeId node_id;
  std::string address;
  std::string state;  // "unreachable" when the node did not answer; "expected": it has not joined.
  std::string version;
  DurationMs uptime_ms;
  ByteCount disk_free_bytes;
  uint64_t leads = 0;  // Logs, the catalog not counted.
  std::string detail;
  template <class F>
  void Fields(F&& field) const {
    field("node", node);
    field("node_id", node_id);
    field("address", address);
    field("state", state);
    field("version", version);
    field("uptime_ms", uptime_ms);
    field("disk_free_bytes", disk_free_bytes);
    field("leads", leads);
    field("detail", detail);
  }
};

struct GroupRowView {
  std::string log;
  LogId log_id;
  std::string node;
  std::string role;
  Term term;
  Index commit_index;
  Index applied_index;
  std::optional<uint64_t> lag_entries;  // Leaders only.
  Seq first_seq;
  Seq last_seq;
  Hash chain;
  template <class F>
  void Fields(F&& field) const {
    field("log", log);
    field("log_id", log_id);
    field("node", node);
    field("role", role);
    field("term", term);
    field("commit_index", commit_index);
    field("applied_index", applied_index);
    field("lag_entries", lag_entries);
    field("first_seq", first_seq);
    field("last_seq", last_seq);
    field("chain", chain);
  }
};

struct ClusterStatusView {
  std::string cluster_id;
  uint64_t unreachable = 0;  // Nodes that did not answer.
  std::vector<NodeRowView> nodes;
  std::vector<GroupRowView> groups;  // By log, then node.
  template <class F>
  void Fields(F&& field) const {
    field("cluster_id", cluster_id);
    field("unreachable", unreachable);
    field("nodes", nodes);
    field("groups", groups);
  }
};

// Members by the catalog; while no catalog answers, the endpoints that were given, so that a
// cluster without a quorum or one that is forming can still be looked at.
std::vector<MemberInfo> MembersOrEndpoints(Session& session, Admin& admin);

// Whether a member by the catalog was added and has not been started yet.
bool IsExpected(const MemberInfo& member);

// Asks all members, in turn. Errors: only when no node answers at all.
absl::StatusOr<ClusterStatusView> CollectClusterStatus(Session& session,
                                                       const std::string& log_prefix);

// The member that `text` names by name, id or address. Errors: kNotFound, listing the names.
absl::StatusOr<MemberInfo> FindMember(Admin& admin, const std::string& text);

}  // namespace cairn::cli
