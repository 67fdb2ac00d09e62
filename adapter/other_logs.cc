#include "adapter/other_logs.h"

#include <utility>

#include "adapter/holder_names.h"
#include "cairn/log.h"

namespace cairn::adapter {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(1);

absl::StatusOr<LogDescription> DescribeByName(Client* client, const std::string& name) {
  OpenLogOptions open;
  open.call.timeout = kCallTimeout;
  absl::StatusOr<Log> log = client->OpenLog(name, open);
  if (!log.ok()) return log.status();
  DescribeOptions describe;
  describe.call.timeout = kCallTimeout;
  return log->Describe(describe);
}

void TakeLease(const LogDescription& log, const std::string& lease_name, OtherLog* known) {
  for (const LeaseInfo& lease : log.leases) {
    if (lease.name != lease_name) continue;
    known->holder = lease.holder;
    known->primary = std::string(HolderNames::AddressOf(lease.holder));
    known->epoch = lease.epoch;
  }
}

}  // namespace

OtherLogs::OtherLogs(asio::any_io_executor executor, Background* background, Client* client,
                     Options options, Tell tell)
    : background_(background),
      client_(client),
      options_(std::move(options)),
      tell_(std::move(tell)),
      rounds_(std::move(executor), options_.interval, [this] { return LookOnce(); }) {
  for (const std::string& name : options_.names) logs_.push_back({.name = name});
}

void OtherLogs::Start() {
  tell_(logs_);
  rounds_.Start();
}

std::vector<OtherLog> OtherLogs::Look(Client* client, const Options& options,
                                      std::vector<OtherLog> known) {
  for (OtherLog& other : known) {
    const auto log = DescribeByName(client, other.name);
    if (log.ok()) TakeLease(*log, options.lease_name, &other);
    auto agents = AgentPresence::List(client, other.name);
    if (agents.ok()) other.agents = *std::move(agents);
  }
  return known;
}

asio::awaitable<void> OtherLogs::LookOnce() {
  auto look = [client = client_, options = options_, known = logs_] {
    return Look(client, options, known);
  };
  std::vector<OtherLog> seen = co_await background_->Run(std::move(look));
  if (rounds_.stopping() || seen == logs_) co_return;
  logs_ = std::move(seen);
  tell_(logs_);
}

}  // namespace cairn::adapter
