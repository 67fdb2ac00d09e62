// What the commands of `cairn auth` share: looking a principal up, and changing one.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "cairn/access.h"
#include "cli/session.h"

namespace cairn::cli {

// Errors: kInvalidArgument for bad client options.
absl::StatusOr<Access> AccessOf(Session& session);

// Null when the policy has none of that name.
const Principal* FindPrincipal(const Policy& policy, const std::string& name);
// kNotFound, saying how to find out the names.
absl::Status NoPrincipal(const std::string& name);

// Puts what `change` makes of the principal in its place, over again when somebody else changed the
// policy meanwhile. Returns the policy's version. Errors: kNotFound; those of `change`.
absl::StatusOr<uint64_t> ChangePrincipal(Access access, const std::string& name,
                                         const std::function<absl::Status(Principal&)>& change);

}  // namespace cairn::cli
