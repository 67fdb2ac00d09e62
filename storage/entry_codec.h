// The payload of a data entry: what one group commit puts into the log.
//
//   offset  size
//        0     1  format version, 1
//        1     3  zero
//        4     4  record_count
//        8     8  first_seq       seq of the first record; last_seq + 1 without records
//       16     8  timestamp_us    log time of all records (signed)
//       24     8  chain           after the last record
//       32     4  items_bytes
//       36     4  zero
//       40     …  items           serialized cairn.v1.EntryItems
//        …     …  records         each: tag 0x22, varint length, serialized cairn.v1.Record
//
// Numbers are little-endian. The records region is, byte for byte, the field `records`
// (number 4) of cairn.v1.RecordBatch, so that a reader's answer is made by copying, not by
// re-encoding. A record's chain link is
//   chain(n) = XXH3_64bits_withSeed(serialized record n, seed = chain(n-1)),
// and chain(0) = ChainSeed(log id). Checksums of whole entries belong to the store and the
// peer stream, not to this format.
//
// All decoding is bounds-checked: it never reads past `payload`, whatever the bytes are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "base/record_region.h"
#include "cairn/v1/store.pb.h"

namespace cairn::storage {

inline constexpr uint8_t kEntryFormatVersion = 1;
inline constexpr size_t kEntryHeaderBytes = 40;

struct EntryHeader {
  uint32_t record_count = 0;
  Seq first_seq;
  int64_t timestamp_us = 0;
  uint64_t chain = 0;
  uint32_t items_bytes = 0;

  [[nodiscard]] Seq last_seq() const {
    return first_seq + record_count - 1;
  }  // first_seq - 1 if none.
};

// chain(0) of a log.
uint64_t ChainSeed(GroupId log_id);
using cairn::ChainNext;

// Puts one entry together. Records are added already serialized.
class EntryBuilder {
 public:
  // `last_seq` and `chain` are those before the entry.
  EntryBuilder(Seq last_seq, uint64_t chain, int64_t timestamp_us);

  // Returns the record's offset within the entry (0, 1, …).
  uint32_t AddRecord(std::string_view serialized_record);
  // Adds all of a records region (see above), `count` records; the caller has checked it
  // with CheckRecords. Returns the first one's offset.
  uint32_t AddRecordsRegion(std::string_view region, uint32_t count);
  void AddItem(cairn::v1::EntryItem item);

  [[nodiscard]] Seq last_seq() const { return last_seq_; }  // After all that was added.
  [[nodiscard]] uint64_t chain() const { return chain_; }
  [[nodiscard]] uint32_t record_count() const { return record_count_; }
  [[nodiscard]] size_t bytes() const { return records_.size(); }
  [[nodiscard]] int64_t timestamp_us() const { return timestamp_us_; }
  [[nodiscard]] bool empty() const { return record_count_ == 0 && items_.items_size() == 0; }

  // The finished payload. The builder is spent.
  Bytes Finish();

 private:
  Seq first_seq_;
  Seq last_seq_;
  uint64_t chain_;
  int64_t timestamp_us_;
  uint32_t record_count_ = 0;
  std::string records_;
  cairn::v1::EntryItems items_;
};

using cairn::AppendRecordTo;

// Number of records in a region. Errors: kDataLoss naming the offset of what is wrong.
absl::StatusOr<uint32_t> CheckRecords(std::string_view region);

// A decoded view of an entry's payload. Borrows the bytes it was made from.
class EntryView {
 public:
  // Errors: kDataLoss (length, version, reserved bytes, counts that do not add up).
  static absl::StatusOr<EntryView> Parse(std::string_view payload);

  [[nodiscard]] const EntryHeader& header() const { return header_; }
  // The bytes of the records region from record `offset` on, `count` records.
  // Requires: offset + count <= record_count.
  [[nodiscard]] std::string_view RecordsRegion(uint32_t offset, uint32_t count) const;
  [[nodiscard]] std::string_view records_region() const { return records_; }
  // Errors: kDataLoss when the items do not parse.
  [[nodiscard]] absl::StatusOr<cairn::v1::EntryItems> Items() const;
  [[nodiscard]] bool has_items() const { return header_.items_bytes != 0; }

  // Calls fn(offset, serialized_record) for each record in order. No copy.
  template <class Fn>
  void ForEachRecord(Fn&& fn) const {
    std::string_view rest = records_;
    for (uint32_t i = 0; i < header_.record_count; ++i) fn(i, TakeRecord(rest));
  }

  // Recomputes the chain over the records, starting with that before the entry.
  [[nodiscard]] uint64_t ComputeChain(uint64_t chain_before) const;
  // The chain after each record would be needed by a reader that stops inside: chain after
  // record `offset`, given that before the entry.
  [[nodiscard]] uint64_t ChainAfter(uint64_t chain_before, uint32_t offset) const;

 private:
  // Removes the first record (checked by Parse) from `region` and returns its bytes.
  static std::string_view TakeRecord(std::string_view& region);

  EntryHeader header_;
  std::string_view items_;
  std::string_view records_;
};

// Only the fixed header; does not look at items or records.
absl::StatusOr<EntryHeader> ParseEntryHeader(std::string_view payload);

}  // namespace cairn::storage
