#include "server/rpc/convert.h"

#include <fmt/format.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <utility>

#include "base/check.h"

namespace cairn::rpc {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

// google.rpc.Status, which Debian does not package: int32 code = 1, string message = 2,
// repeated google.protobuf.Any details = 3.
constexpr int kStatusCodeField = 1;
constexpr int kStatusMessageField = 2;
constexpr int kStatusDetailsField = 3;

constexpr uint32_t kRecordTag = WireFormatLite::MakeTag(v1::RecordBatch::kRecordsFieldNumber,
                                                        WireFormatLite::WIRETYPE_LENGTH_DELIMITED);

std::string EncodeStatusDetails(grpc::StatusCode code, const std::string& message,
                                const v1::ErrorInfo& info) {
  google::protobuf::Any any;
  any.PackFrom(info);
  std::string details;
  {
    google::protobuf::io::StringOutputStream stream(&details);
    CodedOutputStream out(&stream);
    WireFormatLite::WriteInt32(kStatusCodeField, code, &out);
    WireFormatLite::WriteString(kStatusMessageField, message, &out);
    WireFormatLite::WriteBytes(kStatusDetailsField, any.SerializeAsString(), &out);
  }
  return details;
}

// Reads the next details field of a google.rpc.Status. False at its end or at damage.
bool NextDetail(CodedInputStream& in, google::protobuf::Any& any) {
  while (const uint32_t tag = in.ReadTag()) {
    if (tag !=
        WireFormatLite::MakeTag(kStatusDetailsField, WireFormatLite::WIRETYPE_LENGTH_DELIMITED)) {
      if (!WireFormatLite::SkipField(&in, tag)) return false;
      continue;
    }
    std::string bytes;
    return WireFormatLite::ReadBytes(&in, &bytes) && any.ParseFromString(bytes);
  }
  return false;
}

std::string LeaseName(const std::string& name) {
  return name.empty() ? std::string(kDefaultLeaseName) : name;
}

template <class Request>
std::optional<Seq> IfLastSeq(const Request& request) {
  if (!request.has_if_last_seq()) return std::nullopt;
  return Seq(request.if_last_seq());
}

// The records region of storage/entry_codec.h, written in one pass without a copy of any
// record in between.
std::string RecordsRegion(const v1::AppendRequest& request) {
  size_t total = 0;
  for (const v1::Record& record : request.records()) {
    const uint32_t size = static_cast<uint32_t>(record.GetCachedSize());
    total += 1 + CodedOutputStream::VarintSize32(size) + size;
  }
  std::string region(total, '\0');
  auto* at = reinterpret_cast<uint8_t*>(region.data());
  for (const v1::Record& record : request.records()) {
    at = CodedOutputStream::WriteTagToArray(kRecordTag, at);
    at = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(record.GetCachedSize()), at);
    at = record.SerializeWithCachedSizesToArray(at);
  }
  CHECK_EQ(at - reinterpret_cast<uint8_t*>(region.data()), static_cast<ptrdiff_t>(total));
  return region;
}

const char* StandingName(consensus::Standing standing) {
  switch (standing) {
    case consensus::Standing::kSound:
      return "sound";
    case consensus::Standing::kAmbiguous:
      return "ambiguous";
    case consensus::Standing::kLost:
      return "lost";
  }
  CHECK_UNREACHABLE();
}

const char* RoleName(const server::GroupView& view) {
  if (view.halted) return "halted";
  switch (view.role) {
    case consensus::Role::kFollower:
      return "follower";
    case consensus::Role::kPreCandidate:
    case consensus::Role::kCandidate:
      return "candidate";
    case consensus::Role::kLeader:
      return "leader";
  }
  CHECK_UNREACHABLE();
}

}  // namespace

grpc::StatusCode CodeFor(v1::Reason reason) {
  // No default: a new reason does not compile until somebody decides its code by what the
  // caller should do next.
  switch (reason) {
    case v1::REASON_NOT_LEADER:     // Go to the leader.
    case v1::REASON_SHUTTING_DOWN:  // Retry at once elsewhere.
    case v1::REASON_NOT_READY:      // Retry after a pause.
    case v1::REASON_ARCHIVE_UNAVAILABLE:
      return grpc::StatusCode::UNAVAILABLE;
    case v1::REASON_CONDITION_FAILED:  // A lost race: read on, then decide anew.
    case v1::REASON_STREAM_BROKEN:     // Open a new stream.
      return grpc::StatusCode::ABORTED;
    case v1::REASON_LEASE_HELD:
    case v1::REASON_LEASE_LOST:
    case v1::REASON_LOG_RECREATED:
    case v1::REASON_PRODUCER_EXPIRED:
    case v1::REASON_TRIM_GUARDED:
    case v1::REASON_FENCE_REQUIRED:
    case v1::REASON_DUPLICATE_GAP:
    case v1::REASON_CHAIN_MISMATCH:
    case v1::REASON_LOCK_OUT:
    case v1::REASON_NOT_CAUGHT_UP:  // The same call cannot succeed before something else changes.
      return grpc::StatusCode::FAILED_PRECONDITION;
    case v1::REASON_LOG_NOT_FOUND:
    case v1::REASON_NO_SUCH_PRINCIPAL:
      return grpc::StatusCode::NOT_FOUND;
    case v1::REASON_LOG_EXISTS:
      return grpc::StatusCode::ALREADY_EXISTS;
    case v1::REASON_TRIMMED:
    case v1::REASON_SEQ_IN_FUTURE:
      return grpc::StatusCode::OUT_OF_RANGE;
    case v1::REASON_TOO_LARGE:
    case v1::REASON_INVALID:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case v1::REASON_OVERLOADED:
    case v1::REASON_STORAGE_FULL:
    case v1::REASON_TABLE_FULL:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case v1::REASON_UNAUTHENTICATED:
      return grpc::StatusCode::UNAUTHENTICATED;
    case v1::REASON_PERMISSION_DENIED:
      return grpc::StatusCode::PERMISSION_DENIED;
    case v1::REASON_LOG_HALTED:
    case v1::REASON_ARCHIVE_DAMAGED:
      return grpc::StatusCode::DATA_LOSS;
    case v1::REASON_OUTCOME_UNKNOWN:
      return grpc::StatusCode::DEADLINE_EXCEEDED;
    case v1::REASON_UNSPECIFIED:
    case v1::Reason_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::Reason_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  CHECK_UNREACHABLE();  // A rejection without a reason is a bug of whoever made it.
}

server::Rejection Reject(v1::Reason reason, std::string_view log, std::string message) {
  server::Rejection rejection;
  rejection.info.set_reason(reason);
  rejection.info.set_log(std::string(log));
  rejection.message = std::move(message);
  return rejection;
}

server::Rejection Overloaded(std::string_view log, std::string_view queue) {
  constexpr uint64_t kRetryAfterMs = 20;
  server::Rejection rejection =
      Reject(v1::REASON_OVERLOADED, log, fmt::format("{}: {} is full", log, queue));
  rejection.info.set_retry_after_ms(kRetryAfterMs);
  return rejection;
}

grpc::Status ToStatus(const server::Rejection& rejection) {
  const grpc::StatusCode code = CodeFor(rejection.info.reason());
  return grpc::Status(code, rejection.message,
                      EncodeStatusDetails(code, rejection.message, rejection.info));
}

std::string_view ReasonName(v1::Reason reason) {
  std::string_view name = v1::Reason_Name(reason);
  name.remove_prefix(std::min(name.size(), std::string_view("REASON_").size()));
  return name;
}

std::optional<v1::ErrorInfo> ErrorInfoOf(const grpc::Status& status) {
  const std::string details = status.error_details();
  CodedInputStream in(reinterpret_cast<const uint8_t*>(details.data()),
                      static_cast<int>(details.size()));
  google::protobuf::Any any;
  while (NextDetail(in, any)) {
    v1::ErrorInfo info;
    if (any.UnpackTo(&info)) return info;
  }
  return std::nullopt;
}

server::AppendOp ToOp(const v1::AppendRequest& request) {
  server::AppendOp op;
  op.records = RecordsRegion(request);
  op.count = static_cast<uint32_t>(request.records_size());
  op.if_last_seq = IfLastSeq(request.condition());
  if (request.condition().has_if_lease_epoch()) {
    op.if_lease_epoch = Epoch(request.condition().if_lease_epoch());
  }
  op.lease_name = LeaseName(request.condition().lease_name());
  op.producer_id = request.producer().id();
  op.producer_sequence = request.producer().sequence();
  return op;
}

server::RegisterProducerOp ToOp(const v1::RegisterProducerRequest& /*request*/) { return {}; }

server::TrimOp ToOp(const v1::TrimRequest& request) {
  return {.first_seq = Seq(request.first_seq()), .force = request.force()};
}

server::RegisterSnapshotOp ToOp(const v1::RegisterSnapshotRequest& request) {
  return {.name = request.name(),
          .seq = Seq(request.seq()),
          .chain = request.chain(),
          .location = request.location()};
}

server::DescribeOp ToOp(const v1::DescribeLogRequest& request) {
  return {.linearizable = request.linearizable(), .with_segments = request.with_segments()};
}

server::CatalogOp ToOp(const v1::CreateLogRequest& request) {
  server::CatalogOp op;
  v1::LogCreated* created = op.command.mutable_log_created();
  created->set_name(request.name());
  *created->mutable_settings() = request.settings();
  op.if_not_exists = request.if_not_exists();
  return op;
}

server::CatalogOp ToOp(const v1::UpdateLogRequest& request) {
  server::CatalogOp op;
  v1::LogUpdated* updated = op.command.mutable_log_updated();
  updated->set_log_id(request.log_id());
  *updated->mutable_settings() = request.settings();
  return op;
}

server::CatalogOp ToOp(const v1::DeleteLogRequest& request) {
  server::CatalogOp op;
  op.command.mutable_log_deleted()->set_log_id(request.log_id());
  return op;
}

server::AcquireOp ToOp(const v1::AcquireRequest& request) {
  return {.name = LeaseName(request.name()),
          .holder = request.holder(),
          .ttl_ms = request.ttl_ms(),
          .if_last_seq = IfLastSeq(request)};
}

server::RenewOp ToOp(const v1::RenewRequest& request) {
  return {.name = LeaseName(request.name()), .epoch = Epoch(request.epoch())};
}

server::ReleaseOp ToOp(const v1::ReleaseRequest& request) {
  return {.name = LeaseName(request.name()), .epoch = Epoch(request.epoch())};
}

server::TransferLeaseOp ToOp(const v1::TransferRequest& request) {
  return {.name = LeaseName(request.name()),
          .epoch = Epoch(request.epoch()),
          .to = request.to(),
          .ttl_ms = request.ttl_ms(),
          .if_last_seq = IfLastSeq(request)};
}

server::GetLeaseOp ToOp(const v1::GetRequest& request) {
  return {.name = LeaseName(request.name())};
}

server::TransferLeadershipOp ToOp(const v1::TransferLeadershipRequest& request) {
  return {.to = NodeId(request.to_node_id())};
}

server::TailStart StartOf(const v1::ReadRequest& request) {
  using Kind = server::TailStart::Kind;
  switch (request.start_case()) {
    case v1::ReadRequest::kStartTimestampUs:
      return {.kind = Kind::kTimestamp, .seq = Seq(), .timestamp_us = request.start_timestamp_us()};
    case v1::ReadRequest::kStartSeq:
      if (request.start_seq() == 0) break;
      return {.kind = Kind::kSeq, .seq = Seq(request.start_seq()), .timestamp_us = 0};
    case v1::ReadRequest::START_NOT_SET:
      break;
  }
  return {.kind = Kind::kFirst, .seq = Seq(), .timestamp_us = 0};
}

server::TailStart StartOf(const v1::TailRequest& request) {
  using Kind = server::TailStart::Kind;
  switch (request.start_case()) {
    case v1::TailRequest::kStartSeq:
      return {.kind = Kind::kSeq, .seq = Seq(request.start_seq()), .timestamp_us = 0};
    case v1::TailRequest::kFromNext:
      return {.kind = Kind::kNext, .seq = Seq(), .timestamp_us = 0};
    case v1::TailRequest::kStartTimestampUs:
      return {.kind = Kind::kTimestamp, .seq = Seq(), .timestamp_us = request.start_timestamp_us()};
    case v1::TailRequest::kFromFirst:
    case v1::TailRequest::START_NOT_SET:
      break;
  }
  return {.kind = Kind::kFirst, .seq = Seq(), .timestamp_us = 0};
}

void Fill(const server::AppendDone& done, v1::AppendResponse& response) {
  response.set_first_seq(done.first_seq.value());
  response.set_last_seq(done.last_seq.value());
  response.set_timestamp_us(done.timestamp_us);
  response.set_chain(done.chain);
  response.set_duplicate(done.duplicate);
}

void Fill(const server::RegisterProducerDone& done, v1::RegisterProducerResponse& response) {
  response.set_producer_id(done.producer_id);
  response.set_expires_after_ms(done.expires_after_ms);
}

void Fill(const server::TrimDone& done, v1::TrimResponse& response) {
  response.set_first_seq(done.first_seq.value());
}

void Fill(const server::Done& /*done*/, v1::RegisterSnapshotResponse& /*response*/) {}

void Fill(const server::Described& done, v1::DescribeLogResponse& response) {
  response = done.response;
}

void Fill(const server::CatalogDone& done, v1::CreateLogResponse& response) {
  response.set_log_id(done.log_id.value());
  response.set_created(done.created);
}

void Fill(const server::CatalogDone& done, v1::UpdateLogResponse& response) {
  *response.mutable_settings() = done.settings;
}

void Fill(const server::CatalogDone& /*done*/, v1::DeleteLogResponse& /*response*/) {}

void Fill(const server::LeaseGranted& done, v1::AcquireResponse& response) {
  response.set_epoch(done.epoch.value());
  response.set_last_seq(done.last_seq.value());
  response.set_chain(done.chain);
}

void Fill(const server::LeaseGranted& done, v1::TransferResponse& response) {
  response.set_epoch(done.epoch.value());
}

void Fill(const server::LeaseRenewed& done, v1::RenewResponse& response) {
  response.set_ttl_ms(done.ttl_ms);
}

void Fill(const server::LeaseReleased& done, v1::ReleaseResponse& response) {
  response.set_last_seq(done.last_seq.value());
}

void Fill(const server::LeaseView& done, v1::GetResponse& response) {
  *response.mutable_lease() = done.lease;
  response.set_last_seq(done.last_seq.value());
}

void Fill(const server::Done& /*done*/, v1::TransferLeadershipResponse& response) {
  response.set_transferred(1);
}

void Fill(const server::GroupView& view, v1::GroupStatus& status) {
  status.set_log_id(view.group.value());
  status.set_log(view.name);
  status.set_role(RoleName(view));
  status.set_term(view.term.value());
  status.set_leader_node_id(view.leader.value());
  status.set_commit_index(view.commit.value());
  status.set_applied_index(view.applied.value());
  status.set_last_index(view.last.value());
  status.set_last_seq(view.last_seq.value());
  status.set_chain(view.chain);
  status.set_first_seq(view.first_seq.value());
  status.set_lag_entries(view.lag_entries);
  status.set_suspect(view.suspect);
  status.set_standing(StandingName(view.standing));
  for (const NodeId voter : view.voters) status.add_voter_node_ids(voter.value());
}

void Fill(const server::CatalogMember& member, v1::Member& message) {
  message.set_node_id(member.id.value());
  message.set_name(member.name);
  message.set_address(member.address);
  message.set_zone(member.zone);
  message.set_incarnation(member.incarnation);
  message.set_state(member.state);
}

void Fill(const server::CatalogLog& log, v1::LogSummary& message) {
  message.set_name(log.name);
  message.set_log_id(log.id.value());
  *message.mutable_settings() = log.settings;
  for (const NodeId replica : log.replicas) message.add_replica_node_ids(replica.value());
}

}  // namespace cairn::rpc
