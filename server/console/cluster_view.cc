#include "server/console/cluster_view.h"

#include <algorithm>
#include <map>
#include <utility>

namespace cairn::console {
namespace {

struct Said {
  uint64_t node_id = 0;
  const v1::StatusResponse* status = nullptr;
  const v1::GroupStatus* group = nullptr;
};

// What the answering nodes say of each log, by the log's id.
std::multimap<uint64_t, Said> SaidOfLogs(const std::vector<NodeView>& nodes) {
  std::multimap<uint64_t, Said> said;
  for (const NodeView& node : nodes) {
    if (!node.answered) continue;
    for (const v1::GroupStatus& group : node.said.groups()) {
      said.emplace(group.log_id(), Said{node.member.node_id(), &node.said, &group});
    }
  }
  return said;
}

bool Serves(const Said& said) {
  return said.status->state() != "forming" && said.group->role() != "halted" &&
         said.group->standing() == "sound";
}

ReplicaView ReplicaOf(const Said& said) {
  return {.node_id = said.node_id,
          .role = said.group->role(),
          .standing = said.group->standing(),
          .suspect = said.group->suspect(),
          .last_index = said.group->last_index()};
}

void NoteLags(LogView& log, uint64_t committed) {
  for (ReplicaView& replica : log.replicas) {
    if (replica.role.empty() || replica.last_index >= committed) continue;
    replica.lag_entries = committed - replica.last_index;
  }
}

// Adds what one replica says. `committed`: the leader's.
void Join(LogView& log, const Said& said, uint64_t& committed, size_t& serving) {
  const v1::GroupStatus& group = *said.group;
  const auto place =
      std::find_if(log.replicas.begin(), log.replicas.end(),
                   [&](const ReplicaView& replica) { return replica.node_id == said.node_id; });
  if (place == log.replicas.end()) return;  // It is about to be removed there.
  *place = ReplicaOf(said);
  if (Serves(said)) ++serving;
  log.first_seq = std::max(log.first_seq, group.first_seq());
  log.last_seq = std::max(log.last_seq, group.last_seq());
  if (group.role() != "leader" || group.term() < log.term) return;
  log.term = group.term();
  log.leader_node_id = said.node_id;
  committed = group.commit_index();
}

LogView BuildLog(uint64_t log_id, const std::string& name, std::vector<uint64_t> replicas,
                 const std::multimap<uint64_t, Said>& said_of_logs) {
  LogView log{.log_id = log_id, .name = name};
  std::sort(replicas.begin(), replicas.end());
  for (const uint64_t node : replicas) log.replicas.push_back({.node_id = node});
  uint64_t committed = 0;
  size_t serving = 0;
  const auto [first, last] = said_of_logs.equal_range(log_id);
  for (auto at = first; at != last; ++at) Join(log, at->second, committed, serving);
  NoteLags(log, committed);
  log.quorum = !log.replicas.empty() && serving >= log.replicas.size() / 2 + 1;
  return log;
}

}  // namespace

std::vector<LogView> BuildLogs(const std::vector<NodeView>& nodes,
                               const std::vector<v1::LogSummary>& listed) {
  const std::multimap<uint64_t, Said> said = SaidOfLogs(nodes);
  std::vector<LogView> logs;
  logs.reserve(listed.size() + 1);
  std::vector<uint64_t> members;
  for (const NodeView& node : nodes) members.push_back(node.member.node_id());
  logs.push_back(BuildLog(0, kCatalogName, std::move(members), said));
  for (const v1::LogSummary& log : listed) {
    logs.push_back(BuildLog(log.log_id(), log.name(),
                            {log.replica_node_ids().begin(), log.replica_node_ids().end()}, said));
  }
  return logs;
}

}  // namespace cairn::console
