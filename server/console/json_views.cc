#include "server/console/json_views.h"

#include <fmt/format.h>

#include "absl/strings/escaping.h"
#include "base/strings.h"
#include "server/rpc/convert.h"

namespace cairn::console {
namespace {

using console::ToJson;  // Beside the overloads below.

std::string IdOf(uint64_t id) { return fmt::format("{}", id); }

std::string ChainOf(uint64_t chain) { return fmt::format("{:016x}", chain); }

std::string Base64(std::string_view bytes) { return absl::Base64Escape(ToAbsl(bytes)); }

const char* SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kCritical:
      return "critical";
    case Severity::kWarning:
      return "warning";
    case Severity::kNotice:
      return "notice";
  }
  return "";
}

const char* KindName(v1::RecordKind kind) {
  switch (kind) {
    case v1::RECORD_KIND_UNSPECIFIED:
      return "data";
    case v1::RECORD_KIND_LEASE_ACQUIRED:
      return "lease_acquired";
    case v1::RECORD_KIND_LEASE_RELEASED:
      return "lease_released";
    case v1::RECORD_KIND_LEASE_TRANSFERRED:
      return "lease_transferred";
    case v1::RECORD_KIND_LEASE_EXPIRED:
      return "lease_expired";
    case v1::RECORD_KIND_CATALOG:
      return "catalog";
    default:
      return "unknown";
  }
}

Json ToJson(const v1::Durations& durations) {
  return {{"upper_bounds_s",
           Json::array_t(durations.upper_bounds_s().begin(), durations.upper_bounds_s().end())},
          {"counts", Json::array_t(durations.counts().begin(), durations.counts().end())}};
}

Json ToJson(const v1::NodeCounters& counters) {
  return {{"append_requests", counters.append_requests()},
          {"append_refused", counters.append_refused()},
          {"append_records", counters.append_records()},
          {"append_bytes", counters.append_bytes()},
          {"append_seconds", ToJson(counters.append_seconds())},
          {"store_syncs", counters.store_syncs()},
          {"store_turn_seconds", ToJson(counters.store_turn_seconds())},
          {"open_tails", counters.open_tails()},
          {"overloaded", counters.overloaded()},
          {"alarms", counters.alarms()},
          {"disk_used_bytes", counters.disk_used_bytes()},
          {"disk_watermark_bytes", counters.disk_watermark_bytes()},
          {"clock_deviation_us", counters.clock_deviation_us()}};
}

// How many replicas of the node have each role.
Json RolesOf(const v1::StatusResponse& said) {
  Json roles = Json::object();
  for (const v1::GroupStatus& group : said.groups()) {
    roles[group.role()] = roles.value(group.role(), 0) + 1;
  }
  return roles;
}

Json ToJson(const ReplicaView& replica) {
  return {{"node_id", IdOf(replica.node_id)}, {"role", replica.role},
          {"standing", replica.standing},     {"suspect", replica.suspect},
          {"last_index", replica.last_index}, {"lag_entries", replica.lag_entries}};
}

Json ToJson(const v1::LogSettings& settings) {
  return {{"fenced", settings.fenced()},
          {"retention_bytes", settings.retention_bytes()},
          {"retention_ms", settings.retention_ms()},
          {"trim_guard", settings.trim_guard()},
          {"segment_bytes", settings.segment_bytes()}};
}

Json ToJson(const v1::RegisteredSnapshot& snapshot) {
  return {{"name", snapshot.name()},
          {"seq", snapshot.seq()},
          {"location", snapshot.location()},
          {"timestamp_us", snapshot.timestamp_us()}};
}

Json ToJson(const v1::Record& record, uint64_t seq, int64_t timestamp_us, uint64_t payload_bytes) {
  const std::string_view payload = record.payload();
  Json json = {{"seq", seq},
               {"timestamp_us", timestamp_us},
               {"kind", KindName(record.kind())},
               {"bytes", payload.size()},
               {"payload", Base64(payload.substr(0, payload_bytes))}};
  for (const auto& [key, value] : record.metadata()) json["metadata"][key] = value;
  if (record.has_lease()) {
    const v1::LeaseEvent& lease = record.lease();
    json["lease"] = {{"name", lease.name()},
                     {"holder", lease.holder()},
                     {"ttl_ms", lease.ttl_ms()},
                     {"ended_epoch", lease.ended_epoch()}};
  }
  return json;
}

template <class Range>
Json ListOf(const Range& range) {
  Json list = Json::array();
  for (const auto& item : range) list.push_back(ToJson(item));
  return list;
}

}  // namespace

std::string ToText(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

int HttpStatusOf(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::INVALID_ARGUMENT:
      return 400;
    case grpc::StatusCode::UNAUTHENTICATED:
      return 401;
    case grpc::StatusCode::PERMISSION_DENIED:
      return 403;
    case grpc::StatusCode::NOT_FOUND:
      return 404;
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::ALREADY_EXISTS:
      return 409;
    case grpc::StatusCode::OUT_OF_RANGE:
      return 410;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return 429;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return 504;
    default:
      return 503;
  }
}

Json ErrorJson(const grpc::Status& status) {
  Json error = {{"reason", ""}, {"message", status.error_message()}};
  if (const auto info = rpc::ErrorInfoOf(status)) {
    constexpr std::string_view kPrefix = "REASON_";
    error["reason"] = v1::Reason_Name(info->reason()).substr(kPrefix.size());
    error["first_seq"] = info->first_seq();
    error["last_seq"] = info->last_seq();
  }
  return {{"error", std::move(error)}};
}

Json ToJson(const Alert& alert) {
  return {{"severity", SeverityName(alert.severity)},
          {"kind", alert.kind},
          {"what", alert.what},
          {"next", alert.next},
          {"node", alert.node},
          {"logs", alert.logs}};
}

Json ToJson(const NodeView& node) {
  Json json = {{"node_id", IdOf(node.member.node_id())},
               {"name", node.member.name()},
               {"address", node.member.address()},
               {"zone", node.member.zone()},
               {"answered", node.answered}};
  if (!node.answered) {
    json["why_not"] = node.why_not;
    return json;
  }
  json["version"] = node.said.version();
  json["state"] = node.said.state();
  json["detail"] = node.said.detail();
  json["uptime_ms"] = node.said.uptime_ms();
  json["disk_free_bytes"] = node.said.disk_free_bytes();
  json["roles"] = RolesOf(node.said);
  json["counters"] = ToJson(node.said.counters());
  return json;
}

Json ToJson(const LogView& log) {
  return {{"log_id", log.log_id},
          {"name", log.name},
          {"leader_node_id", log.leader_node_id == 0 ? "" : IdOf(log.leader_node_id)},
          {"term", log.term},
          {"first_seq", log.first_seq},
          {"last_seq", log.last_seq},
          {"quorum", log.quorum},
          {"replicas", ListOf(log.replicas)}};
}

Json ToJson(const v1::LeaseState& lease) {
  return {{"name", lease.name()},
          {"holder", lease.holder()},
          {"epoch", lease.epoch()},
          {"ttl_ms", lease.ttl_ms()},
          {"remaining_ms", lease.remaining_ms()}};
}

Json ToJson(const v1::ArchiveStatus& archive) {
  return {{"on", archive.on()},
          {"archived_seq", archive.archived_seq()},
          {"first_seq", archive.first_seq()},
          {"location", archive.location()},
          {"trouble", archive.trouble()}};
}

Json ToJson(const v1::DescribeLogResponse& log) {
  return {{"name", log.name()},
          {"log_id", log.log_id()},
          {"settings", ToJson(log.settings())},
          {"first_seq", log.first_seq()},
          {"last_seq", log.last_seq()},
          {"chain", ChainOf(log.chain())},
          {"timestamp_us", log.timestamp_us()},
          {"bytes", log.bytes()},
          {"leader_node_id", IdOf(log.leader_node_id())},
          {"term", log.term()},
          {"leases", ListOf(log.leases())},
          {"snapshots", ListOf(log.snapshots())},
          {"producers", log.producers()},
          {"archive", log.has_archive() ? ToJson(log.archive()) : Json()},
          {"stale", log.stale()}};
}

Json ToJson(const RecordPage& page, uint64_t payload_bytes) {
  Json records = Json::array();
  for (const v1::RecordBatch& batch : page.batches) {
    uint64_t seq = batch.first_seq();
    for (const v1::Record& record : batch.records()) {
      records.push_back(ToJson(record, seq++, batch.timestamp_us(), payload_bytes));
    }
  }
  return {{"records", std::move(records)}, {"next_seq", page.next_seq}, {"stale", page.stale}};
}

}  // namespace cairn::console
