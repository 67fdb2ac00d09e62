// What a node has counted since it started, as StatusResponse tells it (cluster.proto).
//
// Threads: any. Cost: that of a scrape of /metrics.
#pragma once

#include "cairn/v1/cluster.pb.h"
#include "server/runtime/node.h"

namespace cairn::rpc {

void Fill(server::Node& node, v1::NodeCounters& counters);

}  // namespace cairn::rpc
