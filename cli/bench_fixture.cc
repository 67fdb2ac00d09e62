#include "cli/bench_fixture.h"

#include <fmt/format.h>

#include "base/random.h"
#include "base/status_macros.h"

namespace cairn::cli {

absl::StatusOr<BenchFixture> BenchFixture::Open(Session& session, const BenchOptions& options) {
  BenchFixture fixture;
  fixture.name_ = options.log;
  ASSIGN_OR_RETURN(const ClientOptions client_options, session.MakeClientOptions());
  for (uint64_t i = 0; i < options.ConnectionCount(); ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<Client> client, Client::Connect(client_options));
    ASSIGN_OR_RETURN(Log log, client->OpenLog(options.log, {.create_if_missing = true}));
    fixture.clients_.push_back(std::move(client));
    fixture.logs_.push_back(std::move(log));
  }
  return fixture;
}

absl::StatusOr<Log> BenchFixture::OpenNumbered(size_t client, uint64_t number) const {
  return clients_[client % clients_.size()]->OpenLog(fmt::format("{}-{}", name_, number),
                                                     {.create_if_missing = true});
}

std::string MakePayload(uint64_t size_bytes) {
  Random random(size_bytes + 1);
  std::string payload(size_bytes, '\0');
  for (char& c : payload) c = static_cast<char>(random.Next());
  return payload;
}

}  // namespace cairn::cli
