#include "cairn/log.h"

#include <utility>

#include "base/status_macros.h"
#include "client/src/await.h"
#include "client/src/convert.h"
#include "client/src/core.h"
#include "client/src/log_request.h"
#include "client/src/read_stream.h"
#include "client/src/record_encoder.h"

namespace cairn {
namespace {

using client::CallSpec;
using client::Core;
using client::For;
using client::Method;
using client::Route;

CallSpec Spec(const Log& log, Method method, const CallOptions& options) {
  return client::SpecOf(method, log.name(), options);
}

template <class Request>
Request ForLease(const Log& log, std::string_view lease_name, Epoch epoch) {
  auto request = For<Request>(log);
  request.set_name(std::string(lease_name));
  request.set_epoch(epoch.value());
  return request;
}

v1::AppendRequest AppendHead(const Log& log, const AppendOptions& options) {
  auto head = For<v1::AppendRequest>(log);
  if (options.if_last_seq) head.mutable_condition()->set_if_last_seq(options.if_last_seq->value());
  if (options.if_lease_epoch) {
    head.mutable_condition()->set_if_lease_epoch(options.if_lease_epoch->value());
    head.mutable_condition()->set_lease_name(options.lease_name);
  }
  return head;
}

void SendAppend(const Log& log, const AppendOptions& options, std::string region,
                Log::AppendCallback done) {
  client::EncodedMessage request = client::EncodeAppend(
      AppendHead(log, options), std::make_shared<const std::string>(std::move(region)));
  log.core()->Call(
      Spec(log, Method::kAppend, options.call), std::move(request),
      [done = std::move(done)](absl::StatusOr<Core::MessagePtr> got, const std::string&) {
        if (!got.ok()) return done(got.status());
        done(client::FromProto(static_cast<const v1::AppendResponse&>(**got)));
      });
}

}  // namespace

Log::Log(client::Core* core, std::string name, LogId log_id)
    : core_(core), name_(std::move(name)), log_id_(log_id) {}

void Log::AppendAsync(std::string_view payload, const AppendOptions& options, AppendCallback done) {
  std::string region;
  region.reserve(client::EncodedRecordSize(payload, {}));
  client::EncodeRecord(payload, {}, region);
  SendAppend(*this, options, std::move(region), std::move(done));
}

void Log::AppendAsync(const std::vector<NewRecord>& records, const AppendOptions& options,
                      AppendCallback done) {
  if (records.empty()) return done(absl::InvalidArgumentError("an append needs a record"));
  std::string region;
  size_t bytes = 0;
  for (const NewRecord& r : records) bytes += client::EncodedRecordSize(r.payload, r.metadata);
  region.reserve(bytes);
  for (const NewRecord& r : records) client::EncodeRecord(r.payload, r.metadata, region);
  SendAppend(*this, options, std::move(region), std::move(done));
}

absl::StatusOr<AppendResult> Log::Append(std::string_view payload, const AppendOptions& options) {
  return client::Await<AppendResult>(
      [&](AppendCallback done) { AppendAsync(payload, options, std::move(done)); });
}

absl::StatusOr<AppendResult> Log::Append(const std::vector<NewRecord>& records,
                                         const AppendOptions& options) {
  return client::Await<AppendResult>(
      [&](AppendCallback done) { AppendAsync(records, options, std::move(done)); });
}

ReadStream Log::Read(const ReadOptions& options) {
  return ReadStream(ReadStream::Impl::Start(*this, options));
}

absl::StatusOr<std::vector<RecordBatch>> Log::ReadAll(const ReadOptions& options) {
  std::vector<RecordBatch> all;
  ReadStream stream = Read(options);
  for (;;) {
    ASSIGN_OR_RETURN(std::optional<RecordBatch> batch, stream.Next());
    if (!batch) return all;
    all.push_back(*std::move(batch));
  }
}

absl::StatusOr<LogDescription> Log::Describe(const DescribeOptions& options) {
  auto request = For<v1::DescribeLogRequest>(*this);
  request.set_linearizable(options.linearizable);
  request.set_with_segments(options.with_segments);
  CallSpec spec = Spec(*this, Method::kDescribeLog, options.call);
  // The leader's view also has the replicas' progress, and is the one to confirm anyway.
  if (!options.linearizable) spec.goal = Route::Goal::kAny;
  ASSIGN_OR_RETURN(const auto response, core_->CallAndWait<v1::DescribeLogResponse>(spec, request));
  return client::FromProto(response);
}

absl::StatusOr<Seq> Log::Trim(Seq first_seq, const TrimOptions& options) {
  auto request = For<v1::TrimRequest>(*this);
  request.set_first_seq(first_seq.value());
  request.set_force(options.force);
  ASSIGN_OR_RETURN(const auto response, core_->CallAndWait<v1::TrimResponse>(
                                            Spec(*this, Method::kTrim, options.call), request));
  return Seq{response.first_seq()};
}

absl::Status Log::RegisterSnapshot(std::string_view name, Seq seq, uint64_t chain,
                                   std::string_view location, const CallOptions& options) {
  auto request = For<v1::RegisterSnapshotRequest>(*this);
  request.set_name(std::string(name));
  request.set_seq(seq.value());
  request.set_chain(chain);
  request.set_location(std::string(location));
  return core_
      ->CallAndWait<v1::RegisterSnapshotResponse>(Spec(*this, Method::kRegisterSnapshot, options),
                                                  request)
      .status();
}

absl::StatusOr<LeaseInfo> Log::GetLease(std::string_view lease_name, const CallOptions& options) {
  auto request = For<v1::GetRequest>(*this);
  request.set_name(std::string(lease_name));
  ASSIGN_OR_RETURN(const auto response, core_->CallAndWait<v1::GetResponse>(
                                            Spec(*this, Method::kGetLease, options), request));
  return client::FromProto(response.lease());
}

absl::StatusOr<Epoch> Log::AcquireLease(std::string_view lease_name, std::string_view holder,
                                        absl::Duration ttl, std::optional<Seq> if_last_seq,
                                        const CallOptions& options) {
  auto request = For<v1::AcquireRequest>(*this);
  request.set_name(std::string(lease_name));
  request.set_holder(std::string(holder));
  request.set_ttl_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(ttl)));
  if (if_last_seq) request.set_if_last_seq(if_last_seq->value());
  ASSIGN_OR_RETURN(const auto response, core_->CallAndWait<v1::AcquireResponse>(
                                            Spec(*this, Method::kAcquire, options), request));
  return Epoch{response.epoch()};
}

absl::StatusOr<absl::Duration> Log::RenewLease(std::string_view lease_name, Epoch epoch,
                                               const CallOptions& options) {
  ASSIGN_OR_RETURN(const auto response, core_->CallAndWait<v1::RenewResponse>(
                                            Spec(*this, Method::kRenew, options),
                                            ForLease<v1::RenewRequest>(*this, lease_name, epoch)));
  return absl::Milliseconds(response.ttl_ms());
}

absl::Status Log::ReleaseLease(std::string_view lease_name, Epoch epoch,
                               const CallOptions& options) {
  return core_
      ->CallAndWait<v1::ReleaseResponse>(Spec(*this, Method::kRelease, options),
                                         ForLease<v1::ReleaseRequest>(*this, lease_name, epoch))
      .status();
}

absl::StatusOr<Epoch> Log::TransferLease(std::string_view lease_name, Epoch epoch,
                                         std::string_view heir, absl::Duration ttl,
                                         std::optional<Seq> if_last_seq,
                                         const CallOptions& options) {
  auto request = ForLease<v1::TransferRequest>(*this, lease_name, epoch);
  request.set_to(std::string(heir));
  request.set_ttl_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(ttl)));
  if (if_last_seq) request.set_if_last_seq(if_last_seq->value());
  ASSIGN_OR_RETURN(const auto response, core_->CallAndWait<v1::TransferResponse>(
                                            Spec(*this, Method::kTransfer, options), request));
  return Epoch{response.epoch()};
}

}  // namespace cairn
