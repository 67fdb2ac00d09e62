// `cairn auth …`: whether the policy is on, who I am, and rights on logs.
#include <algorithm>

#include "base/status_macros.h"
#include "cli/auth_policy.h"
#include "cli/auth_views.h"
#include "cli/commands.h"

namespace cairn::cli {
namespace {

Runner DeclareStatus(CLI::App&) {
  return [](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    ASSIGN_OR_RETURN(const Policy policy, access.GetPolicy());
    session.out().Show(PolicyView{.enabled = policy.enabled,
                                  .version = policy.version,
                                  .principals = policy.principals.size(),
                                  .tokens = policy.tokens.size(),
                                  .tenant_quotas = policy.tenant_quotas.size()});
    return ExitCode::kOk;
  };
}

Runner DeclareWhoAmI(CLI::App&) {
  return [](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    ASSIGN_OR_RETURN(const Identity identity, access.WhoAmI());
    session.out().Show(IdentityView::From(identity));
    return identity.enabled && identity.principal.empty() ? ExitCode::kDenied : ExitCode::kOk;
  };
}

Runner DeclareEnable(CLI::App&) {
  return [](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    ASSIGN_OR_RETURN(const uint64_t version, access.Enable());
    session.out().Show(PolicyChangedView{version},
                       "the policy is on: what no grant allows is refused");
    return ExitCode::kOk;
  };
}

Runner DeclareDisable(CLI::App&) {
  return [](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    ASSIGN_OR_RETURN(const uint64_t version, access.Disable());
    session.out().Show(
        PolicyChangedView{version},
        "the policy is off: everybody may do everything; principals and tokens stay");
    return ExitCode::kOk;
  };
}

struct RightOptions {
  std::string principal;
  std::string pattern;
  std::string rights;
};

void AddRightOptions(CLI::App& app, RightOptions& options) {
  app.add_option("PRINCIPAL", options.principal, "Name of the principal")
      ->required()
      ->type_name("");
  app.add_option("PATTERN", options.pattern,
                 "A log's name, the beginning of names and '*' (quote it), or '*' for all logs")
      ->required()
      ->type_name("");
}

Grant& GrantOn(Principal& principal, const std::string& pattern) {
  for (Grant& grant : principal.grants) {
    if (grant.pattern == pattern) return grant;
  }
  return principal.grants.emplace_back(Grant{pattern, {}});
}

Runner DeclareGrant(CLI::App& app) {
  auto options = std::make_shared<RightOptions>();
  AddRightOptions(app, *options);
  AddChecked(app, "RIGHTS", options->rights, ParseRights,
             "Some of append, read, lease, admin with commas between, or all")
      ->required()
      ->type_name("");
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(const std::vector<Right> rights, ParseRights(options->rights));
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    const auto add = [&](Principal& principal) {
      Grant& grant = GrantOn(principal, options->pattern);
      for (const Right right : rights) {
        const bool has =
            std::find(grant.rights.begin(), grant.rights.end(), right) != grant.rights.end();
        if (!has) grant.rights.push_back(right);
      }
      return absl::OkStatus();
    };
    ASSIGN_OR_RETURN(const uint64_t version, ChangePrincipal(access, options->principal, add));
    session.out().Show(
        PolicyChangedView{version},
        fmt::format("{} has {} on {}", options->principal, FormatRights(rights), options->pattern));
    return ExitCode::kOk;
  };
}

Runner DeclareRevoke(CLI::App& app) {
  auto options = std::make_shared<RightOptions>();
  options->rights = "all";
  AddRightOptions(app, *options);
  AddChecked(app, "RIGHTS", options->rights, ParseRights,
             "Some of append, read, lease, admin with commas between; default: all")
      ->type_name("");
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(const std::vector<Right> rights, ParseRights(options->rights));
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    const auto remove = [&](Principal& principal) {
      const auto has_pattern = [&](const Grant& g) { return g.pattern == options->pattern; };
      if (std::none_of(principal.grants.begin(), principal.grants.end(), has_pattern)) {
        return absl::Status(absl::StatusCode::kNotFound,
                            fmt::format("{} has no grant on exactly {}; `cairn auth principal show "
                                        "{}` lists its grants",
                                        options->principal, options->pattern, options->principal));
      }
      Grant& grant = GrantOn(principal, options->pattern);
      std::erase_if(grant.rights, [&](Right right) {
        return std::find(rights.begin(), rights.end(), right) != rights.end();
      });
      std::erase_if(principal.grants, [](const Grant& g) { return g.rights.empty(); });
      return absl::OkStatus();
    };
    ASSIGN_OR_RETURN(const uint64_t version, ChangePrincipal(access, options->principal, remove));
    session.out().Show(PolicyChangedView{version},
                       fmt::format("{} has lost {} on {}", options->principal, FormatRights(rights),
                                   options->pattern));
    return ExitCode::kOk;
  };
}

constexpr CommandSpec kCommands[] = {
    {"status", "show whether the policy is on",
     "Shows whether the policy is on, its version, and how many principals, "
     "tokens and quotas of tenants it has.",
     "cairn auth status -o json", DeclareStatus},
    {"whoami", "show who this client is to the cluster",
     "Shows the principal that the token or the certificate stands for, and its rights. Exit code "
     "8: the policy is on, and they stand for nobody.",
     "cairn auth whoami --token-file orders.token", DeclareWhoAmI},
    {"enable", "turn the policy on",
     "From here on, what no grant allows is refused. Needs a principal with the right admin on "
     "'*' that has a token or a certificate name, so that nobody is locked out.",
     "cairn auth principal add ops\ncairn auth grant ops '*' admin\n"
     "cairn auth token create ops --out ops.token\ncairn auth enable",
     DeclareEnable},
    {"disable", "turn the policy off",
     "From here on everybody may do everything. Principals and tokens stay.",
     "cairn auth disable --token-file ops.token", DeclareDisable},
    {"grant", "give a principal rights on logs",
     "Adds rights to those that the principal has on the pattern. admin on '*' is the right to "
     "change the policy itself; no right includes another.",
     "cairn auth grant orders-app 'orders/*' append,read\ncairn auth grant ops '*' all",
     DeclareGrant},
    {"revoke", "take rights on logs away",
     "Takes rights away from the grant on exactly that pattern. Open tails of the principal end "
     "when they are not allowed any more.",
     "cairn auth revoke orders-app 'orders/*' append", DeclareRevoke},
};

}  // namespace

std::span<const CommandSpec> AuthCommands() { return kCommands; }

}  // namespace cairn::cli
