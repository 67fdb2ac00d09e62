// Trim and removal give the bytes back: not only are they unreadable, they leave the disk.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

#include "storage/rocks_log_store.h"
#include "tests/storage/store_testing.h"
#include "tests/support/temp_dir.h"

namespace cairn::storage {
namespace {

constexpr uint64_t kGroups = 200;
constexpr uint64_t kEntries = 40;  // In each.
constexpr size_t kPayloadBytes = 2048;
constexpr uint64_t kGroupBytes = kEntries * kPayloadBytes;
constexpr auto kDeadline = std::chrono::seconds(60);

// What only entries of this group hold.
std::string MarkOf(uint64_t group) { return fmt::format("<the payload of group {:03}>", group); }

class ReclaimTest : public ::testing::Test {
 protected:
  void SetUp() override {
    RocksOptions options = SmallOptions(dir_.path());
    options.memtable_bytes = 1 << 20;
    options.clock = &clock_;
    auto opened = RocksLogStore::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = std::move(*opened);
    StoreBatch create;
    for (uint64_t group = 1; group <= kGroups; ++group) {
      create.groups.push_back(MakeGroup(GroupId(group)));
    }
    ASSERT_OK(store_->Write(create));
    for (uint64_t index = 1; index <= kEntries; ++index) WriteRound(index);
  }

  // One entry for each group, a few groups a turn: on disk, all logs lie mixed.
  void WriteRound(uint64_t index) {
    constexpr uint64_t kGroupsInTurn = 20;
    for (uint64_t first = 1; first <= kGroups; first += kGroupsInTurn) {
      StoreBatch batch;
      for (uint64_t group = first; group < first + kGroupsInTurn; ++group) {
        std::string payload = MarkOf(group);
        payload.resize(kPayloadBytes, static_cast<char>('a' + index % 26));
        batch.groups.push_back(
            WriteEntries({MakeEntry(index, 1, std::move(payload), index, 1)}, GroupId(group)));
      }
      ASSERT_OK(store_->Write(batch));
    }
  }

  // All that the group holds so far.
  static GroupWrite TrimAll(uint64_t group, uint64_t last) {
    GroupWrite write;
    write.group = GroupId(group);
    write.segments = {MakeSegment(last, 1, last + 1)};
    write.trim_to = Index(last);
    return write;
  }

  // How often the mark of a group stands in RocksDB's tables.
  [[nodiscard]] size_t Traces(uint64_t group) const {
    const std::string mark = MarkOf(group);
    return SumOverTables([&](const std::filesystem::path& table) {
      std::ifstream in(table, std::ios::binary);
      std::ostringstream bytes;
      bytes << in.rdbuf();
      const std::string text = bytes.str();
      size_t traces = 0;
      for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
        ++traces;
      }
      return traces;
    });
  }
  [[nodiscard]] uint64_t TableBytesOnDisk() const {
    return SumOverTables([](const std::filesystem::path& table) {
      std::error_code gone;
      const uint64_t bytes = std::filesystem::file_size(table, gone);
      return gone ? 0 : bytes;
    });
  }
  // A compaction that ends meanwhile moves what was counted, or was not yet, to tables that the
  // listing does not have: only a sum over tables that were there before and after it counts.
  [[nodiscard]] uint64_t SumOverTables(
      const std::function<uint64_t(const std::filesystem::path&)>& of) const {
    std::set<std::filesystem::path> before = Tables();
    while (true) {
      uint64_t sum = 0;
      for (const std::filesystem::path& table : before) sum += of(table);
      std::set<std::filesystem::path> after = Tables();
      if (after == before) return sum;
      before = std::move(after);
    }
  }
  [[nodiscard]] std::set<std::filesystem::path> Tables() const {
    std::set<std::filesystem::path> tables;
    for (const auto& item : std::filesystem::directory_iterator(dir_.File("db"))) {
      if (item.path().extension() == ".sst") tables.insert(item.path());
    }
    return tables;
  }
  // Rounds of upkeep until `done`, or the deadline.
  ::testing::AssertionResult Eventually(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (!done()) {
      clock_.now_us += kMicrosPerSecond;
      if (const absl::Status status = store_->Upkeep(); !status.ok()) {
        return ::testing::AssertionFailure() << status;
      }
      if (std::chrono::steady_clock::now() > deadline) return ::testing::AssertionFailure();
    }
    return ::testing::AssertionSuccess();
  }
  void ExpectReadable(uint64_t group, uint64_t last) {
    const auto range = store_->ReadEntries(GroupId(group), Index(1), Index(last), ~uint64_t{0});
    ASSERT_TRUE(range.ok()) << range.status();
    EXPECT_EQ(range->entries.size(), last);
    for (const StoredEntry& entry : range->entries) {
      EXPECT_TRUE(entry.payload.view().starts_with(MarkOf(group)));
    }
  }

  testing::TempDir dir_;
  ManualClock clock_;
  std::unique_ptr<RocksLogStore> store_;
};

TEST_F(ReclaimTest, ATrimmedLogLeavesTheDisk) {
  constexpr uint64_t kTrimmed = 77;
  ASSERT_TRUE(Eventually([&] { return Traces(kTrimmed) > kEntries / 2; }))
      << "nothing was flushed: nothing can be seen to go";
  ASSERT_OK(store_->Write(OneWrite(TrimAll(kTrimmed, kEntries))));
  const int64_t trimmed_at_us = clock_.now_us;
  EXPECT_TRUE(Eventually([&] { return Traces(kTrimmed) == 0; })) << Traces(kTrimmed) << " left";
  EXPECT_LE(clock_.now_us - trimmed_at_us, 60 * kMicrosPerSecond);
  for (const uint64_t group : {kTrimmed - 1, kTrimmed + 1, uint64_t{1}, kGroups}) {
    ExpectReadable(group, kEntries);
  }
  const StoreStats stats = store_->Stats();
  fmt::print("write amplification {:.2f}: {} MiB of payload, {} MiB of log, {} MiB of tables\n",
             stats.WriteAmplification(), stats.bytes_written >> 20, stats.wal_bytes >> 20,
             stats.table_bytes >> 20);
  // The log, the flush, level 1, and what the trim had to write anew.
  EXPECT_LT(stats.WriteAmplification(), 6.0);
}

TEST_F(ReclaimTest, HalfOfTheLogsTrimmedIsHalfOfTheBytesGone) {
  const uint64_t before = TableBytesOnDisk();
  StoreBatch trim;
  for (uint64_t group = 2; group <= kGroups; group += 2) {
    trim.groups.push_back(TrimAll(group, kEntries));
  }
  ASSERT_OK(store_->Write(trim));
  const uint64_t kept = kGroups / 2 * kGroupBytes;
  EXPECT_TRUE(Eventually([&] { return TableBytesOnDisk() < kept + kept / 5; }))
      << TableBytesOnDisk() << " of " << before << " left, " << kept << " are kept";
  for (const uint64_t group : {1, 99, 199}) ExpectReadable(group, kEntries);
}

TEST_F(ReclaimTest, ATrimmedLogGoesOn) {
  constexpr uint64_t kTrimmed = 5;
  ASSERT_OK(store_->Write(OneWrite(TrimAll(kTrimmed, kEntries))));
  ASSERT_TRUE(Eventually([&] { return Traces(kTrimmed) == 0; }));
  WriteRound(kEntries + 1);
  const auto range =
      store_->ReadEntries(GroupId(kTrimmed), Index(kEntries + 1), Index(kEntries + 1), 0);
  ASSERT_TRUE(range.ok()) << range.status();
  EXPECT_TRUE(range->entries.front().payload.view().starts_with(MarkOf(kTrimmed)));
}

TEST_F(ReclaimTest, ARemovedLogIsKeptForADayAndThenLeavesTheDisk) {
  constexpr uint64_t kRemoved = 33;
  constexpr int64_t kDayUs = 24ll * 3600 * kMicrosPerSecond;
  ASSERT_TRUE(Eventually([&] { return Traces(kRemoved) > kEntries / 2; }));
  GroupWrite remove;
  remove.group = GroupId(kRemoved);
  remove.remove = true;
  ASSERT_OK(store_->Write(OneWrite(remove)));
  const auto turn = [&] {
    GroupWrite vote;
    vote.group = GroupId(1);
    vote.hard_state = StoredHardState{Term(2), NodeId(1), Index(0)};
    ASSERT_OK(store_->Write(OneWrite(vote)));
    ASSERT_OK(store_->Upkeep());
  };
  clock_.now_us += kDayUs - 1;
  turn();
  EXPECT_GT(Traces(kRemoved), kEntries / 2) << "somebody may want it back";
  clock_.now_us += 1;
  turn();
  EXPECT_TRUE(Eventually([&] { return Traces(kRemoved) == 0; })) << Traces(kRemoved) << " left";
  ExpectReadable(kRemoved + 1, kEntries);
}

}  // namespace
}  // namespace cairn::storage
