#include "server/access_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "server/access_policy.h"
#include "server/catalog.h"

namespace cairn::server {
namespace {

constexpr size_t kMaxNameBytes = 255;
constexpr int kMaxCertificateNames = 16;
constexpr int kMaxGrants = 64;

bool IsNameByte(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("._/@-").find(c) != std::string_view::npos;
}

// "" or what is wrong with the name of a principal or a tenant.
std::string CheckName(std::string_view what, std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    return fmt::format("a {} has {} bytes, expected 1 to {}", what, name.size(), kMaxNameBytes);
  }
  const bool legal = std::all_of(name.begin(), name.end(), IsNameByte);
  return legal ? "" : fmt::format("a {} has a byte that is none of A-Z a-z 0-9 . _ / @ -", what);
}

std::string CheckPattern(std::string_view pattern) {
  if (pattern == kEveryLog) return "";
  const bool is_prefix = pattern.ends_with('*');
  const std::string wrong =
      CheckLogName(is_prefix ? pattern.substr(0, pattern.size() - 1) : pattern);
  if (wrong.empty()) return "";
  return fmt::format(
      "a grant's pattern is neither a log's name nor the beginning of one and \"*\": {}", wrong);
}

std::string CheckGrant(const cairn::v1::Grant& grant) {
  if (std::string wrong = CheckPattern(grant.pattern()); !wrong.empty()) return wrong;
  if (grant.rights().empty()) {
    return fmt::format("the grant on {} has no right, expected any of append, read, lease, admin",
                       grant.pattern());
  }
  RightSet seen = 0;
  for (const int right : grant.rights()) {
    if (right < cairn::v1::RIGHT_APPEND || right > cairn::v1::RIGHT_ADMIN) {
      return fmt::format("the grant on {} has the unknown right {}", grant.pattern(), right);
    }
    const RightSet bit = SetOf(static_cast<cairn::v1::Right>(right));
    if ((seen & bit) != 0) return fmt::format("the grant on {} has a right twice", grant.pattern());
    seen |= bit;
  }
  return "";
}

std::string CheckGrants(const cairn::v1::Principal& principal) {
  if (principal.grants_size() > kMaxGrants) {
    return fmt::format("principal {} has {} grants, at most {} are allowed", principal.name(),
                       principal.grants_size(), kMaxGrants);
  }
  std::set<std::string_view> patterns;
  for (const cairn::v1::Grant& grant : principal.grants()) {
    if (std::string wrong = CheckGrant(grant); !wrong.empty()) return wrong;
    if (!patterns.insert(grant.pattern()).second) {
      return fmt::format("principal {} has two grants on {}", principal.name(), grant.pattern());
    }
  }
  return "";
}

std::string CheckCertificateNames(const cairn::v1::Principal& principal) {
  if (principal.certificate_names_size() > kMaxCertificateNames) {
    return fmt::format("principal {} has {} certificate names, at most {} are allowed",
                       principal.name(), principal.certificate_names_size(), kMaxCertificateNames);
  }
  std::set<std::string_view> names;
  for (const std::string& name : principal.certificate_names()) {
    if (name.empty() || name.size() > kMaxNameBytes) {
      return fmt::format("a certificate name has {} bytes, expected 1 to {}", name.size(),
                         kMaxNameBytes);
    }
    if (!names.insert(name).second) {
      return fmt::format("principal {} has the certificate name {} twice", principal.name(), name);
    }
  }
  return "";
}

}  // namespace

std::string CheckPrincipal(const cairn::v1::Principal& principal) {
  std::string wrong = CheckName("principal's name", principal.name());
  if (!wrong.empty()) return wrong;
  if (principal.name() == kRootName) {
    return fmt::format("the name {} is the root token's, choose another", kRootName);
  }
  if (!principal.tenant().empty()) wrong = CheckName("tenant's name", principal.tenant());
  if (wrong.empty()) wrong = CheckCertificateNames(principal);
  if (wrong.empty()) wrong = CheckGrants(principal);
  return wrong;
}

std::string CheckTenantQuota(const cairn::v1::TenantQuota& quota) {
  if (std::string wrong = CheckName("tenant's name", quota.tenant()); !wrong.empty()) return wrong;
  const uint64_t bytes = quota.append_bytes_per_second();
  if (bytes != 0 && bytes < kMinQuotaBytes) {
    return fmt::format("append_bytes_per_second is {}, allowed are 0 and {} or more", bytes,
                       kMinQuotaBytes);
  }
  if (bytes != 0 || quota.appends_per_second() != 0) return "";
  return fmt::format(
      "the quota of tenant {} limits nothing: give append_bytes_per_second or appends_per_second, "
      "or delete the quota",
      quota.tenant());
}

}  // namespace cairn::server
