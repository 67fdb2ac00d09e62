// What a Metrics::Snapshot takes from the pictures that the groups and the store give of
// themselves.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <vector>

#include "cairn/v1/peer.pb.h"
#include "server/group.h"
#include "server/runtime/metrics.h"
#include "storage/log_store.h"

namespace cairn::server {

// `formed` names the members, `self` is this node. `most_logs`: how many get metrics of their own.
void AddGroupsTo(const std::vector<GroupView>& views, const cairn::v1::FormRequest& formed,
                 NodeId self, size_t most_logs, Metrics::Snapshot& now);

void AddStoreTo(const storage::StoreStats& stats, Metrics::Snapshot& now);

}  // namespace cairn::server
