// ClusterView: what the members of a cluster said of themselves at one moment, put together by log.
//
// Pure values and functions. The console's survey fills it in; pages and alerts are read from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/v1/cluster.pb.h"
#include "cairn/v1/log.pb.h"

namespace cairn::console {

struct NodeView {
  v1::Member member;
  // False: it did not answer in time; `why_not` is the transport's reason, and `said` is empty.
  bool answered = false;
  std::string why_not;
  v1::StatusResponse said;
};

struct ReplicaView {
  uint64_t node_id = 0;
  // As GroupStatus has it; empty: the node did not answer, or has not opened the log.
  std::string role;
  std::string standing;
  bool suspect = false;
  uint64_t last_index = 0;
  // Entries that the leader has committed and this replica lacks; the answers are some
  // milliseconds apart.
  uint64_t lag_entries = 0;
};

struct LogView {
  uint64_t log_id = 0;  // 0: the catalog.
  std::string name;
  uint64_t leader_node_id = 0;  // 0: nobody says that it leads.
  uint64_t term = 0;
  uint64_t first_seq = 0;
  uint64_t last_seq = 0;
  // A majority of the replicas is there and serves.
  bool quorum = false;
  std::vector<ReplicaView> replicas;  // By node id.
};

struct ClusterView {
  uint64_t self_node_id = 0;
  std::string cluster_id;
  std::vector<NodeView> nodes;  // By name.
  std::vector<LogView> logs;    // The catalog, then by name.
  // There are more logs than a survey looks at.
  bool logs_cut = false;
  // How long the answers took.
  int64_t took_us = 0;
};

// The name under which the catalog stands among the logs; no log can be called so.
inline constexpr char kCatalogName[] = "(catalog)";

// `listed`: what the catalog says of logs and their replicas.
std::vector<LogView> BuildLogs(const std::vector<NodeView>& nodes,
                               const std::vector<v1::LogSummary>& listed);

}  // namespace cairn::console
