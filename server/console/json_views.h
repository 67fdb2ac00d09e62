// What the console's API says, as JSON (docs/console.md lists the fields).
//
// Conventions: ids of nodes and chains are strings, since JavaScript's numbers end at 2^53; seqs
// and times are numbers. Payloads are base64. Bytes that are no UTF-8 become U+FFFD.
//
// Pure functions; any thread.
#pragma once

#include <grpcpp/support/status.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "server/console/alerts.h"
#include "server/console/cluster_view.h"
#include "server/console/node_client.h"

namespace cairn::console {

using Json = nlohmann::json;

// The text of `json`, whatever bytes its strings hold.
std::string ToText(const Json& json);

// {"error": {"reason", "message", …}}; `status` is no OK.
Json ErrorJson(const grpc::Status& status);
// The HTTP status that goes with it.
int HttpStatusOf(const grpc::Status& status);

Json ToJson(const Alert& alert);
Json ToJson(const NodeView& node);
Json ToJson(const LogView& log);
Json ToJson(const v1::LeaseState& lease);
Json ToJson(const v1::DescribeLogResponse& log);
// At most `payload_bytes` of each payload; its whole length is told.
Json ToJson(const RecordPage& page, uint64_t payload_bytes);

}  // namespace cairn::console
