#include "base/record_region.h"

#include <xxhash.h>

#include "base/check.h"

namespace cairn {
namespace {

// Field 4 (RecordBatch.records), wire type 2 (length-delimited).
constexpr char kRecordTag = 0x22;
// A length takes at most five bytes: it is below 2^31, as protobuf's own limit is.
constexpr size_t kMaxLengthBytes = 5;
constexpr uint64_t kMaxRecordBytes = (1u << 31) - 1;

void PutVarint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

}  // namespace

void AppendRecordTo(std::string& region, std::string_view serialized_record) {
  CHECK_LE(serialized_record.size(), kMaxRecordBytes);
  region.push_back(kRecordTag);
  PutVarint(region, serialized_record.size());
  region.append(serialized_record);
}

std::optional<std::string_view> SplitRecord(std::string_view& region) {
  if (region.empty() || region[0] != kRecordTag) return std::nullopt;
  uint64_t length = 0;
  size_t used = 1;
  for (unsigned shift = 0;; shift += 7) {
    if (used > kMaxLengthBytes || used >= region.size()) return std::nullopt;
    const auto byte = static_cast<uint8_t>(region[used++]);
    length |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    if (byte == 0 && shift != 0) return std::nullopt;
    break;
  }
  if (length > kMaxRecordBytes || length > region.size() - used) return std::nullopt;
  const std::string_view record = region.substr(used, length);
  region.remove_prefix(used + length);
  return record;
}

uint64_t ChainNext(uint64_t chain, std::string_view record) {
  return XXH3_64bits_withSeed(record.data(), record.size(), chain);
}

}  // namespace cairn
