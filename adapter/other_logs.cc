#include "adapter/other_logs.h"

#include <algorithm>
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

void OtherLogs::Watch(const std::vector<std::string>& names) {
  if (std::equal(names.begin(), names.end(), logs_.begin(), logs_.end(),
                 [](const std::string& name, const OtherLog& log) { return name == log.name; })) {
    return;
  }
  std::vector<OtherLog> logs;
  for (const std::string& name : names) {
    const auto known = std::find_if(logs_.begin(), logs_.end(),
                                    [&](const OtherLog& log) { return log.name == name; });
    logs.push_back(known == logs_.end() ? OtherLog{.name = name} : *known);
  }
  logs_ = std::move(logs);
  ++generation_;
  tell_(logs_);
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
  const uint64_t generation = generation_;
  std::vector<OtherLog> seen = co_await background_->Run(std::move(look));
  if (rounds_.stopping() || generation != generation_ || seen == logs_) co_return;
  logs_ = std::move(seen);
  tell_(logs_);
}

}  // namespace cairn::adapter
