#include "cairn/client.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "cairn/admin.h"
#include "cairn/log.h"
#include "client/src/await.h"
#include "client/src/core.h"
#include "client/src/grpc_stub.h"
#include "client/src/thread_executor.h"
#include "client/src/token_file.h"
#include "fmt/format.h"

namespace cairn {
namespace {

constexpr char kDefaultEndpoint[] = "127.0.0.1:7400";

std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

absl::Status CheckEndpoint(const std::string& endpoint) {
  const size_t colon = endpoint.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == endpoint.size()) {
    return absl::InvalidArgumentError(fmt::format("endpoint {:?}: want host:port", endpoint));
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const ClientOptions& options) {
  if (options.endpoints.empty()) return absl::InvalidArgumentError("no endpoints");
  for (const std::string& endpoint : options.endpoints) RETURN_IF_ERROR(CheckEndpoint(endpoint));
  if (options.connections_per_endpoint < 1 || options.connections_per_endpoint > 64) {
    return absl::InvalidArgumentError(fmt::format("connections_per_endpoint is {}, want 1 to 64",
                                                  options.connections_per_endpoint));
  }
  if (options.default_timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("default_timeout must be positive");
  }
  const TlsOptions& tls = options.tls;
  if (tls.certificate_file.empty() != tls.key_file.empty()) {
    return absl::InvalidArgumentError("a client certificate needs its key, and the other way");
  }
  if (!tls.enabled && !(tls.ca_file.empty() && tls.key_file.empty() && tls.server_name.empty())) {
    return absl::InvalidArgumentError("TLS settings without TLS");
  }
  return absl::OkStatus();
}

absl::Status LoadToken(ClientOptions& options) {
  if (options.bearer_token_file.empty()) return absl::OkStatus();
  options.bearer_token = client::ReadToken(options.bearer_token_file);
  if (options.bearer_token.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("cannot read a token from {}", options.bearer_token_file));
  }
  return absl::OkStatus();
}

uint64_t RandomSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

}  // namespace

std::vector<std::string> SplitEndpoints(std::string_view text) {
  std::vector<std::string> endpoints;
  while (!text.empty()) {
    std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    part.remove_prefix(std::min(part.size(), part.find_first_not_of(' ')));
    part = part.substr(0, part.find_last_not_of(' ') + 1);
    if (!part.empty()) endpoints.emplace_back(part);
  }
  return endpoints;
}

ClientOptions Client::OptionsFromEnvironment() {
  ClientOptions options;
  options.endpoints = SplitEndpoints(FromEnvironment("CAIRN_ENDPOINTS"));
  if (options.endpoints.empty()) options.endpoints.emplace_back(kDefaultEndpoint);
  TlsOptions& tls = options.tls;
  tls.ca_file = FromEnvironment("CAIRN_CA_FILE");
  tls.certificate_file = FromEnvironment("CAIRN_CERTIFICATE_FILE");
  tls.key_file = FromEnvironment("CAIRN_KEY_FILE");
  tls.server_name = FromEnvironment("CAIRN_SERVER_NAME");
  tls.enabled = !(tls.ca_file.empty() && tls.certificate_file.empty() && tls.key_file.empty() &&
                  tls.server_name.empty());
  options.bearer_token_file = FromEnvironment("CAIRN_TOKEN_FILE");
  return options;
}

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(ClientOptions options) {
  RETURN_IF_ERROR(CheckOptions(options));
  RETURN_IF_ERROR(LoadToken(options));
  const Clock& clock = options.clock != nullptr ? *options.clock : SystemClock();
  auto executor = std::make_unique<client::ThreadExecutor>(clock);
  ASSIGN_OR_RETURN(auto stub, client::GrpcStub::Create(options, *executor));
  return std::make_unique<Client>(std::make_unique<client::Core>(
      std::move(options), std::move(stub), std::move(executor), clock, RandomSeed()));
}

Client::Client(std::unique_ptr<client::Core> core) : core_(std::move(core)) {
  CHECK(core_ != nullptr);
}

Client::~Client() = default;

void Client::OpenLogAsync(std::string_view name, const OpenLogOptions& options,
                          OpenLogCallback done) {
  client::Core* const core = core_.get();
  const auto open = [core, name = std::string(name), done](LogId log_id) {
    done(Log(core, name, log_id));
  };
  if (!options.create_if_missing) {
    return admin().DescribeLogAsync(name, options.call,
                                    [open, done](const absl::StatusOr<LogDescription>& found) {
                                      if (!found.ok()) return done(found.status());
                                      open(found->log_id);
                                    });
  }
  admin().CreateLogAsync(
      name, {.call = options.call, .settings = options.settings, .if_not_exists = true},
      [core, open, done, log = std::string(name),
       call = options.call](const absl::StatusOr<CreatedLog>& made) {
        if (made.ok()) return open(made->log_id);
        // A log of that name is what was asked for, whatever its settings are.
        const std::optional<ErrorInfo> refusal = GetErrorInfo(made.status());
        if (refusal && refusal->reason == Reason::kLogExists) return open(refusal->log_id);
        if (!refusal || refusal->reason != Reason::kPermissionDenied) return done(made.status());
        // Whoever may not make logs may use one that is there.
        Admin(core).DescribeLogAsync(
            log, call,
            [open, done, denied = made.status()](const absl::StatusOr<LogDescription>& found) {
              if (!found.ok()) return done(denied);
              open(found->log_id);
            });
      });
}

absl::StatusOr<Log> Client::OpenLog(std::string_view name, const OpenLogOptions& options) {
  return client::Await<Log>(
      [&](OpenLogCallback done) { OpenLogAsync(name, options, std::move(done)); });
}

Log Client::LogWithId(std::string_view name, LogId log_id) {
  return Log(core_.get(), std::string(name), log_id);
}

Admin Client::admin() { return Admin(core_.get()); }

const ClientOptions& Client::options() const { return core_->options(); }

}  // namespace cairn
