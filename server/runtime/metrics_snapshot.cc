#include "server/runtime/metrics_snapshot.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

namespace cairn::server {
namespace {

using LagByPeer = std::map<NodeId, Metrics::Lag>;

// Of the groups that this node leads.
void AddLed(const GroupView& view, LagByPeer& lags, Metrics::Snapshot& now) {
  ++now.groups_leader;
  now.leases_held += view.leases_held;
  if (view.archived && view.last_seq > view.archived_seq) {
    now.archive_lag_records =
        std::max<uint64_t>(now.archive_lag_records, view.last_seq - view.archived_seq);
  }
  now.commit_lag_entries = std::max<uint64_t>(now.commit_lag_entries, view.last - view.commit);
  if (std::abs(view.clock_deviation_us) > std::abs(now.clock_deviation_us)) {
    now.clock_deviation_us = view.clock_deviation_us;
  }
  for (const PeerLag& of_group : view.lags) {
    const auto lag = lags.find(of_group.peer);
    if (lag == lags.end()) continue;
    lag->second.entries = std::max(lag->second.entries, of_group.entries);
    lag->second.bytes = std::max(lag->second.bytes, of_group.bytes);
    lag->second.us = std::max(lag->second.us, of_group.us);
  }
}

void AddGroup(const GroupView& view, LagByPeer& lags, Metrics::Snapshot& now) {
  if (view.suspect) ++now.groups_suspect;
  if (view.standing != consensus::Standing::kSound) ++now.groups_doubtful;
  now.refills += view.refills;
  now.tail_lag_records = std::max(now.tail_lag_records, view.tail_lag_records);
  if (view.halted) {
    ++now.groups_halted;
    return;
  }
  if (view.leader == NodeId()) ++now.groups_leaderless;
  if (view.hibernating) ++now.groups_hibernating;
  switch (view.role) {
    case consensus::Role::kLeader:
      return AddLed(view, lags, now);
    case consensus::Role::kFollower:
      ++now.groups_follower;
      return;
    default:
      ++now.groups_candidate;
  }
}

std::vector<Metrics::Log> BusiestLogs(const std::vector<GroupView>& views, size_t most) {
  std::vector<Metrics::Log> logs;
  if (most == 0) return logs;
  for (const GroupView& view : views) {
    if (view.group == kCatalogGroup || view.halted) continue;
    logs.push_back({.name = view.name,
                    .last_seq = view.last_seq.value(),
                    .lag_entries = view.lag_entries,
                    .leads = view.role == consensus::Role::kLeader});
  }
  const auto shown = static_cast<ptrdiff_t>(std::min(most, logs.size()));
  std::partial_sort(logs.begin(), logs.begin() + shown, logs.end(),
                    [](const Metrics::Log& a, const Metrics::Log& b) {
                      return std::pair(b.last_seq, a.name) < std::pair(a.last_seq, b.name);
                    });
  logs.erase(logs.begin() + shown, logs.end());
  return logs;
}

}  // namespace

void AddGroupsTo(const std::vector<GroupView>& views, const cairn::v1::FormRequest& formed,
                 NodeId self, size_t most_logs, Metrics::Snapshot& now) {
  LagByPeer lags;
  for (const cairn::v1::FormMember& member : formed.members()) {
    if (NodeId(member.node_id()) != self) lags[NodeId(member.node_id())].peer = member.name();
  }
  for (const GroupView& view : views) AddGroup(view, lags, now);
  for (auto& [id, lag] : lags) now.lags.push_back(std::move(lag));
  now.logs = BusiestLogs(views, most_logs);
}

void AddStoreTo(const storage::StoreStats& stats, Metrics::Snapshot& now) {
  now.disk_used_bytes = stats.disk_bytes;
  now.store_turns = stats.turns;
  now.store_syncs = stats.syncs;
  now.store_payload_bytes = stats.bytes_written;
  now.store_wal_bytes = stats.wal_bytes;
  now.store_cache_bytes = stats.cache_bytes;
}

}  // namespace cairn::server
