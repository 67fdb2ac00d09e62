// `cairn auth principal …`: who the cluster knows.
#include "base/status_macros.h"
#include "cli/auth_policy.h"
#include "cli/auth_views.h"
#include "cli/commands.h"

namespace cairn::cli {
namespace {

void AddPrincipalName(CLI::App& app, std::string& target) {
  app.add_option("PRINCIPAL", target, "Name: 1 … 255 of A-Z a-z 0-9 . _ / @ -")
      ->required()
      ->type_name("");
}

Runner DeclareAdd(CLI::App& app) {
  auto principal = std::make_shared<Principal>();
  AddPrincipalName(app, principal->name);
  app.add_option("--tenant", principal->tenant,
                 "Whose quotas its calls count against; default: its own name");
  app.add_option("--certificate-name", principal->certificate_names,
                 "A name in client certificates that stands for it; may be given again");
  return [principal](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    ASSIGN_OR_RETURN(const Policy policy, access.GetPolicy());
    if (FindPrincipal(policy, principal->name) != nullptr) {
      return absl::FailedPreconditionError(
          fmt::format("there is a principal {} already; change its rights with `cairn auth grant`, "
                      "or remove it "
                      "first",
                      principal->name));
    }
    ASSIGN_OR_RETURN(const uint64_t version, access.PutPrincipal(*principal, policy.version));
    session.out().Show(
        PolicyChangedView{version},
        fmt::format("added principal {}; give it rights with `cairn auth grant {} PATTERN RIGHTS`",
                    principal->name, principal->name));
    return ExitCode::kOk;
  };
}

Runner DeclareRemove(CLI::App& app) {
  auto name = std::make_shared<std::string>();
  AddPrincipalName(app, *name);
  return [name](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    ASSIGN_OR_RETURN(const uint64_t version, access.DeletePrincipal(*name));
    session.out().Show(PolicyChangedView{version},
                       fmt::format("removed principal {} and its tokens", *name));
    return ExitCode::kOk;
  };
}

Runner DeclareList(CLI::App&) {
  return [](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    ASSIGN_OR_RETURN(const Policy policy, access.GetPolicy());
    session.out().Show(PrincipalListView::From(policy));
    return ExitCode::kOk;
  };
}

Runner DeclareShow(CLI::App& app) {
  auto name = std::make_shared<std::string>();
  AddPrincipalName(app, *name);
  return [name](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    ASSIGN_OR_RETURN(const Policy policy, access.GetPolicy());
    const Principal* const principal = FindPrincipal(policy, *name);
    if (principal == nullptr) return NoPrincipal(*name);
    session.out().Show(PrincipalView::From(*principal, policy.tokens));
    return ExitCode::kOk;
  };
}

constexpr CommandSpec kCommands[] = {
    {"add", "add a principal",
     "Adds somebody, or some program, that calls. It has no right until one is granted, and is "
     "recognised by its tokens and certificate names.",
     "cairn auth principal add orders-app --tenant shop\n"
     "cairn auth principal add cache-agent --certificate-name agent.cache.example",
     DeclareAdd},
    {"rm", "remove a principal and its tokens",
     "What it has open ends soon. The last one that may change the policy cannot be removed while "
     "the policy is on.",
     "cairn auth principal rm orders-app", DeclareRemove},
    {"ls", "list principals", "Lists principals with their rights, in name order.",
     "cairn auth principal ls -o json", DeclareList},
    {"show", "show a principal, its rights and its tokens",
     "Shows all that the policy holds of a principal; never a token's secret.",
     "cairn auth principal show orders-app", DeclareShow},
};

}  // namespace

std::span<const CommandSpec> AuthPrincipalCommands() { return kCommands; }

}  // namespace cairn::cli
