#include "server/rpc/call.h"

#include <fmt/format.h>
#include <grpc/support/time.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/rpc/convert.h"
#include "server/rpc/grpc_tls.h"
#include "server/runtime/warn_line.h"

namespace cairn::rpc {
namespace {

constexpr int kMaxReconnectBackoffMs = 1000;

// Where a log lives that has no replica here: any replica knows its leader.
server::Rejection Elsewhere(const server::Node& node, const server::CatalogLog& log) {
  server::Rejection rejection = Reject(
      v1::REASON_NOT_LEADER, log.name,
      fmt::format("{}: node {} has no replica of log {}", log.name, node.Status().node_id, log.id));
  rejection.info.set_log_id(log.id.value());
  for (const NodeId replica : log.replicas) {
    rejection.info.set_leader_address(node.AddressOf(replica));
    if (!rejection.info.leader_address().empty()) break;
  }
  return rejection;
}

}  // namespace

std::shared_ptr<grpc::Channel> PeerChannels::To(const std::string& address) {
  const uint64_t generation = tls_ != nullptr ? tls_->Now()->generation : 0;
  absl::MutexLock lock(&mutex_);
  if (std::exchange(generation_, generation) != generation) channels_.clear();
  std::shared_ptr<grpc::Channel>& channel = channels_[address];
  if (channel == nullptr) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectBackoffMs);
    channel = server::OpenMemberChannel(address, tls_, arguments);
  }
  return channel;
}

Environment::Environment(server::Node* served)
    : node(served),
      bounds(BoundsOf(served->config())),
      authority(served,
                [served](const grpc::ServerContextBase& call) { return IsMember(call, *served); }),
      appends(served->config().request_bytes),
      readers(served->config().reader_bytes),
      slow_appends(static_cast<int64_t>(served->config().slow_append_ms) * kMicrosPerMilli,
                   server::WarnLine),
      channels(served->tls()) {}

int64_t TimeLeftUs(const grpc::ServerContextBase& context) {
  using std::chrono::system_clock;
  const system_clock::time_point deadline = context.deadline();
  if (deadline == system_clock::time_point::max()) return kDefaultDeadlineUs;
  const int64_t left_us =
      std::chrono::duration_cast<std::chrono::microseconds>(deadline - system_clock::now()).count();
  return std::clamp<int64_t>(left_us, 0, kMaxDeadlineUs);
}

MonoMicros DeadlineOf(const grpc::ServerContextBase& context, const server::Node& node) {
  return node.clock().Mono() + TimeLeftUs(context);
}

gpr_timespec After(int64_t wait_us) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_micros(wait_us, GPR_TIMESPAN));
}

bool WantsRedirect(const grpc::ServerContextBase& context) {
  const auto found = context.client_metadata().find(kLeaderHeader);
  return found != context.client_metadata().end() && found->second == kLeaderRedirect;
}

std::variant<GroupId, server::Rejection> Route(const server::Node& node, std::string_view log,
                                               uint64_t log_id) {
  std::variant<GroupId, server::Rejection> resolved = node.Resolve(log, log_id);
  const GroupId* group = std::get_if<GroupId>(&resolved);
  if (group == nullptr) return resolved;
  const std::shared_ptr<const server::CatalogView> view = node.catalog();
  const server::CatalogLog* row = view->catalog.Find(*group);
  if (row == nullptr) return resolved;
  if (row->replicas.size() >= view->catalog.members().size()) return resolved;  // Everywhere.
  const NodeId self = node.Status().node_id;
  const bool here =
      std::find(row->replicas.begin(), row->replicas.end(), self) != row->replicas.end();
  if (here) return resolved;
  return Elsewhere(node, *row);
}

QuotaBill BillFor(Environment& environment, std::string_view log,
                  const std::optional<server::TenantQuota>& tenant) {
  const std::shared_ptr<const server::CatalogView> view = environment.node->catalog();
  const server::CatalogLog* row = view->catalog.FindByName(log);
  if (row == nullptr) return QuotaBill();
  const QuotaRates rates{.bytes_per_second = row->settings.append_bytes_per_second(),
                         .appends_per_second = row->settings.appends_per_second()};
  const MonoMicros now = environment.node->clock().Mono();
  std::shared_ptr<Quota> of_log = environment.quotas.OfLog(row->id, row->name, rates, now);
  if (!tenant) return QuotaBill(std::move(of_log), nullptr);
  const QuotaRates share{.bytes_per_second = tenant->append_bytes_per_second,
                         .appends_per_second = tenant->appends_per_second};
  return QuotaBill(std::move(of_log), environment.quotas.OfTenant(tenant->tenant, share, now));
}

void CountAppend(Environment& environment, AnsweredAppend append) {
  server::Metrics& metrics = environment.node->metrics();
  append.ended = environment.node->clock().Mono();
  metrics.append_requests_total.Increment();
  if (append.outcome != kDone) {
    metrics.append_refused_total.Increment();
  } else {
    metrics.append_seconds.Observe(static_cast<double>(append.ended - append.began) /
                                   kMicrosPerSecond);
    // Nothing for a duplicate, nor for what another node appended.
    metrics.append_records_total.Increment(append.times.records);
    metrics.append_bytes_total.Increment(static_cast<double>(append.times.bytes));
  }
  if (environment.slow_appends.Note(append)) metrics.append_slow_total.Increment();
}

void NameLeader(server::Rejection& rejection, const server::Node& node) {
  if (rejection.info.reason() != v1::REASON_NOT_LEADER || rejection.info.actual() == 0) return;
  rejection.info.set_leader_address(node.AddressOf(NodeId(rejection.info.actual())));
  rejection.info.clear_actual();
}

server::Rejection ShuttingDown(std::string_view log) {
  return Reject(v1::REASON_SHUTTING_DOWN, log, fmt::format("{}: the node is stopping", log));
}

}  // namespace cairn::rpc
