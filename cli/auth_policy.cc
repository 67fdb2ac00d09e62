#include "cli/auth_policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/status_macros.h"
#include "cairn/error.h"

namespace cairn::cli {
namespace {

constexpr int kTries = 10;

}  // namespace

absl::StatusOr<Access> AccessOf(Session& session) {
  ASSIGN_OR_RETURN(Client* const client, session.client());
  return Access(*client);
}

const Principal* FindPrincipal(const Policy& policy, const std::string& name) {
  const auto found =
      std::find_if(policy.principals.begin(), policy.principals.end(),
                   [&](const Principal& principal) { return principal.name == name; });
  return found == policy.principals.end() ? nullptr : &*found;
}

absl::Status NoPrincipal(const std::string& name) {
  return absl::NotFoundError(
      fmt::format("there is no principal {}; `cairn auth principal ls` lists them", name));
}

absl::StatusOr<uint64_t> ChangePrincipal(Access access, const std::string& name,
                                         const std::function<absl::Status(Principal&)>& change) {
  absl::StatusOr<uint64_t> version;
  for (int tries = 0; tries < kTries; ++tries) {
    ASSIGN_OR_RETURN(const Policy policy, access.GetPolicy());
    const Principal* const found = FindPrincipal(policy, name);
    if (found == nullptr) return NoPrincipal(name);
    Principal changed = *found;
    RETURN_IF_ERROR(change(changed));
    version = access.PutPrincipal(changed, policy.version);
    if (GetReason(version.status()) != Reason::kConditionFailed) break;
  }
  return version;
}

}  // namespace cairn::cli
