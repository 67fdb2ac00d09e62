// AccessChecks: what a principal and a quota must look like, taken for themselves; how they fit the
// rest of the policy is AccessPolicy's to say.
//
// In the flow: the services ask before a change is posted, the policy again when it is judged and
//   when it is applied.
// Pure; any thread. Bounds: the figures of auth.proto.
#pragma once

#include <string>

#include "cairn/v1/auth.pb.h"

namespace cairn::server {

// "" or what is wrong: names, patterns, rights, bounds.
std::string CheckPrincipal(const cairn::v1::Principal& principal);
std::string CheckTenantQuota(const cairn::v1::TenantQuota& quota);

}  // namespace cairn::server
