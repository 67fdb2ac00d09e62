#include "cairn/error.h"

#include <array>
#include <string>

#include "absl/strings/cord.h"
#include "base/strings.h"
#include "cairn/request_id.h"
#include "client/src/convert.h"
#include "client/src/error_codec.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace cairn {
namespace {

constexpr char kErrorInfoUrl[] = "type.googleapis.com/cairn.v1.ErrorInfo";
// Payloads of the library itself; their content is empty.
constexpr char kUnknownUrl[] = "cairn.client/unknown-outcome";
constexpr char kNeverSentUrl[] = "cairn.client/never-sent";
// Its content is the id.
constexpr char kRequestIdUrl[] = "cairn.client/request-id";

constexpr std::array<std::string_view, 32> kReasonNames = {
    "UNSPECIFIED",       "NOT_LEADER",     "CONDITION_FAILED", "LEASE_HELD",
    "LEASE_LOST",        "LOG_NOT_FOUND",  "LOG_RECREATED",    "LOG_EXISTS",
    "PRODUCER_EXPIRED",  "TRIMMED",        "SEQ_IN_FUTURE",    "TOO_LARGE",
    "INVALID",           "OVERLOADED",     "TRIM_GUARDED",     "FENCE_REQUIRED",
    "DUPLICATE_GAP",     "STORAGE_FULL",   "UNAUTHENTICATED",  "PERMISSION_DENIED",
    "LOG_HALTED",        "CHAIN_MISMATCH", "TABLE_FULL",       "SHUTTING_DOWN",
    "STREAM_BROKEN",     "NOT_CAUGHT_UP",  "NOT_READY",        "OUTCOME_UNKNOWN",
    "NO_SUCH_PRINCIPAL", "LOCK_OUT",       "ARCHIVE_DAMAGED",  "ARCHIVE_UNAVAILABLE"};

bool ParseErrorInfo(const absl::Status& status, v1::ErrorInfo* info) {
  const auto payload = status.GetPayload(kErrorInfoUrl);
  return payload.has_value() && info->ParseFromString(std::string(*payload));
}

absl::StatusCode ToCode(int grpc_code) {
  if (grpc_code <= 0 || grpc_code > 16) return absl::StatusCode::kUnknown;
  return static_cast<absl::StatusCode>(grpc_code);
}

// Finds the ErrorInfo among the details of a serialized google.rpc.Status, whose field 3 is
// `repeated google.protobuf.Any details`.
bool FindErrorInfo(std::string_view details, v1::ErrorInfo* info) {
  using google::protobuf::internal::WireFormatLite;
  constexpr uint32_t kDetailsTag = (3 << 3) | WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(details.data()),
                                            static_cast<int>(details.size()));
  while (const uint32_t tag = in.ReadTag()) {
    if (tag != kDetailsTag) {
      if (!WireFormatLite::SkipField(&in, tag)) return false;
      continue;
    }
    uint32_t size = 0;
    std::string bytes;
    google::protobuf::Any any;
    if (!in.ReadVarint32(&size) || !in.ReadString(&bytes, static_cast<int>(size))) return false;
    if (any.ParseFromString(bytes) && any.type_url() == kErrorInfoUrl) {
      return info->ParseFromString(any.value());
    }
  }
  return false;
}

}  // namespace

std::string_view ReasonName(Reason reason) {
  const auto i = static_cast<size_t>(reason);
  return i < kReasonNames.size() ? kReasonNames[i] : kReasonNames[0];
}

std::optional<ErrorInfo> GetErrorInfo(const absl::Status& status) {
  v1::ErrorInfo info;
  if (!ParseErrorInfo(status, &info)) return std::nullopt;
  return client::FromProto(info);
}

Reason GetReason(const absl::Status& status) {
  v1::ErrorInfo info;
  return ParseErrorInfo(status, &info) ? static_cast<Reason>(info.reason()) : Reason::kUnspecified;
}

std::string GetRequestId(const absl::Status& status) {
  const auto payload = status.GetPayload(kRequestIdUrl);
  return payload.has_value() ? std::string(*payload) : std::string();
}

bool IsDenied(const absl::Status& status) {
  const Reason reason = GetReason(status);
  return reason == Reason::kPermissionDenied || reason == Reason::kUnauthenticated;
}

bool IsUnknownOutcome(const absl::Status& status) {
  if (status.ok()) return false;
  return status.GetPayload(kUnknownUrl).has_value() || GetReason(status) == Reason::kOutcomeUnknown;
}

namespace client {

absl::Status RefusalStatus(int code, std::string_view message, const v1::ErrorInfo& info) {
  absl::Status status(ToCode(code), ToAbsl(message));
  status.SetPayload(kErrorInfoUrl, absl::Cord(info.SerializeAsString()));
  return status;
}

absl::Status StatusFromTrailer(int code, std::string_view message, std::string_view details) {
  if (code == 0) return absl::OkStatus();
  v1::ErrorInfo info;
  if (FindErrorInfo(details, &info)) return RefusalStatus(code, message, info);
  return absl::Status(ToCode(code), ToAbsl(message));
}

absl::Status MarkUnknown(absl::Status status) {
  if (!status.ok()) status.SetPayload(kUnknownUrl, absl::Cord());
  return status;
}

absl::Status MarkNeverSent(absl::Status status) {
  if (!status.ok()) status.SetPayload(kNeverSentUrl, absl::Cord());
  return status;
}

absl::Status NameRequest(absl::Status status, std::string_view request_id) {
  if (!status.ok()) status.SetPayload(kRequestIdUrl, absl::Cord(ToAbsl(request_id)));
  return status;
}

bool WasNeverSent(const absl::Status& status) {
  return status.GetPayload(kNeverSentUrl).has_value();
}

bool IsRefusal(const absl::Status& status) {
  const Reason reason = GetReason(status);
  return reason != Reason::kUnspecified && reason != Reason::kOutcomeUnknown;
}

}  // namespace client
}  // namespace cairn
