#include "cli/record_printer.h"

#include <fmt/format.h>

#include "absl/strings/escaping.h"
#include "base/strings.h"
#include "cli/record_splitter.h"

namespace cairn::cli {
namespace {

constexpr size_t kHexColumns = 16;

// Length of the UTF-8 sequence that begins with `lead`; 0 if none does.
size_t SequenceBytes(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  if (lead >= 0xF0 && lead < 0xF5) return 4;
  return 0;
}

// The second byte rules out overlong forms, surrogates and what lies past U+10FFFF.
bool SecondByteFits(unsigned char lead, unsigned char second) {
  switch (lead) {
    case 0xE0:
      return second >= 0xA0;
    case 0xED:
      return second < 0xA0;
    case 0xF0:
      return second >= 0x90;
    case 0xF4:
      return second < 0x90;
    default:
      return true;
  }
}

std::string_view EventVerb(RecordKind kind) {
  switch (kind) {
    case RecordKind::kLeaseAcquired:
      return "acquired by";
    case RecordKind::kLeaseReleased:
      return "released by";
    case RecordKind::kLeaseTransferred:
      return "transferred to";
    case RecordKind::kLeaseExpired:
      return "expired, was held by";
    case RecordKind::kData:
    case RecordKind::kCatalog:
      break;
  }
  return "changed by";
}

std::string Facts(const Record& record) {
  std::string facts =
      fmt::format("# seq {}  {}  {}", record.seq, FormatTimestampUs(record.timestamp_us),
                  RecordKindName(record.kind));
  if (record.lease) return facts + "  " + DescribeEvent(record) + "\n";
  facts += fmt::format("  {} bytes", record.payload.size());
  for (const auto& [key, value] : record.metadata) facts += fmt::format("  {}={}", key, value);
  return facts + "\n";
}

}  // namespace

bool IsUtf8(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size();) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    const size_t length = SequenceBytes(lead);
    if (length == 0 || i + length > bytes.size()) return false;
    for (size_t j = 1; j < length; ++j) {
      const auto next = static_cast<unsigned char>(bytes[i + j]);
      if ((next & 0xC0u) != 0x80u || (j == 1 && !SecondByteFits(lead, next))) return false;
    }
    i += length;
  }
  return true;
}

std::string Base64(std::string_view bytes) { return absl::Base64Escape(ToAbsl(bytes)); }

std::string HexDump(std::string_view bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += kHexColumns) {
    const std::string_view row = bytes.substr(at, kHexColumns);
    std::string hex;
    std::string shown;
    for (const char c : row) {
      hex += fmt::format("{:02x} ", static_cast<unsigned char>(c));
      shown += c >= ' ' && c < 0x7f ? c : '.';
    }
    text += fmt::format("{:08x}  {:<{}} |{}|\n", at, hex, kHexColumns * 3, shown);
  }
  return text;
}

std::string DescribeEvent(const Record& record) {
  if (!record.lease) return "";
  const LeaseEvent& lease = *record.lease;
  std::string text =
      fmt::format("lease {} {} {}", lease.name, EventVerb(record.kind), lease.holder);
  if (lease.ended_epoch) text += fmt::format(", epoch {} ended", lease.ended_epoch);
  const bool grants =
      record.kind == RecordKind::kLeaseAcquired || record.kind == RecordKind::kLeaseTransferred;
  if (grants) {
    text += fmt::format(", epoch {} for {}", record.seq, FormatDurationMs(lease.ttl_ms));
  }
  return text;
}

Json RecordToJson(const Record& record) {
  Json json = {{"seq", record.seq.value()},
               {"timestamp_us", record.timestamp_us},
               {"kind", std::string(RecordKindName(record.kind))}};
  if (record.lease) {
    const LeaseEvent& lease = *record.lease;
    json["lease"] = {{"name", lease.name},
                     {"holder", lease.holder},
                     {"ttl_ms", lease.ttl_ms},
                     {"ended_epoch", lease.ended_epoch.value()}};
    return json;
  }
  if (IsUtf8(record.payload)) {
    json["payload"] = record.payload;
  } else {
    json["payload_base64"] = Base64(record.payload);
  }
  if (!record.metadata.empty()) json["metadata"] = record.metadata;
  return json;
}

void RecordPrinter::Print(const RecordBatch& batch) {
  for (const Record& record : batch.records) Print(record);
}

void RecordPrinter::Print(const Record& record) {
  const bool is_data = record.kind == RecordKind::kData;
  if (is_data) {
    ++records_;
    bytes_ += record.payload.size();
  }
  switch (out_.format()) {
    case Format::kText:
      out_.Write(is_data ? record.payload + "\n" : Facts(record));
      return;
    case Format::kJson:
      out_.Write(DumpJson(RecordToJson(record)) + "\n");
      return;
    case Format::kHex:
      out_.Write(Facts(record) + HexDump(record.payload));
      return;
    case Format::kResp:
      PrintResp(record);
      return;
    case Format::kRaw:
      if (is_data) out_.Write(record.payload);
      return;
    case Format::kLengthPrefixed:
      if (!is_data) return;
      text_.clear();
      AppendLengthPrefixed(text_, record.payload);
      out_.Write(text_);
      return;
  }
}

void RecordPrinter::PrintResp(const Record& record) {
  if (record.kind != RecordKind::kData) {
    out_.Write(Facts(record));
    return;
  }
  std::vector<RespCommand> commands;
  const absl::Status status = resp_.Feed(record.payload, commands);
  for (const RespCommand& command : commands) {
    out_.Write(fmt::format("{} {} {}\n", record.seq, FormatTimestampUs(record.timestamp_us),
                           FormatRespCommand(command)));
  }
  if (!status.ok()) {
    out_.Write(
        fmt::format("# seq {} is not a Redis stream: {}\n", record.seq, ToStd(status.message())));
  }
}

}  // namespace cairn::cli
