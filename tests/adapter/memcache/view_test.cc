// The fold of a log: against a plain model, over reopening, beside readers, and refused.
#include "adapter/memcache/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "adapter/memcache/view_rocks.h"
#include "adapter/memcache/view_rows.h"
#include "adapter/memcache/view_scan.h"
#include "base/random.h"
#include "tests/adapter/memcache/view_testing.h"
#include "tests/support/temp_dir.h"

namespace cairn::adapter::memcache {
namespace {

using ::testing::HasSubstr;

constexpr UnixSeconds kNow = EffectLog::kFirstSecond;

TEST(ViewTest, HoldsWhatTheModelHoldsOverReopening) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    testing::TempDir dir;
    Random random(seed);
    EffectLog log(seed);
    ItemModel model;
    std::vector<RecordBatch> fed;
    std::unique_ptr<View> view = OpenView(dir.File("view"));
    for (int round = 0; round < 60; ++round) {
      std::vector<RecordBatch> message;
      // Some of the last message comes again.
      if (!fed.empty() && random.Chance(0.3)) message.push_back(fed.back());
      for (uint64_t left = 1 + random.Below(4); left > 0; --left) {
        MadeBatch made = log.Next();
        made.ApplyTo(&model);
        message.push_back(made.batch);
      }
      ASSERT_TRUE(view->Apply(message).ok());
      fed = std::move(message);
      if (random.Chance(0.2)) {
        view.reset();
        view = OpenView(dir.File("view"));
      }
      if (round % 5 == 0) {
        ASSERT_EQ(ItemsOf(*view, log.now()), model.LiveAt(log.now()));
      }
      ASSERT_EQ(view->position().flush_due_at, model.flush_due_at());
    }
    const auto live = model.LiveAt(log.now());
    EXPECT_EQ(ItemsOf(*view, log.now()), live);
    EXPECT_GT(live.size(), 10u) << "or nothing was tested";
    for (const auto& [key, item] : live) EXPECT_EQ(*view->Get(key, log.now()), item);
    EXPECT_EQ(view->position().chain_seq, fed.back().last_seq());
  }
}

TEST(ViewTest, AFlushIsSeenAtOnceAndWhatComesBehindItStays) {
  testing::TempDir dir;
  auto view = OpenView(dir.File("view"));
  ASSERT_TRUE(ApplyBatch(*view, BatchOf(Seq(1), {StoreOf("a", "1"), StoreOf("b", "1"),
                                                 FlushAtEffect{kNow + 9}}))
                  .ok());
  EXPECT_EQ(view->position().flush_due_at, kNow + 9);
  const RecordBatch flush =
      BatchOf(view->position().read.seq + 1,
              {StoreOf("a", "2"), FlushEffect{}, StoreOf("b", "2"), TouchEffect{"a", false, 0}});
  ASSERT_TRUE(ApplyBatch(*view, flush).ok());
  EXPECT_EQ(ValueOf(*view, "a"), "-");
  EXPECT_EQ(ValueOf(*view, "b"), "2");
  EXPECT_EQ(view->position().flush_due_at, 0);
  view.reset();
  view = OpenView(dir.File("view"));
  EXPECT_EQ(ItemsOf(*view, kNow).size(), 1u);
}

TEST(ViewTest, ATouchMovesTheEndAndNothingElse) {
  testing::TempDir dir;
  auto view = OpenView(dir.File("view"));
  ASSERT_TRUE(ApplyBatch(*view, BatchOf(Seq(1), {StoreOf("k", "v", kNow + 10)})).ok());
  const auto before = *view->Get("k", kNow);
  ASSERT_TRUE(before.has_value());
  EXPECT_EQ(before->stored_by, (EffectId{Seq(3), 0}));
  ASSERT_TRUE(ApplyBatch(*view, BatchOf(Seq(4), {TouchEffect{"k", false, kNow + 20},
                                                 TouchEffect{"never", false, kNow + 20}}))
                  .ok());
  ViewItem want = *before;
  want.item.expires_at = kNow + 20;
  EXPECT_EQ(*view->Get("k", kNow + 19), want);
  EXPECT_EQ(ValueOf(*view, "k", kNow + 20), "-") << "an item ends with the second it expires at";
  EXPECT_EQ(ValueOf(*view, "never"), "-");
}

// Rewrites all tables as RocksDB would one day; the rows that are left.
uint64_t RowsAfterCompaction(const std::string& directory, UnixSeconds horizon) {
  PurgeFilter filter;
  filter.SetHorizon(horizon);
  rocksdb::DB* opened = nullptr;
  CHECK(rocksdb::DB::Open(ViewRocksOptions(SmallView(directory), rocksdb::Env::Default(), &filter),
                          directory + "/db", &opened)
            .ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  CHECK(db->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr).ok());
  uint64_t rows = 0;
  const std::unique_ptr<rocksdb::Iterator> row(db->NewIterator(rocksdb::ReadOptions()));
  for (row->SeekToFirst(); row->Valid(); row->Next()) ++rows;
  return rows;
}

TEST(ViewTest, WhatHasExpiredLeavesTheDiskAnHourOfTheLogsTimeLater) {
  testing::TempDir dir;
  auto view = OpenView(dir.File("view"));
  const auto at = [](UnixSeconds seconds) { return kNow + seconds; };
  ASSERT_TRUE(
      ApplyBatch(*view, BatchOf(Seq(1), {StoreOf("old", "v", at(-kPurgeMarginSeconds)),
                                         StoreOf("late", "v", at(1 - kPurgeMarginSeconds)),
                                         StoreOf("live", "v", at(1)), StoreOf("ever", "v")}))
          .ok());
  const UnixSeconds horizon = PurgeHorizon(view->position().log_time_us);
  EXPECT_EQ(horizon, at(-kPurgeMarginSeconds));
  view.reset();
  EXPECT_EQ(RowsAfterCompaction(dir.File("view"), PurgeFilter::kNothing), 5u);
  EXPECT_EQ(RowsAfterCompaction(dir.File("view"), horizon), 4u) << "all but `old`";
  view = OpenView(dir.File("view"));
  // Expired, and yet there for an effect that was logged before: the log decides.
  EXPECT_EQ(ValueOf(*view, "late"), "-");
  ASSERT_TRUE(
      ApplyBatch(*view, BatchOf(view->position().read.seq + 1, {TouchEffect{"late", false, 0}}))
          .ok());
  EXPECT_EQ(ValueOf(*view, "late"), "v");
}

TEST(ViewScanTest, IsAsOfItsBeginningWhateverComes) {
  testing::TempDir dir;
  auto view = OpenView(dir.File("view"));
  EffectLog log(3);
  ItemModel model;
  for (int i = 0; i < 40; ++i) {
    const MadeBatch made = log.Next();
    made.ApplyTo(&model);
    ASSERT_TRUE(ApplyBatch(*view, made.batch).ok());
  }
  const UnixSeconds now = log.now();
  const auto want = model.LiveAt(now);
  const auto scan = ViewScan::Begin(*view);
  ASSERT_TRUE(scan.ok());
  EXPECT_EQ((*scan)->position(), view->position());
  std::vector<std::string> keys;
  uint64_t slices = 0;
  for (bool more = true; more; ++slices) {
    const MadeBatch made = log.Next();
    ASSERT_TRUE(ApplyBatch(*view, made.batch).ok());
    const auto next = (*scan)->Next(50, now, [&](const EffectView& item, EffectId id) {
      keys.emplace_back(item.key);
      const ViewItem& expected = want.at(keys.back());
      EXPECT_EQ(item.value, expected.item.value);
      EXPECT_EQ(id, expected.stored_by);
    });
    ASSERT_TRUE(next.ok());
    more = *next;
  }
  EXPECT_EQ(keys.size(), want.size());
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  EXPECT_GT(slices, 5u);
}

// Each batch writes all keys anew: who reads beside it must never see two batches mixed.
TEST(ViewScanTest, ReadersSeeWholeStepsOnly) {
  constexpr int kBatches = 200;
  constexpr int kKeys = 20;
  testing::TempDir dir;
  auto view = OpenView(dir.File("view"));
  const auto batch_of = [](Seq first, int number) {
    std::vector<Effect> effects = {FlushEffect{}};
    for (int key = 0; key < kKeys; ++key) {
      effects.push_back(StoreOf(std::to_string(key), std::to_string(number)));
    }
    return BatchOf(first, effects);
  };
  constexpr uint64_t kBatchRecords = 2 + 1 + kKeys;
  std::thread applier([&] {
    for (int number = 0; number < kBatches; ++number) {
      const Seq first(static_cast<uint64_t>(number) * kBatchRecords + 1);
      ASSERT_TRUE(ApplyBatch(*view, batch_of(first, number)).ok());
    }
  });
  for (Seq seq; seq < Seq(kBatches * kBatchRecords);) {
    while (view->position().read.seq <= seq) std::this_thread::yield();
    const auto scan = ViewScan::Begin(*view);
    ASSERT_TRUE(scan.ok());
    seq = (*scan)->position().read.seq;
    const std::string want = std::to_string(seq.value() / kBatchRecords - 1);
    int found = 0;
    ASSERT_TRUE((*scan)
                    ->Next(SIZE_MAX, kNow,
                           [&](const EffectView& item, EffectId) {
                             EXPECT_EQ(item.value, want);
                             ++found;
                           })
                    .ok());
    EXPECT_EQ(found, kKeys);
  }
  applier.join();
}

TEST(ViewTest, RefusesWhatIsNotTheLogOfBefore) {
  const RecordBatch first = BatchOf(Seq(1), {StoreOf("k", "v")});
  RecordBatch gap = BatchOf(first.last_seq() + 2, {FlushEffect{}});
  RecordBatch again = first;
  again.chain += 1;
  RecordBatch newer = BatchOf(first.last_seq() + 1, {FlushEffect{}});
  newer.records.back().metadata[std::string(kRecordMarkKey)] = "v9 from the future";
  struct Case {
    const char* name;
    RecordBatch batch;
    absl::StatusCode code;
    const char* want;
  };
  const Case cases[] = {
      {"a gap", gap, absl::StatusCode::kDataLoss, "records from 5 on; expected 4"},
      {"another chain", again, absl::StatusCode::kDataLoss, "the chain behind record 3 is"},
      {"a newer format", newer, absl::StatusCode::kFailedPrecondition, "record 6: written in"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    testing::TempDir dir;
    auto view = OpenView(dir.File("view"));
    ASSERT_TRUE(ApplyBatch(*view, first).ok());
    const absl::Status refused = ApplyBatch(*view, c.batch);
    EXPECT_EQ(refused.code(), c.code);
    EXPECT_THAT(refused.ToString(), HasSubstr(c.want));
    EXPECT_THAT(refused.ToString(), HasSubstr(dir.File("view")));
    EXPECT_EQ(ApplyBatch(*view, BatchOf(Seq(4), {FlushEffect{}})), refused) << "it stays so";
    EXPECT_EQ(view->position().read.seq, Seq(3));
    EXPECT_EQ(ValueOf(*view, "k"), "v");
    ASSERT_TRUE(view->Reset().ok());
    EXPECT_EQ(view->position(), ViewPosition());
    EXPECT_EQ(ValueOf(*view, "k"), "-");
    EXPECT_TRUE(ApplyBatch(*view, first).ok()) << "from the first record again";
  }
}

TEST(ViewTest, ConfirmsTheChainWhereItKnowsIt) {
  testing::TempDir dir;
  auto view = OpenView(dir.File("view"));
  const RecordBatch batch = BatchOf(Seq(1), {FlushEffect{}});
  ASSERT_TRUE(ApplyBatch(*view, batch).ok());
  EXPECT_TRUE(view->Confirm(Seq(3), batch.chain).ok());
  EXPECT_TRUE(view->Confirm(Seq(3), 0).ok());
  EXPECT_TRUE(view->Confirm(Seq(2), 1).ok()) << "not known there";
  EXPECT_EQ(view->Confirm(Seq(3), 1).code(), absl::StatusCode::kDataLoss);
}

TEST(ViewTest, ADirectoryThatCannotBeTheViewIsToldAndNotTouched) {
  struct Case {
    const char* name;
    absl::StatusCode code;
    const char* want;
    void (*spoil)(const std::string& directory);
  };
  const auto write = [](const std::string& path, std::string_view text) {
    std::ofstream(path, std::ios::trunc) << text;
  };
  static const auto kWrite = write;
  const Case cases[] = {
      {"another log's", absl::StatusCode::kFailedPrecondition, "of log 8, not of 7",
       [](const std::string& d) { kWrite(d + "/VIEW", "cairn memcache view, format 1\nlog 8\n"); }},
      {"a newer format", absl::StatusCode::kFailedPrecondition, "format 2",
       [](const std::string& d) { kWrite(d + "/VIEW", "cairn memcache view, format 2\nlog 7\n"); }},
      {"a damaged mark", absl::StatusCode::kDataLoss, "remove the view",
       [](const std::string& d) { kWrite(d + "/VIEW", "cairn memcache vi"); }},
      {"a database that is gone", absl::StatusCode::kDataLoss, "remove the view",
       [](const std::string& d) { std::filesystem::remove_all(d + "/db"); }},
      {"a damaged database", absl::StatusCode::kDataLoss, "remove the view",
       [](const std::string& d) { kWrite(d + "/db/CURRENT", "rubbish"); }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    testing::TempDir dir;
    const std::string path = dir.File("view");
    OpenView(path).reset();
    c.spoil(path);
    for (int again = 0; again < 2; ++again) {
      const absl::Status refused = View::Open(SmallView(path)).status();
      EXPECT_EQ(refused.code(), c.code) << refused;
      EXPECT_THAT(refused.ToString(), HasSubstr(c.want));
      EXPECT_THAT(refused.ToString(), HasSubstr(path));
    }
    ASSERT_TRUE(View::Remove(path).ok());
    EXPECT_EQ(OpenView(path)->position(), ViewPosition());
  }
}

TEST(ViewTest, WhatIsNoViewIsLeftAlone) {
  testing::TempDir dir;
  std::ofstream(dir.File("precious")) << "x";
  EXPECT_EQ(View::Open(SmallView(dir.path())).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(View::Remove(dir.path()).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(std::filesystem::exists(dir.File("precious")));
  EXPECT_TRUE(View::Remove(dir.File("nothing")).ok());
}

TEST(ViewTest, OnlyOneAtATimeHasIt) {
  testing::TempDir dir;
  const auto view = OpenView(dir.File("view"));
  EXPECT_EQ(View::Open(SmallView(dir.File("view"))).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_FALSE(View::Remove(dir.File("view")).ok());
  EXPECT_EQ(ValueOf(*view, "k"), "-") << "it is whole";
}

TEST(ViewTest, ACreationThatWasCutShortStartsOver) {
  testing::TempDir dir;
  const std::string path = dir.File("view");
  OpenView(path).reset();
  std::filesystem::rename(path + "/VIEW", path + "/VIEW.new");
  std::filesystem::remove(path + "/db/CURRENT");
  EXPECT_EQ(OpenView(path)->position(), ViewPosition());
}

}  // namespace
}  // namespace cairn::adapter::memcache
