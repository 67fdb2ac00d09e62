// Words shared by the tests of the stores.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "storage/log_store.h"
#include "storage/rocks_log_store.h"

namespace cairn::storage {

#define ASSERT_OK(expr)                                                  \
  do {                                                                   \
    const absl::Status cairn_test_status = (expr);                       \
    ASSERT_TRUE(cairn_test_status.ok()) << cairn_test_status.ToString(); \
  } while (false)

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

inline constexpr GroupId kGroup{7};

inline StoredEntry MakeEntry(uint64_t index, uint64_t term, std::string payload,
                             uint64_t first_seq = 0, uint32_t records = 0, int64_t time_us = 0) {
  StoredEntry entry;
  entry.index = Index(index);
  entry.term = Term(term);
  entry.kind = 1;
  if (!payload.empty()) entry.payload = Bytes(std::move(payload));
  entry.first_seq = Seq(first_seq);
  entry.record_count = records;
  entry.timestamp_us = time_us;
  return entry;
}

inline SegmentRow MakeSegment(uint64_t before_index, uint64_t before_term, uint64_t first_seq,
                              std::string state = "state") {
  SegmentRow row;
  row.before_index = Index(before_index);
  row.before_term = Term(before_term);
  row.first_seq = Seq(first_seq);
  row.timestamp_us = static_cast<int64_t>(1000 * before_index);
  row.chain_before = 17 * before_index;
  row.state = std::move(state);
  return row;
}

// A group as the catalog creates it: one empty segment from the very beginning.
inline GroupWrite MakeGroup(GroupId group = kGroup) {
  GroupWrite write;
  write.group = group;
  write.install = MakeSegment(0, 0, 1);
  write.hard_state = StoredHardState{Term(1), NodeId(0), Index(0)};
  return write;
}

inline StoreBatch OneWrite(GroupWrite write) {
  StoreBatch batch;
  batch.groups.push_back(std::move(write));
  return batch;
}

inline GroupWrite WriteEntries(std::vector<StoredEntry> entries, GroupId group = kGroup) {
  GroupWrite write;
  write.group = group;
  write.entries = std::move(entries);
  return write;
}

class ManualClock : public Clock {
 public:
  [[nodiscard]] MonoMicros Mono() const override { return now_us; }
  [[nodiscard]] WallMicros Wall() const override { return now_us; }
  int64_t now_us = 1'000'000;
};

// Small and quiet: what happens, happens when the test says so.
inline RocksOptions SmallOptions(const std::string& dir) {
  RocksOptions options;
  options.dir = dir;
  options.memtable_bytes = 256 << 10;
  options.watermark_bytes = 1;
  options.ballast_bytes = 0;
  options.upkeep_period_us = 0;
  return options;
}

}  // namespace cairn::storage
