// Access: who may do what in the cluster: principals, their rights on logs, and their tokens.
//
//   Access access(*client);
//   RETURN_IF_ERROR(access.PutPrincipal({.name = "orders-app",
//                                        .grants = {{"orders/*", {Right::kAppend,
//                                        Right::kRead}}}}));
//   ASSIGN_OR_RETURN(NewToken token, access.CreateToken("orders-app"));  // Told only this once.
//
// Threads: safe from any thread; cheap to copy. Lifetime: the Client must outlive it.
// Blocking: every method blocks up to its timeout.
// Errors common to all but WhoAmI: UNAUTHENTICATED, PERMISSION_DENIED (all need the right admin on
//   "*" once the policy is on), NOT_READY, and at the deadline kUnavailable or kDeadlineExceeded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cairn/client.h"

namespace cairn {

// Mirrors cairn.v1.Right, value by value; auth.proto says what each allows.
enum class Right : int { kAppend = 1, kRead = 2, kLease = 3, kAdmin = 4 };
// "append", …; "unknown" for values of a newer server.
std::string_view RightName(Right right);

struct Grant {
  std::string pattern;  // A log's name, the beginning of names and "*", or "*".
  std::vector<Right> rights;
};

struct Principal {
  std::string name;
  std::string tenant;  // Empty: the name.
  std::vector<std::string> certificate_names;
  std::vector<Grant> grants;
};

struct TokenInfo {
  std::string id;
  std::string principal;
  int64_t expires_at_us = 0;  // Since 1970; 0: never.
  int64_t created_at_us = 0;
};

struct NewToken {
  std::string text;  // The secret: to be kept where only its bearer can read it.
  TokenInfo info;
};

// How much a tenant may append in a second, while the policy is on; 0: no limit, but not both.
struct TenantQuota {
  std::string tenant;
  uint64_t append_bytes_per_second = 0;  // Of requests; at least 1024.
  uint64_t appends_per_second = 0;
};

struct Policy {
  bool enabled = false;
  uint64_t version = 0;  // 0: never changed.
  std::vector<Principal> principals;
  std::vector<TokenInfo> tokens;
  std::vector<TenantQuota> tenant_quotas;
};

struct Identity {
  bool enabled = false;   // The policy is on.
  std::string principal;  // Empty: nobody known; `refusal` says why.
  std::string tenant;
  std::vector<Grant> grants;  // Root has none and may do everything.
  std::string by;             // "token", "certificate", "root-token" or empty.
  int64_t expires_at_us = 0;
  std::string refusal;
  std::optional<TenantQuota> quota;  // Of the tenant; unset: it has none.
};

class Access {
 public:
  explicit Access(const Client& client) : core_(&client.core()) {}

  // Who this client is to the cluster.
  absl::StatusOr<Identity> WhoAmI(const CallOptions& options = {});
  absl::StatusOr<Policy> GetPolicy(const CallOptions& options = {});

  // Makes a principal or replaces all that it holds, and returns the policy's version.
  // `if_version`: only if that is the policy's version still (CONDITION_FAILED).
  absl::StatusOr<uint64_t> PutPrincipal(const Principal& principal,
                                        std::optional<uint64_t> if_version = {},
                                        const CallOptions& options = {});
  // Removes it and its tokens. Errors: NO_SUCH_PRINCIPAL, LOCK_OUT.
  absl::StatusOr<uint64_t> DeletePrincipal(std::string_view name, const CallOptions& options = {});

  // `ttl` zero: it never expires. An unknown outcome may leave a token that nobody can use.
  absl::StatusOr<NewToken> CreateToken(std::string_view principal,
                                       absl::Duration ttl = absl::ZeroDuration(),
                                       const CallOptions& options = {});
  absl::StatusOr<uint64_t> RevokeToken(std::string_view id, const CallOptions& options = {});

  // Gives a tenant a quota or replaces the one it has; takes it away again (NO_SUCH_PRINCIPAL: it
  // has none). Both return the policy's version.
  absl::StatusOr<uint64_t> PutTenantQuota(const TenantQuota& quota,
                                          const CallOptions& options = {});
  absl::StatusOr<uint64_t> DeleteTenantQuota(std::string_view tenant,
                                             const CallOptions& options = {});

  // Turns the policy on or off. Errors: LOCK_OUT.
  absl::StatusOr<uint64_t> Enable(const CallOptions& options = {});
  absl::StatusOr<uint64_t> Disable(const CallOptions& options = {});

 private:
  client::Core* core_;
};

}  // namespace cairn
