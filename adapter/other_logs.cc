#include "adapter/other_logs.h"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "adapter/holder_names.h"
#include "base/check.h"
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
    : executor_(std::move(executor)),
      background_(background),
      client_(client),
      options_(std::move(options)),
      tell_(std::move(tell)),
      pause_(executor_) {
  for (const std::string& name : options_.names) logs_.push_back({.name = name});
}

OtherLogs::~OtherLogs() { CHECK(!running_); }

void OtherLogs::Start() {
  CHECK(!running_);
  tell_(logs_);
  running_ = true;
  asio::co_spawn(executor_, Run(), asio::detached);
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

asio::awaitable<void> OtherLogs::Run() {
  while (!stopping_) {
    auto look = [client = client_, options = options_, known = logs_] {
      return Look(client, options, known);
    };
    std::vector<OtherLog> seen = co_await background_->Run(std::move(look));
    if (stopping_) break;
    if (seen != logs_) {
      logs_ = std::move(seen);
      tell_(logs_);
    }
    pause_.expires_after(absl::ToChronoMilliseconds(options_.interval));
    std::error_code cancelled;
    co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
  running_ = false;
}

asio::awaitable<void> OtherLogs::Stop() {
  stopping_ = true;
  asio::steady_timer look(executor_);
  while (running_) {
    pause_.cancel();
    look.expires_after(std::chrono::milliseconds(2));
    co_await look.async_wait(asio::use_awaitable);
  }
}

}  // namespace cairn::adapter
