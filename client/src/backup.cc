#include "cairn/backup.h"

#include "base/status_macros.h"
#include "cairn/v1/backup.pb.h"
#include "client/src/convert.h"
#include "client/src/core.h"
#include "client/src/log_request.h"

namespace cairn {
namespace {

using client::CallSpec;
using client::For;
using client::Method;
using client::SpecOf;

}  // namespace

absl::StatusOr<LogId> Backup::BeginImport(std::string_view name, const LogSettings& settings,
                                          const LogBase& base, const CallOptions& options) {
  v1::BeginImportRequest request;
  request.set_name(std::string(name));
  *request.mutable_settings() = client::ToProto(settings);
  request.mutable_base()->set_first_seq(base.first_seq.value());
  request.mutable_base()->set_chain(base.chain);
  request.mutable_base()->set_timestamp_us(base.timestamp_us);
  CallSpec spec;  // To the catalog's leader.
  spec.method = Method::kBeginImport;
  spec.goal = client::Route::Goal::kLeader;
  spec.traits.idempotent = client::IsIdempotent(spec.method);
  spec.options = options;
  ASSIGN_OR_RETURN(const auto response, core_->CallAndWait<v1::BeginImportResponse>(spec, request));
  return LogId{response.log_id()};
}

absl::StatusOr<ChainPoint> Backup::ImportRecords(const Log& log, Seq if_last_seq,
                                                 const std::vector<ImportBatch>& batches,
                                                 const CallOptions& options) {
  auto request = For<v1::ImportRecordsRequest>(log);
  request.set_if_last_seq(if_last_seq.value());
  for (const ImportBatch& batch : batches) {
    v1::ImportBatch& out = *request.add_batches();
    out.set_timestamp_us(batch.timestamp_us);
    for (const std::string& record : batch.records) out.add_records(record);
  }
  ASSIGN_OR_RETURN(const auto response,
                   core_->CallAndWait<v1::ImportRecordsResponse>(
                       SpecOf(Method::kImportRecords, log.name(), options), request));
  return ChainPoint{Seq{response.last_seq()}, response.chain(), true};
}

absl::Status Backup::FinishImport(const Log& log, Seq last_seq, uint64_t chain,
                                  const CallOptions& options) {
  auto request = For<v1::FinishImportRequest>(log);
  request.set_last_seq(last_seq.value());
  request.set_chain(chain);
  return core_
      ->CallAndWait<v1::FinishImportResponse>(SpecOf(Method::kFinishImport, log.name(), options),
                                              request)
      .status();
}

absl::StatusOr<ChainPoint> Backup::GetChain(const Log& log, std::optional<Seq> seq,
                                            const CallOptions& options) {
  auto request = For<v1::GetChainRequest>(log);
  if (seq) request.set_seq(seq->value());
  ASSIGN_OR_RETURN(const auto response,
                   core_->CallAndWait<v1::GetChainResponse>(
                       SpecOf(Method::kGetChain, log.name(), options), request));
  return ChainPoint{Seq{response.seq()}, response.chain(), response.importing()};
}

}  // namespace cairn
