// `cairn auth quota …`: how much tenants may append in a second.
#include "base/status_macros.h"
#include "cli/auth_policy.h"
#include "cli/auth_views.h"
#include "cli/commands.h"

namespace cairn::cli {
namespace {

void AddTenantName(CLI::App& app, std::string& target) {
  app.add_option("TENANT", target,
                 "Name: 1 … 255 of A-Z a-z 0-9 . _ / @ -; a principal without a tenant is its own")
      ->required()
      ->type_name("");
}

Runner DeclareSet(CLI::App& app) {
  auto quota = std::make_shared<TenantQuota>();
  AddTenantName(app, quota->tenant);
  AddByteCount(app, "--append-bytes-per-second", quota->append_bytes_per_second,
               "Bytes of append requests, at least 1KiB; 0: no limit");
  AddNumber(app, "--appends-per-second", quota->appends_per_second,
            "Append requests, whatever their size; 0: no limit");
  return [quota](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    ASSIGN_OR_RETURN(const uint64_t version, access.PutTenantQuota(*quota));
    session.out().Show(
        PolicyChangedView{version},
        fmt::format("tenant {} may append {} on each node", quota->tenant, FormatQuota(*quota)));
    return ExitCode::kOk;
  };
}

Runner DeclareRemove(CLI::App& app) {
  auto tenant = std::make_shared<std::string>();
  AddTenantName(app, *tenant);
  return [tenant](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    ASSIGN_OR_RETURN(const uint64_t version, access.DeleteTenantQuota(*tenant));
    session.out().Show(PolicyChangedView{version},
                       fmt::format("tenant {} has no quota any more", *tenant));
    return ExitCode::kOk;
  };
}

Runner DeclareList(CLI::App&) {
  return [](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    ASSIGN_OR_RETURN(const Policy policy, access.GetPolicy());
    session.out().Show(QuotaListView::From(policy));
    return ExitCode::kOk;
  };
}

constexpr CommandSpec kCommands[] = {
    {"set", "give a tenant a quota",
     "Says how much all principals of a tenant together may append in a second, on each node for "
     "the logs that it leads. Replaces the quota that the tenant has: a limit that is not given is "
     "none. What comes faster is slowed down, and refused with the time to come again if it would "
     "have to wait long. Holds while the policy is on.",
     "cairn auth quota set shop --append-bytes-per-second 10MB --appends-per-second 2000",
     DeclareSet},
    {"rm", "take a tenant's quota away", "Nothing limits the tenant from here on.",
     "cairn auth quota rm shop", DeclareRemove},
    {"ls", "list tenants with a quota, or with principals",
     "Lists the quotas of tenants, in name order, and the tenants of principals that have none. A "
     "limit of 0 is none.",
     "cairn auth quota ls -o json", DeclareList},
};

}  // namespace

std::span<const CommandSpec> AuthQuotaCommands() { return kCommands; }

}  // namespace cairn::cli
