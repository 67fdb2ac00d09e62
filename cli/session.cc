#include "cli/session.h"

#include <fmt/format.h>

#include <fstream>

#include "base/status_macros.h"

namespace cairn::cli {
namespace {

absl::StatusOr<std::string> ReadToken(const std::string& path) {
  std::ifstream file(path);
  std::string token;
  if (!std::getline(file, token) || token.empty()) {
    return absl::InvalidArgumentError(fmt::format(
        "the token file {} cannot be read or is empty; give one line with the token", path));
  }
  return token;
}

void Override(std::string& target, const std::string& flag) {
  if (!flag.empty()) target = flag;
}

}  // namespace

absl::StatusOr<ClientOptions> Session::MakeClientOptions() const {
  ClientOptions options = Client::OptionsFromEnvironment();
  if (!global_.endpoints.empty()) options.endpoints = SplitEndpoints(global_.endpoints);
  if (global_.timeout_ms) {
    options.default_timeout = absl::Milliseconds(static_cast<int64_t>(*global_.timeout_ms));
  }
  Override(options.tls.ca_file, global_.ca_file);
  Override(options.tls.certificate_file, global_.certificate_file);
  Override(options.tls.key_file, global_.key_file);
  Override(options.tls.server_name, global_.server_name);
  options.tls.enabled = options.tls.enabled || !options.tls.ca_file.empty() ||
                        !options.tls.certificate_file.empty() || !options.tls.key_file.empty() ||
                        !options.tls.server_name.empty();
  if (!global_.token_file.empty()) {
    ASSIGN_OR_RETURN(options.bearer_token, ReadToken(global_.token_file));
  }
  return options;
}

absl::Duration Session::BulkTimeout() const {
  return global_.timeout_ms ? absl::Milliseconds(static_cast<int64_t>(*global_.timeout_ms))
                            : absl::Hours(1);
}

absl::StatusOr<Client*> Session::client() {
  if (!client_) {
    ASSIGN_OR_RETURN(ClientOptions options, MakeClientOptions());
    ASSIGN_OR_RETURN(client_, Client::Connect(std::move(options)));
  }
  return client_.get();
}

absl::StatusOr<Admin> Session::admin() {
  ASSIGN_OR_RETURN(Client* const connected, client());
  return connected->admin();
}

absl::StatusOr<Log> Session::OpenLog(std::string_view name) {
  ASSIGN_OR_RETURN(Client* const connected, client());
  return connected->OpenLog(name);
}

absl::StatusOr<std::unique_ptr<Client>> Session::ConnectTo(const std::string& endpoint) const {
  ASSIGN_OR_RETURN(ClientOptions options, MakeClientOptions());
  options.endpoints = {endpoint};
  return Client::Connect(std::move(options));
}

}  // namespace cairn::cli
