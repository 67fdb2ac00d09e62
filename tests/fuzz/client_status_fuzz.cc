// What a server's refusals become in the client library (client/src/error_codec.h, convert.h), and
// how the service spells them (server/rpc/convert.h).
//
// The first byte picks the form: bytes of a trailer; an ErrorInfo; a response of some method.
// Beyond "no crash": an error never becomes a success; a refusal with a reason arrives with that
// reason; service and client find the same ErrorInfo in the same bytes; names of reasons are never
// empty.
#include <google/protobuf/message.h>

#include <memory>

#include "base/check.h"
#include "client/src/convert.h"
#include "client/src/error_codec.h"
#include "client/src/retry.h"
#include "server/rpc/convert.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

enum Form : uint8_t { kTrailer, kRefusal, kDescription, kStatus, kMembers, kLogs, kBatch };
constexpr uint8_t kForms = kBatch + 1;

void CheckStatus(const absl::Status& status) {
  CHECK(!status.ok());
  CHECK(!ReasonName(GetReason(status)).empty());
  const auto info = GetErrorInfo(status);
  CHECK(info.has_value() || GetReason(status) == Reason::kUnspecified);
  CHECK(IsUnknownOutcome(client::MarkUnknown(status)));
  CHECK(client::WasNeverSent(client::MarkNeverSent(status)));
  // Whatever it is, a caller is told what to do next.
  for (const bool idempotent : {false, true}) {
    (void)client::Judge(
        status, {.idempotent = idempotent, .log_known = true, .wait_out_storage_full = idempotent});
  }
}

void CheckTrailer(Input input) {
  const int code = static_cast<int8_t>(input.Byte());
  const std::string message(input.Piece());
  const std::string details(input.Rest());
  const absl::Status status = client::StatusFromTrailer(code, message, details);
  CHECK_EQ(status.ok(), code == 0);
  if (status.ok()) return;
  CheckStatus(status);
}

void CheckRefusal(std::string_view bytes) {
  v1::ErrorInfo info;
  if (!info.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  CheckStatus(client::RefusalStatus(0, "m", info));
  if (!v1::Reason_IsValid(info.reason()) || info.reason() == v1::REASON_UNSPECIFIED) return;
  const grpc::Status sent = rpc::ToStatus({.info = info, .message = "m"});
  const absl::Status got = client::StatusFromTrailer(static_cast<int>(sent.error_code()),
                                                     sent.error_message(), sent.error_details());
  CheckStatus(got);
  CHECK_EQ(static_cast<int>(GetReason(got)), static_cast<int>(info.reason()));
  CHECK_EQ(rpc::ErrorInfoOf(sent)->reason(), info.reason());
}

template <class Message>
std::unique_ptr<Message> Parsed(std::string_view bytes) {
  auto message = std::make_unique<Message>();
  if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return nullptr;
  return message;
}

void CheckBatch(v1::RecordBatch* in) {
  const int count = in->records_size();
  const RecordBatch batch = client::TakeBatch(in);
  CHECK_EQ(batch.records.size(), static_cast<size_t>(count));
  for (const Record& record : batch.records) CHECK(!RecordKindName(record.kind).empty());
}

void Run(std::string_view bytes) {
  Input input(bytes);
  const Form form = static_cast<Form>(input.Byte() % kForms);
  if (form == kTrailer) return CheckTrailer(input);
  const std::string_view rest = input.Rest();
  if (form == kRefusal) return CheckRefusal(rest);
  if (form == kDescription) {
    const auto message = Parsed<v1::DescribeLogResponse>(rest);
    if (message) CHECK_EQ(client::FromProto(*message).name, message->name());
  } else if (form == kStatus) {
    const auto message = Parsed<v1::StatusResponse>(rest);
    if (message) CHECK_EQ(client::FromProto(*message).node_name, message->node_name());
  } else if (form == kMembers) {
    const auto message = Parsed<v1::MembersResponse>(rest);
    if (message) CHECK_EQ(client::FromProto(*message).cluster_id, message->cluster_id());
  } else if (form == kLogs) {
    const auto message = Parsed<v1::LogSummary>(rest);
    if (message) CHECK_EQ(client::FromProto(*message).name, message->name());
  } else if (const auto message = Parsed<v1::RecordBatch>(rest)) {
    CheckBatch(message.get());
  }
}

std::string Of(Form form, const std::string& bytes) { return Number(form, 1) + bytes; }

std::string Trailer(v1::Reason reason) {
  server::Rejection rejection = rpc::Reject(reason, "orders", "why");
  rejection.info.set_leader_address("127.0.0.1:7101");
  rejection.info.mutable_lease()->set_holder("a");
  const grpc::Status status = rpc::ToStatus(rejection);
  return Of(kTrailer, Number(static_cast<uint8_t>(status.error_code()), 1) + Piece("why") +
                          status.error_details());
}

std::vector<Seed> Seeds() {
  v1::ErrorInfo info;
  info.set_reason(v1::REASON_TOO_LARGE);
  info.set_limit(10);
  v1::DescribeLogResponse description;
  description.set_name("orders");
  description.add_replicas()->set_node_id(1);
  description.add_segments()->set_bytes(5);
  description.add_leases()->set_epoch(4);
  v1::StatusResponse status;
  status.add_groups()->set_role("leader");
  v1::MembersResponse members;
  members.add_members()->set_name("a");
  v1::LogSummary log;
  log.set_name("orders");
  log.mutable_settings()->set_fenced(true);
  v1::RecordBatch batch;
  batch.set_first_seq(4);
  batch.add_records()->mutable_lease()->set_name("primary");
  (*batch.add_records()->mutable_metadata())["k"] = "v";
  return {{"trailer-not-leader", Trailer(v1::REASON_NOT_LEADER)},
          {"trailer-unknown", Trailer(v1::REASON_OUTCOME_UNKNOWN)},
          {"trailer-none", Of(kTrailer, Number(14, 1) + Piece("connection reset"))},
          {"refusal", Of(kRefusal, info.SerializeAsString())},
          {"description", Of(kDescription, description.SerializeAsString())},
          {"status", Of(kStatus, status.SerializeAsString())},
          {"members", Of(kMembers, members.SerializeAsString())},
          {"log", Of(kLogs, log.SerializeAsString())},
          {"batch", Of(kBatch, batch.SerializeAsString())}};
}

const Registered registered({.name = "client_status", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
