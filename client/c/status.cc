#include "client/c/status.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>

#include "cairn/error.h"

namespace cairn::c {
namespace {

constexpr std::array<const char*, 17> kCodeNames = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

// Copies what there is room for, whole UTF-8 characters only.
void SetMessage(std::string_view message, cairn_status& out) {
  size_t size = std::min(message.size(), sizeof(out.message) - 1);
  if (size < message.size()) {
    while (size > 0 && (static_cast<unsigned char>(message[size]) & 0xC0u) == 0x80u) --size;
  }
  std::memcpy(out.message, message.data(), size);
}

}  // namespace

cairn_code FillPlain(cairn_code code, const char* message, cairn_status* out) noexcept {
  if (out == nullptr) return code;
  *out = {};
  out->code = code;
  SetMessage(message, *out);
  return code;
}

cairn_code Fill(const absl::Status& status, cairn_status* out) {
  const auto code = static_cast<cairn_code>(status.code());
  if (out == nullptr) return code;
  *out = {};
  out->code = code;
  if (status.ok()) return code;
  SetMessage({status.message().data(), status.message().size()}, *out);
  out->unknown_outcome = IsUnknownOutcome(status) ? 1 : 0;
  if (const std::optional<ErrorInfo> info = GetErrorInfo(status)) {
    out->reason = static_cast<int32_t>(info->reason);
    out->retry_after_ms = info->retry_after_ms;
    out->last_seq = info->last_seq.value();
    out->first_seq = info->first_seq.value();
  }
  return code;
}

}  // namespace cairn::c

const char* cairn_status_name(const cairn_status* status) {
  if (status == nullptr) return "INVALID_ARGUMENT";
  if (status->reason != CAIRN_REASON_NONE) {
    // The names are literals, so they end with a zero byte.
    return cairn::ReasonName(static_cast<cairn::Reason>(status->reason)).data();
  }
  const auto code = static_cast<size_t>(status->code);
  return code < cairn::c::kCodeNames.size() ? cairn::c::kCodeNames[code] : "UNKNOWN";
}
