#include "storage/rocks_rows.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::storage {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are stored as they lie");

// Offsets in an entry's row.
constexpr size_t kTermAt = 8;
constexpr size_t kFirstSeqAt = 16;
constexpr size_t kTimestampAt = 24;
constexpr size_t kBytesThroughAt = 32;
constexpr size_t kRecordCountAt = 40;
constexpr size_t kKindAt = 44;
constexpr size_t kZeroAt = 45;
constexpr size_t kZeroBytes = 3;

constexpr size_t kSegmentHeaderBytes = 40;

template <class T>
void Put(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof bytes);
}

template <class T>
T Get(std::string_view in, size_t offset) {
  T value;
  std::memcpy(&value, in.data() + offset, sizeof value);
  return value;
}

absl::Status BadLength(const char* row, size_t bytes, size_t expected) {
  return absl::DataLossError(
      ToAbsl(fmt::format("{} row has {} bytes, expected {}", row, bytes, expected)));
}

// `header` is the whole row header; its first eight bytes do not count.
uint64_t EntryChecksum(GroupId group, Index index, std::string_view header,
                       std::string_view payload) {
  char covered[16 + kEntryRowHeaderBytes - kTermAt];
  const uint64_t place[2] = {group.value(), index.value()};
  std::memcpy(covered, place, sizeof place);
  std::memcpy(covered + sizeof place, header.data() + kTermAt, kEntryRowHeaderBytes - kTermAt);
  return XXH3_64bits_withSeed(payload.data(), payload.size(), XXH3_64bits(covered, sizeof covered));
}

}  // namespace

std::string EncodeEntryRowHeader(GroupId group, const EntryRef& entry, uint64_t bytes_through) {
  std::string header;
  header.reserve(kEntryRowHeaderBytes);
  Put<uint64_t>(header, 0);
  Put<uint64_t>(header, entry.term.value());
  Put<uint64_t>(header, entry.first_seq.value());
  Put<int64_t>(header, entry.timestamp_us);
  Put<uint64_t>(header, bytes_through);
  Put<uint32_t>(header, entry.record_count);
  Put<uint8_t>(header, entry.kind);
  header.append(kZeroBytes, '\0');
  CHECK_EQ(header.size(), kEntryRowHeaderBytes);
  const uint64_t checksum = EntryChecksum(group, entry.index, header, entry.payload);
  std::memcpy(header.data(), &checksum, sizeof checksum);
  return header;
}

absl::StatusOr<EntryRef> ParseEntryRow(GroupId group, Index index, std::string_view value) {
  if (value.size() < kEntryRowHeaderBytes) {
    return absl::DataLossError(
        ToAbsl(fmt::format("group {}: entry {} has {} bytes, the header alone has {}", group, index,
                           value.size(), kEntryRowHeaderBytes)));
  }
  const std::string_view payload = value.substr(kEntryRowHeaderBytes);
  const uint64_t expected = Get<uint64_t>(value, 0);
  const uint64_t actual = EntryChecksum(group, index, value, payload);
  if (actual != expected) {
    return absl::DataLossError(
        ToAbsl(fmt::format("group {}: entry {} has checksum {:016x}, expected {:016x}", group,
                           index, actual, expected)));
  }
  if (value.substr(kZeroAt, kZeroBytes) != std::string_view("\0\0\0", kZeroBytes)) {
    return absl::DataLossError(ToAbsl(
        fmt::format("group {}: entry {} has other bytes at offset {} than the zeros of this format",
                    group, index, kZeroAt)));
  }
  return EntryRef{.index = index,
                  .term = Term(Get<uint64_t>(value, kTermAt)),
                  .kind = Get<uint8_t>(value, kKindAt),
                  .payload = payload,
                  .first_seq = Seq(Get<uint64_t>(value, kFirstSeqAt)),
                  .record_count = Get<uint32_t>(value, kRecordCountAt),
                  .timestamp_us = Get<int64_t>(value, kTimestampAt)};
}

absl::StatusOr<StoredEntry> DecodeEntryRow(GroupId group, Index index, std::string_view value) {
  ASSIGN_OR_RETURN(const EntryRef row, ParseEntryRow(group, index, value));
  return StoredEntry{.index = row.index,
                     .term = row.term,
                     .kind = row.kind,
                     .payload = row.payload.empty() ? Bytes() : Bytes(std::string(row.payload)),
                     .first_seq = row.first_seq,
                     .record_count = row.record_count,
                     .timestamp_us = row.timestamp_us};
}

absl::StatusOr<uint64_t> DecodeBytesThrough(GroupId group, Index index, std::string_view value) {
  if (value.size() < kEntryRowHeaderBytes) {
    return absl::DataLossError(
        ToAbsl(fmt::format("group {}: entry {} has only {} bytes", group, index, value.size())));
  }
  return Get<uint64_t>(value, kBytesThroughAt);
}

std::string EncodeSeqRow(const SeqRow& row) {
  std::string out;
  Put<uint64_t>(out, row.index.value());
  Put<int64_t>(out, row.timestamp_us);
  Put<uint32_t>(out, row.record_count);
  return out;
}

absl::StatusOr<SeqRow> DecodeSeqRow(std::string_view value) {
  if (value.size() != 20) return BadLength("seq", value.size(), 20);
  return SeqRow{Index(Get<uint64_t>(value, 0)), Get<int64_t>(value, 8), Get<uint32_t>(value, 16)};
}

std::string EncodeHardState(const StoredHardState& state) {
  std::string out;
  Put<uint64_t>(out, state.term.value());
  Put<uint64_t>(out, state.vote.value());
  Put<uint64_t>(out, state.commit.value());
  return out;
}

absl::StatusOr<StoredHardState> DecodeHardState(std::string_view value) {
  if (value.size() != 24) return BadLength("hard state", value.size(), 24);
  return StoredHardState{Term(Get<uint64_t>(value, 0)), NodeId(Get<uint64_t>(value, 8)),
                         Index(Get<uint64_t>(value, 16))};
}

std::string EncodeSegment(const StoredSegment& segment) {
  std::string out;
  out.reserve(kSegmentHeaderBytes + segment.row.state.size());
  Put<uint64_t>(out, segment.row.before_term.value());
  Put<uint64_t>(out, segment.row.first_seq.value());
  Put<int64_t>(out, segment.row.timestamp_us);
  Put<uint64_t>(out, segment.row.chain_before);
  Put<uint64_t>(out, segment.bytes_before);
  out.append(segment.row.state);
  return out;
}

absl::StatusOr<StoredSegment> DecodeSegment(Index before_index, std::string_view value) {
  if (value.size() < kSegmentHeaderBytes) {
    return BadLength("segment", value.size(), kSegmentHeaderBytes);
  }
  StoredSegment segment;
  segment.row.before_index = before_index;
  segment.row.before_term = Term(Get<uint64_t>(value, 0));
  segment.row.first_seq = Seq(Get<uint64_t>(value, 8));
  segment.row.timestamp_us = Get<int64_t>(value, 16);
  segment.row.chain_before = Get<uint64_t>(value, 24);
  segment.bytes_before = Get<uint64_t>(value, 32);
  segment.row.state = std::string(value.substr(kSegmentHeaderBytes));
  return segment;
}

std::string EncodeNumber(uint64_t number) {
  std::string out;
  Put<uint64_t>(out, number);
  return out;
}

absl::StatusOr<uint64_t> DecodeNumber(std::string_view value) {
  if (value.size() != 8) return BadLength("number", value.size(), 8);
  return Get<uint64_t>(value, 0);
}

}  // namespace cairn::storage
