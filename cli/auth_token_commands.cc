// `cairn auth token …`: what principals show.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/status_macros.h"
#include "cli/auth_policy.h"
#include "cli/auth_views.h"
#include "cli/commands.h"

namespace cairn::cli {
namespace {

constexpr mode_t kSecretMode = 0600;

// Made before the token is: a secret that cannot be kept must not come into being.
// Errors: kInvalidArgument, also when there is such a file.
absl::StatusOr<int> MakeSecretFile(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kSecretMode);
  if (fd >= 0) return fd;
  return absl::InvalidArgumentError(fmt::format(
      "cannot make the file {}: {}; name one that does not exist", path, std::strerror(errno)));
}

absl::Status WriteSecret(int fd, const std::string& path, const std::string& token) {
  const std::string line = token + "\n";
  const bool written = write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (close(fd) == 0 && written) return absl::OkStatus();
  return absl::InternalError(
      fmt::format("the token could not be written to {}: revoke it and make another", path));
}

absl::StatusOr<NewToken> Create(Access& access, const std::string& principal, uint64_t ttl_ms,
                                const std::string& file) {
  const absl::Duration ttl = absl::Milliseconds(static_cast<int64_t>(ttl_ms));
  if (file.empty()) return access.CreateToken(principal, ttl);
  ASSIGN_OR_RETURN(const int fd, MakeSecretFile(file));
  absl::StatusOr<NewToken> token = access.CreateToken(principal, ttl);
  if (!token.ok()) {
    close(fd);
    unlink(file.c_str());
    return token;
  }
  RETURN_IF_ERROR(WriteSecret(fd, file, token->text));
  return token;
}

Runner DeclareCreate(CLI::App& app) {
  struct Options {
    std::string principal;
    uint64_t ttl_ms = 0;
    std::string out;
  };
  auto options = std::make_shared<Options>();
  app.add_option("PRINCIPAL", options->principal, "Whom the token stands for")
      ->required()
      ->type_name("");
  AddDuration(app, "--expires-in", options->ttl_ms, "Time until it expires; default: never");
  app.add_option("--out", options->out, "Write the token to this new file (mode 0600)")
      ->type_name("FILE");
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    ASSIGN_OR_RETURN(const NewToken token,
                     Create(access, options->principal, options->ttl_ms, options->out));
    const NewTokenView view{TokenView::From(token.info), token.text, options->out};
    session.out().Show(view, options->out.empty() ? token.text
                                                  : fmt::format("wrote token {} to {}",
                                                                token.info.id, options->out));
    return ExitCode::kOk;
  };
}

Runner DeclareList(CLI::App& app) {
  auto principal = std::make_shared<std::string>();
  app.add_option("PRINCIPAL", *principal, "List only this one's tokens")->type_name("");
  return [principal](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    ASSIGN_OR_RETURN(const Policy policy, access.GetPolicy());
    if (!principal->empty() && FindPrincipal(policy, *principal) == nullptr) {
      return NoPrincipal(*principal);
    }
    TokenListView view;
    for (const TokenInfo& token : policy.tokens) {
      if (!principal->empty() && token.principal != *principal) continue;
      view.tokens.push_back(TokenView::From(token));
    }
    session.out().Show(view);
    return ExitCode::kOk;
  };
}

Runner DeclareRevoke(CLI::App& app) {
  auto id = std::make_shared<std::string>();
  app.add_option("ID", *id, "The token's id, as `cairn auth token ls` shows it")
      ->required()
      ->type_name("");
  return [id](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Access access, AccessOf(session));
    ASSIGN_OR_RETURN(const uint64_t version, access.RevokeToken(*id));
    session.out().Show(PolicyChangedView{version}, fmt::format("revoked token {}", *id));
    return ExitCode::kOk;
  };
}

constexpr CommandSpec kCommands[] = {
    {"create", "make a token",
     "Makes a token and prints it, or writes it to a file of mode 0600. It is told only this once: "
     "the cluster keeps its SHA-256.",
     "cairn auth token create orders-app --expires-in 90d --out orders.token", DeclareCreate},
    {"ls", "list tokens",
     "Lists tokens without their secrets. EXPIRES is '-' for those that never do.",
     "cairn auth token ls orders-app", DeclareList},
    {"revoke", "end a token",
     "No call is let in by it any more, and the streams that were opened with it end.",
     "cairn auth token revoke 0123456789abcdef", DeclareRevoke},
};

}  // namespace

std::span<const CommandSpec> AuthTokenCommands() { return kCommands; }

}  // namespace cairn::cli
