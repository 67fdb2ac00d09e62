#include "server/rpc/bounds.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "server/catalog.h"
#include "server/log_facts.h"
#include "server/rpc/convert.h"

namespace cairn::rpc {
namespace {

// Returns out of the caller with the first refusal.
#define RETURN_IF_REFUSED(expr)                               \
  do {                                                        \
    if (Refusal cairn_refusal = (expr)) return cairn_refusal; \
  } while (false)

Refusal Invalid(std::string_view log, std::string_view what) {
  return Reject(v1::REASON_INVALID, log, fmt::format("{}: {}", log, what));
}

// Refuses when `actual` passes `limit`.
Refusal AtMost(std::string_view log, std::string_view what, std::string_view unit, uint64_t actual,
               uint64_t limit) {
  if (actual <= limit) return std::nullopt;
  server::Rejection rejection =
      Reject(v1::REASON_TOO_LARGE, log,
             fmt::format("{}: {}: {} {}, at most {} allowed", log, what, actual, unit, limit));
  rejection.info.set_limit(limit);
  rejection.info.set_actual(actual);
  return rejection;
}

Refusal Within(std::string_view log, std::string_view what, uint64_t actual, uint64_t least,
               uint64_t most) {
  if (actual >= least && actual <= most) return std::nullopt;
  return Invalid(log, fmt::format("{} is {}, expected {} … {}", what, actual, least, most));
}

Refusal Required(std::string_view log, std::string_view what, uint64_t value) {
  if (value != 0) return std::nullopt;
  return Invalid(log, fmt::format("{} is required", what));
}

Refusal NamedLog(const std::string& log) {
  const std::string wrong = server::CheckLogName(log);
  if (wrong.empty()) return std::nullopt;
  if (log.size() <= kMaxNameBytes) return Reject(v1::REASON_INVALID, log, wrong);
  server::Rejection rejection = Reject(v1::REASON_TOO_LARGE, log.substr(0, kMaxNameBytes), wrong);
  rejection.info.set_limit(kMaxNameBytes);
  rejection.info.set_actual(log.size());
  return rejection;
}

Refusal Name(std::string_view log, std::string_view what, const std::string& name) {
  return AtMost(log, what, "bytes", name.size(), kMaxNameBytes);
}

Refusal NonEmptyName(std::string_view log, std::string_view what, const std::string& name) {
  if (name.empty()) return Invalid(log, fmt::format("{} is required", what));
  return Name(log, what, name);
}

Refusal Ttl(std::string_view log, uint64_t ttl_ms) {
  return Within(log, "ttl_ms", ttl_ms, kMinLeaseTtlMs, kMaxLeaseTtlMs);
}

// What Renew, Release and Transfer have in common.
template <class Request>
Refusal HeldLease(const Request& request) {
  RETURN_IF_REFUSED(NamedLog(request.log()));
  RETURN_IF_REFUSED(Required(request.log(), "log_id", request.log_id()));
  RETURN_IF_REFUSED(Name(request.log(), "lease name", request.name()));
  return Required(request.log(), "epoch", request.epoch());
}

Refusal Settings(const std::string& log, const v1::LogSettings& settings) {
  const std::string wrong = server::CheckSettings(settings);
  if (wrong.empty()) return std::nullopt;
  return Invalid(log, wrong);
}

Refusal Metadata(std::string_view log, const v1::Record& record) {
  if (record.metadata().empty()) return std::nullopt;
  RETURN_IF_REFUSED(
      AtMost(log, "record metadata", "keys", record.metadata().size(), kMaxMetadataKeys));
  uint64_t bytes = 0;
  for (const auto& [key, value] : record.metadata()) bytes += key.size() + value.size();
  return AtMost(log, "record metadata", "bytes", bytes, kMaxMetadataBytes);
}

Refusal OneRecord(std::string_view log, const v1::Record& record, const Bounds& bounds) {
  if (record.kind() != v1::RECORD_KIND_UNSPECIFIED || record.has_lease()) {
    return Invalid(log, "a record's kind and lease are the service's to set");
  }
  RETURN_IF_REFUSED(
      AtMost(log, "record payload", "bytes", record.payload().size(), bounds.max_record_bytes));
  return Metadata(log, record);
}

// One batch of an import; adds to `records` and `bytes`.
Refusal OneBatch(std::string_view log, const v1::ImportBatch& batch, const Bounds& bounds,
                 uint64_t& records, uint64_t& bytes) {
  if (batch.records().empty()) return Invalid(log, "a batch holds at least one record");
  if (batch.timestamp_us() < 0) return Invalid(log, "a batch is from before 1970");
  for (const std::string& serialized : batch.records()) {
    v1::Record record;
    if (!record.ParseFromString(serialized)) {
      return Invalid(log, fmt::format("record {} of the request does not parse", records));
    }
    RETURN_IF_REFUSED(
        AtMost(log, "record payload", "bytes", record.payload().size(), bounds.max_record_bytes));
    ++records;
    bytes += serialized.size();
  }
  return std::nullopt;
}

Refusal ConditionAndProducer(const v1::AppendRequest& request) {
  const std::string& log = request.log();
  if (request.condition().has_if_lease_epoch()) {
    RETURN_IF_REFUSED(Required(log, "if_lease_epoch", request.condition().if_lease_epoch()));
    RETURN_IF_REFUSED(Required(log, "log_id (with if_lease_epoch)", request.log_id()));
  }
  RETURN_IF_REFUSED(Name(log, "lease name", request.condition().lease_name()));
  if (!request.has_producer()) return std::nullopt;
  RETURN_IF_REFUSED(Required(log, "producer.id", request.producer().id()));
  RETURN_IF_REFUSED(Required(log, "producer.sequence", request.producer().sequence()));
  return Required(log, "log_id (with a producer)", request.log_id());
}

}  // namespace

Bounds BoundsOf(const server::NodeConfig& config) {
  return {.max_record_bytes = config.max_record_bytes,
          .max_batch_bytes = config.max_batch_bytes,
          .max_batch_records = config.max_batch_records};
}

Refusal CheckRecords(const v1::AppendRequest& request, const Bounds& bounds) {
  const std::string& log = request.log();
  const auto count = static_cast<uint64_t>(request.records_size());
  if (count == 0) return Invalid(log, "an append holds at least one record");
  RETURN_IF_REFUSED(AtMost(log, "batch", "records", count, bounds.max_batch_records));
  uint64_t bytes = 0;
  for (const v1::Record& record : request.records()) {
    RETURN_IF_REFUSED(OneRecord(log, record, bounds));
    bytes += record.ByteSizeLong();
  }
  RETURN_IF_REFUSED(AtMost(log, "batch", "bytes", bytes, bounds.max_batch_bytes));
  return ConditionAndProducer(request);
}

Refusal CheckRequest(const v1::AppendRequest& request, const Bounds& bounds) {
  RETURN_IF_REFUSED(NamedLog(request.log()));
  return CheckRecords(request, bounds);
}

Refusal CheckRequest(const v1::RegisterProducerRequest& request, const Bounds& /*bounds*/) {
  return NamedLog(request.log());
}

Refusal CheckRequest(const v1::ReadRequest& request, const Bounds& /*bounds*/) {
  RETURN_IF_REFUSED(NamedLog(request.log()));
  if (request.end_seq() != 0 && request.end_seq() < request.start_seq()) {
    return Invalid(request.log(), fmt::format("end_seq {} is before start_seq {}",
                                              request.end_seq(), request.start_seq()));
  }
  return std::nullopt;
}

Refusal CheckRequest(const v1::TailRequest& request, const Bounds& /*bounds*/) {
  RETURN_IF_REFUSED(NamedLog(request.log()));
  if (request.start_case() == v1::TailRequest::kStartSeq) {
    RETURN_IF_REFUSED(
        Required(request.log(), "start_seq (seqs begin with 1)", request.start_seq()));
  }
  if (request.heartbeat_ms() == 0) return std::nullopt;
  return Within(request.log(), "heartbeat_ms", request.heartbeat_ms(), kMinHeartbeatMs,
                kMaxHeartbeatMs);
}

Refusal CheckRequest(const v1::TrimRequest& request, const Bounds& /*bounds*/) {
  RETURN_IF_REFUSED(NamedLog(request.log()));
  return Required(request.log(), "first_seq", request.first_seq());
}

Refusal CheckRequest(const v1::RegisterSnapshotRequest& request, const Bounds& /*bounds*/) {
  RETURN_IF_REFUSED(NamedLog(request.log()));
  RETURN_IF_REFUSED(NonEmptyName(request.log(), "snapshot name", request.name()));
  if (request.name() == server::kArchiveSnapshot) {
    return Invalid(request.log(), fmt::format("snapshot name {} is the archive's: expected another",
                                              server::kArchiveSnapshot));
  }
  return AtMost(request.log(), "snapshot location", "bytes", request.location().size(),
                kMaxLocationBytes);
}

Refusal CheckRequest(const v1::CreateLogRequest& request, const Bounds& /*bounds*/) {
  RETURN_IF_REFUSED(NamedLog(request.name()));
  return Settings(request.name(), request.settings());
}

Refusal CheckRequest(const v1::DescribeLogRequest& request, const Bounds& /*bounds*/) {
  return NamedLog(request.log());
}

Refusal CheckRequest(const v1::ListLogsRequest& request, const Bounds& /*bounds*/) {
  RETURN_IF_REFUSED(Name("ListLogs", "prefix", request.prefix()));
  RETURN_IF_REFUSED(Name("ListLogs", "page_token", request.page_token()));
  return AtMost("ListLogs", "page_size", "logs", request.page_size(), kMaxPageSize);
}

Refusal CheckRequest(const v1::UpdateLogRequest& request, const Bounds& /*bounds*/) {
  RETURN_IF_REFUSED(NamedLog(request.log()));
  RETURN_IF_REFUSED(Required(request.log(), "log_id", request.log_id()));
  return Settings(request.log(), request.settings());
}

Refusal CheckRequest(const v1::DeleteLogRequest& request, const Bounds& /*bounds*/) {
  RETURN_IF_REFUSED(NamedLog(request.log()));
  return Required(request.log(), "log_id", request.log_id());
}

Refusal CheckRequest(const v1::AcquireRequest& request, const Bounds& /*bounds*/) {
  RETURN_IF_REFUSED(NamedLog(request.log()));
  RETURN_IF_REFUSED(Required(request.log(), "log_id", request.log_id()));
  RETURN_IF_REFUSED(Name(request.log(), "lease name", request.name()));
  RETURN_IF_REFUSED(NonEmptyName(request.log(), "holder", request.holder()));
  return Ttl(request.log(), request.ttl_ms());
}

Refusal CheckRequest(const v1::RenewRequest& request, const Bounds& /*bounds*/) {
  return HeldLease(request);
}

Refusal CheckRequest(const v1::ReleaseRequest& request, const Bounds& /*bounds*/) {
  return HeldLease(request);
}

Refusal CheckRequest(const v1::TransferRequest& request, const Bounds& /*bounds*/) {
  RETURN_IF_REFUSED(HeldLease(request));
  RETURN_IF_REFUSED(NonEmptyName(request.log(), "heir", request.to()));
  if (request.ttl_ms() == 0) return std::nullopt;
  return Ttl(request.log(), request.ttl_ms());
}

Refusal CheckRequest(const v1::GetRequest& request, const Bounds& /*bounds*/) {
  RETURN_IF_REFUSED(NamedLog(request.log()));
  return Name(request.log(), "lease name", request.name());
}

Refusal CheckRequest(const v1::TransferLeadershipRequest& request, const Bounds& /*bounds*/) {
  if (request.log().empty()) return std::nullopt;
  return NamedLog(request.log());
}

Refusal CheckRequest(const v1::BeginImportRequest& request, const Bounds& /*bounds*/) {
  RETURN_IF_REFUSED(NamedLog(request.name()));
  RETURN_IF_REFUSED(Required(request.name(), "base.first_seq", request.base().first_seq()));
  return Settings(request.name(), request.settings());
}

Refusal CheckRequest(const v1::ImportRecordsRequest& request, const Bounds& bounds) {
  const std::string& log = request.log();
  RETURN_IF_REFUSED(NamedLog(log));
  RETURN_IF_REFUSED(Required(log, "log_id", request.log_id()));
  if (request.batches().empty()) return Invalid(log, "an import holds at least one batch");
  uint64_t records = 0;
  uint64_t bytes = 0;
  for (const v1::ImportBatch& batch : request.batches()) {
    RETURN_IF_REFUSED(OneBatch(log, batch, bounds, records, bytes));
  }
  RETURN_IF_REFUSED(AtMost(log, "import", "records", records, bounds.max_batch_records));
  return AtMost(log, "import", "bytes", bytes, bounds.max_batch_bytes);
}

Refusal CheckRequest(const v1::FinishImportRequest& request, const Bounds& /*bounds*/) {
  RETURN_IF_REFUSED(NamedLog(request.log()));
  return Required(request.log(), "log_id", request.log_id());
}

Refusal CheckRequest(const v1::GetChainRequest& request, const Bounds& /*bounds*/) {
  return NamedLog(request.log());
}

}  // namespace cairn::rpc
