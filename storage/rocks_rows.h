// The values of the store's rows: what stands behind the keys of key_codec.h.
//
// Numbers are little-endian.
//
//   entries     checksum(8) term(8) first_seq(8) timestamp_us(8) bytes_through(8)
//               record_count(4) kind(1) zero(3) payload(…)
//   seqs        index(8) timestamp_us(8) record_count(4)
//   hard state  term(8) vote(8) commit(8)
//   term row    term(8)
//   segment     before_term(8) first_seq(8) timestamp_us(8) chain_before(8) bytes_before(8)
//               state(…)
//   trash       removed_at(8), wall clock in µs; 0: being purged
//   damage      text: what is missing behind the last entry
//   run         after(8): entries behind it do not count
//   turn        turn(8)      identity  incarnation(8)      formed  the runtime's bytes
//
// The checksum of an entry is XXH3-64 over its payload, seeded with the XXH3-64 of group,
// index and all header fields behind the checksum: an entry under another's key does not
// match either. bytes_through is the running sum of segment_table.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "storage/log_store.h"
#include "storage/segment_table.h"

namespace cairn::storage {

inline constexpr size_t kEntryRowHeaderBytes = 48;

// The header of an entry's row; the payload follows it unchanged.
std::string EncodeEntryRowHeader(GroupId group, const EntryRef& entry, uint64_t bytes_through);
// Checks everything; what it returns refers to `value`. Errors: kDataLoss naming group and index.
absl::StatusOr<EntryRef> ParseEntryRow(GroupId group, Index index, std::string_view value);
// The same, with a copy of the payload.
absl::StatusOr<StoredEntry> DecodeEntryRow(GroupId group, Index index, std::string_view value);
// The running sum alone; looks at the header's length only.
absl::StatusOr<uint64_t> DecodeBytesThrough(GroupId group, Index index, std::string_view value);

struct SeqRow {
  Index index;
  int64_t timestamp_us = 0;
  uint32_t record_count = 0;
  bool operator==(const SeqRow&) const = default;
};
std::string EncodeSeqRow(const SeqRow& row);
absl::StatusOr<SeqRow> DecodeSeqRow(std::string_view value);

std::string EncodeHardState(const StoredHardState& state);
absl::StatusOr<StoredHardState> DecodeHardState(std::string_view value);

struct StoredSegment {
  SegmentRow row;
  uint64_t bytes_before = 0;
  bool operator==(const StoredSegment&) const = default;
};
std::string EncodeSegment(const StoredSegment& segment);
absl::StatusOr<StoredSegment> DecodeSegment(Index before_index, std::string_view value);

// A row that is one number.
std::string EncodeNumber(uint64_t number);
absl::StatusOr<uint64_t> DecodeNumber(std::string_view value);

}  // namespace cairn::storage
