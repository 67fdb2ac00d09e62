// What CLUSTER … answers: the cache in the words of Redis Cluster 7.
//
// What it cannot tell as a Redis Cluster would: which keys are in a slot (the engine keeps no index
// of slots), and links between nodes (there are none: agents meet in the log).
//
// Threads: pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "adapter/redis/discovery/cluster_map.h"
#include "adapter/redis/resp_encoder.h"

namespace cairn::adapter::redis {

struct ClusterQuestion {
  std::span<const std::string_view> argv;  // With "CLUSTER"; at least two.
  uint64_t replication_offset = 0;         // Of this node.
};

// One whole reply.
void AnswerCluster(const ClusterMap& map, const ClusterQuestion& question, ReplyWriter* reply);

// CLUSTER NODES: a line for each node.
std::string NodesText(const ClusterMap& map);

}  // namespace cairn::adapter::redis
