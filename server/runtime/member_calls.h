// MemberCalls: what a node's own thread asks of other nodes.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "cairn/v1/peer.pb.h"

namespace cairn::server {

// Calls may block for about a second.
class MemberCalls {
 public:
  virtual ~MemberCalls() = default;
  // A placement that the log's leader has carried out, to a member that passes it on to the
  // catalog's leader. Errors: not done, or unknown; asking again is harmless.
  virtual absl::Status Settle(const std::string& address,
                              const cairn::v1::SettleRequest& request) = 0;
};

}  // namespace cairn::server
