#include "cli/cluster_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/status_macros.h"

namespace cairn::cli {
namespace {

// A dead node must not make the whole table wait for --timeout.
constexpr absl::Duration kPerNodeTimeout = absl::Seconds(2);

void AddGroups(const NodeStatus& status, const std::string& log_prefix, ClusterStatusView& view) {
  for (const GroupStatus& group : status.groups) {
    const std::string log = group.log_id == kCatalogGroup ? "(catalog)" : group.log;
    if (!log_prefix.empty() && log.rfind(log_prefix, 0) != 0) continue;
    std::optional<uint64_t> lag_entries;
    if (group.role == "leader") lag_entries = group.lag_entries;
    view.groups.push_back({log,
                           group.log_id,
                           status.node_name,
                           group.role,
                           group.term,
                           group.commit_index,
                           group.applied_index,
                           lag_entries,
                           group.first_seq,
                           group.last_seq,
                           {group.chain}});
  }
}

NodeRowView NodeRow(const NodeStatus& status, const std::string& address) {
  const auto leads =
      std::count_if(status.groups.begin(), status.groups.end(), [](const GroupStatus& group) {
        return group.role == "leader" && group.log_id != kCatalogGroup;
      });
  return {status.node_name,
          status.node_id,
          address,
          status.state,
          status.version,
          {status.uptime_ms},
          {status.disk_free_bytes},
          static_cast<uint64_t>(leads),
          status.detail};
}

}  // namespace

std::vector<MemberInfo> MembersOrEndpoints(Session& session, Admin& admin) {
  const auto members = admin.GetMembers({.timeout = kPerNodeTimeout});
  if (members.ok() && !members->members.empty()) return members->members;
  std::vector<MemberInfo> guessed;
  if (const auto options = session.MakeClientOptions(); options.ok()) {
    for (const std::string& endpoint : options->endpoints) {
      guessed.push_back({.node_id = {}, .name = "", .address = endpoint, .zone = ""});
    }
  }
  return guessed;
}

bool IsExpected(const MemberInfo& member) {
  return member.node_id != NodeId() && member.incarnation == 0;
}

absl::StatusOr<ClusterStatusView> CollectClusterStatus(Session& session,
                                                       const std::string& log_prefix) {
  ASSIGN_OR_RETURN(Admin admin, session.admin());
  ClusterStatusView view;
  absl::Status first_error;
  for (const MemberInfo& member : MembersOrEndpoints(session, admin)) {
    if (IsExpected(member)) {
      view.nodes.push_back({member.name,
                            member.node_id,
                            member.address,
                            "expected",
                            "",
                            {},
                            {},
                            0,
                            "added, and not started yet"});
      continue;
    }
    const auto status = admin.Status(member.address, true, {.timeout = kPerNodeTimeout});
    if (!status.ok()) {
      first_error.Update(status.status());
      ++view.unreachable;
      view.nodes.push_back({member.name,
                            member.node_id,
                            member.address,
                            "unreachable",
                            "",
                            {},
                            {},
                            0,
                            std::string(status.status().message())});
      continue;
    }
    if (view.cluster_id.empty()) view.cluster_id = status->cluster_id;
    view.nodes.push_back(NodeRow(*status, member.address));
    AddGroups(*status, log_prefix, view);
  }
  if (view.unreachable == view.nodes.size()) return first_error;
  std::sort(view.groups.begin(), view.groups.end(), [](const auto& a, const auto& b) {
    return std::tie(a.log, a.log_id, a.node) < std::tie(b.log, b.log_id, b.node);
  });
  return view;
}

absl::StatusOr<MemberInfo> FindMember(Admin& admin, const std::string& text) {
  ASSIGN_OR_RETURN(const Members members, admin.GetMembers());
  std::string names;
  for (const MemberInfo& member : members.members) {
    if (member.name == text || member.address == text || ToString(member.node_id) == text) {
      return member;
    }
    names += (names.empty() ? "" : ", ") + member.name;
  }
  return absl::NotFoundError(
      fmt::format("no member has the name, id or address '{}'; the members are {}", text, names));
}

}  // namespace cairn::cli
