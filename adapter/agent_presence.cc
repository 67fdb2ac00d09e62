#include "adapter/agent_presence.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/error.h"

namespace cairn::adapter {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(2);
// Of the log in which they are present.
constexpr char kAgentsSuffix[] = ".agents";

std::string LeaseName(const std::string& address, const std::string& sentinel) {
  return sentinel.empty() ? address : address + " " + sentinel;
}

PresentAgent ReadLease(const LeaseInfo& lease) {
  const size_t blank = lease.name.find(' ');
  PresentAgent agent{.address = lease.name.substr(0, blank), .holder = lease.holder};
  if (blank != std::string::npos) agent.sentinel = lease.name.substr(blank + 1);
  return agent;
}

absl::StatusOr<std::vector<PresentAgent>> ReadPresent(Log log) {
  DescribeOptions describe;
  describe.call.timeout = kCallTimeout;
  ASSIGN_OR_RETURN(const LogDescription described, log.Describe(describe));
  std::vector<PresentAgent> agents;
  for (const LeaseInfo& lease : described.leases) {
    // Who lives renews it every third of the TTL: the dead must not be made heirs.
    const bool alive = lease.epoch && lease.remaining_ms * 2 >= lease.ttl_ms;
    if (alive) agents.push_back(ReadLease(lease));
  }
  std::sort(agents.begin(), agents.end(),
            [](const PresentAgent& a, const PresentAgent& b) { return a.address < b.address; });
  return agents;
}

}  // namespace

AgentPresence::AgentPresence(asio::any_io_executor executor, Background* background, Client* client,
                             Options options, Tell tell)
    : background_(background),
      client_(client),
      options_(std::move(options)),
      tell_(std::move(tell)),
      rounds_(std::move(executor), options_.interval, [this] { return LookOnce(); }) {}

// One look, and the lease if it is not held. Blocks. The log is made at the first one only: it is a
// call of the catalog, which stands in the audit log.
absl::StatusOr<AgentPresence::Round> AgentPresence::Look(Client* client, const Options& options,
                                                         Round round) {
  if (!round.log) {
    OpenLogOptions open;
    open.call.timeout = kCallTimeout;
    open.create_if_missing = true;
    ASSIGN_OR_RETURN(round.log, client->OpenLog(options.log_name + kAgentsSuffix, open));
  }
  const Log& log = *round.log;
  if (round.keeper == nullptr || !round.keeper->IsSafe()) {
    LeaseOptions lease;
    lease.lease_name = LeaseName(options.address, options.sentinel);
    lease.holder = options.holder;
    lease.ttl = options.ttl;
    lease.call.timeout = kCallTimeout;
    auto acquired = LeaseKeeper::Acquire(log, std::move(lease));
    // Held by an earlier life of this agent, until it runs out; or by another one.
    if (!acquired.ok() && GetReason(acquired.status()) != Reason::kLeaseHeld) {
      return acquired.status();
    }
    round.keeper = acquired.ok() ? *std::move(acquired) : nullptr;
  }
  ASSIGN_OR_RETURN(round.agents, ReadPresent(log));
  return round;
}

absl::StatusOr<std::vector<PresentAgent>> AgentPresence::List(Client* client,
                                                              const std::string& log_name) {
  OpenLogOptions open;
  open.call.timeout = kCallTimeout;
  absl::StatusOr<Log> log = client->OpenLog(log_name + kAgentsSuffix, open);
  if (GetReason(log.status()) == Reason::kLogNotFound) return std::vector<PresentAgent>();
  if (!log.ok()) return log.status();
  return ReadPresent(*log);
}

asio::awaitable<void> AgentPresence::LookOnce() {
  auto look = [client = client_, options = options_, last = last_] {
    return Look(client, options, last);
  };
  absl::StatusOr<Round> round = co_await background_->Run(std::move(look));
  denial_.Note("the presence of agents is not known", round.status());
  if (!round.ok()) {
    spdlog::debug("the presence of agents is not known: {}", ToStd(round.status().message()));
    const Reason reason = GetReason(round.status());
    if (reason == Reason::kLogNotFound || reason == Reason::kLogRecreated) last_.log.reset();
    co_return;
  }
  const bool told = round->agents == last_.agents;
  last_ = *std::move(round);
  if (!told) tell_(last_.agents);
}

asio::awaitable<void> AgentPresence::Stop() {
  co_await rounds_.Stop();
  if (last_.keeper == nullptr) co_return;
  auto release = [keeper = std::move(last_.keeper)] {
    return keeper->Release({.timeout = absl::Seconds(1)});
  };
  // One that cannot be released runs out.
  (void)co_await background_->Run(std::move(release));
}

}  // namespace cairn::adapter
