#include "server/console/agents.h"

#include <algorithm>

namespace cairn::console {
namespace {

constexpr std::string_view kSuffix = ".agents";
constexpr std::string_view kPrimary = "primary";

// Behind the '@' of a holder's name; "" when it is none of an agent.
std::string_view AddressOf(std::string_view holder) {
  const size_t at = holder.find('@');
  return at == std::string_view::npos ? "" : holder.substr(at + 1);
}

const v1::LeaseState* PrimaryLease(const v1::DescribeLogResponse& cache) {
  for (const v1::LeaseState& lease : cache.leases()) {
    if (lease.name() == kPrimary && !lease.holder().empty()) return &lease;
  }
  return nullptr;
}

// "host:port" of clients and, behind a blank, that of an agent's Sentinel.
Json AgentJson(const v1::LeaseState& lease, std::string_view primary_address) {
  const std::string_view name = lease.name();
  const size_t blank = name.find(' ');
  const std::string address(name.substr(0, blank));
  return {{"address", address},
          {"sentinel", blank == std::string_view::npos ? "" : std::string(name.substr(blank + 1))},
          {"holder", lease.holder()},
          {"role", address == primary_address ? "primary" : "replica"},
          {"ttl_ms", lease.ttl_ms()},
          {"remaining_ms", lease.remaining_ms()}};
}

// The newest state that is kept outside of the log, and how many records came since.
Json SnapshotJson(const v1::DescribeLogResponse& cache) {
  const v1::RegisteredSnapshot* newest = nullptr;
  for (const v1::RegisteredSnapshot& snapshot : cache.snapshots()) {
    if (newest == nullptr || snapshot.seq() > newest->seq()) newest = &snapshot;
  }
  if (newest == nullptr) return nullptr;
  return {{"name", newest->name()},
          {"seq", newest->seq()},
          {"timestamp_us", newest->timestamp_us()},
          {"records_since", cache.last_seq() - std::min(cache.last_seq(), newest->seq())}};
}

// Copies of the newest committed entry, and how many entries the last replica lacks.
Json DurabilityJson(const LogView& log) {
  size_t whole = 0;
  uint64_t lag = 0;
  for (const ReplicaView& replica : log.replicas) {
    if (replica.role.empty()) continue;
    if (replica.lag_entries == 0) ++whole;
    lag = std::max(lag, replica.lag_entries);
  }
  return {{"copies", whole},
          {"replicas", log.replicas.size()},
          {"lag_entries", lag},
          {"quorum", log.quorum}};
}

}  // namespace

std::optional<std::string> CacheOf(std::string_view log) {
  if (log.size() <= kSuffix.size() || log.substr(log.size() - kSuffix.size()) != kSuffix) {
    return std::nullopt;
  }
  return std::string(log.substr(0, log.size() - kSuffix.size()));
}

Json CacheJson(const v1::DescribeLogResponse& described, const v1::DescribeLogResponse& agents,
               const LogView* log) {
  const v1::LeaseState* primary = PrimaryLease(described);
  const std::string_view address = primary == nullptr ? "" : AddressOf(primary->holder());
  Json list = Json::array();
  for (const v1::LeaseState& lease : agents.leases()) {
    if (!lease.holder().empty()) list.push_back(AgentJson(lease, address));
  }
  return {{"log", described.name()},
          {"last_seq", described.last_seq()},
          {"timestamp_us", described.timestamp_us()},
          {"primary", primary == nullptr ? Json(nullptr) : ToJson(*primary)},
          {"primary_address", std::string(address)},
          {"agents", std::move(list)},
          {"snapshot", SnapshotJson(described)},
          {"durability", log == nullptr ? Json(nullptr) : DurabilityJson(*log)}};
}

}  // namespace cairn::console
