// What every LogStore promises of runs: entries that come in bulk, and are taken or dropped.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/storage/store_subjects.h"

namespace cairn::storage {
namespace {

// Entries 7 and 8 behind the six, records 7-8 in 8, of term 4, and a segment behind them.
class StoreRunTest : public StoreContractTest {
 protected:
  std::shared_ptr<EntryRun> MakeRun(uint64_t after = 6) {
    auto builder = store().BeginRun(kGroup, Index(after));
    EXPECT_TRUE(builder.ok()) << builder.status();
    EXPECT_TRUE((*builder)->Add(RefTo(MakeEntry(after + 1, 4, "seven"))).ok());
    EXPECT_TRUE((*builder)->Add(RefTo(MakeEntry(after + 2, 4, "eight", 7, 2, 300))).ok());
    auto run = (*builder)->Finish();
    EXPECT_TRUE(run.ok()) << run.status();
    return *run;
  }
  static GroupWrite Taking(std::shared_ptr<EntryRun> run) {
    GroupWrite write;
    write.group = kGroup;
    write.run = std::move(run);
    write.segments = {MakeSegment(8, 4, 9)};
    return write;
  }
  void ExpectRun() {
    EXPECT_EQ(Payloads(5, 99), "5/2:five 6/3: 7/4:seven 8/4:eight ");
    const StoredGroup group = Load();
    EXPECT_EQ(group.last_index, Index(8));
    EXPECT_EQ(group.terms.back().first, Index(7));
    EXPECT_EQ(group.terms.back().term, Term(4));
    EXPECT_EQ(group.segments.back(), MakeSegment(8, 4, 9));
    EXPECT_EQ(*store().SeekSeq(kGroup, Seq(8)), Index(8));
    EXPECT_EQ(*store().SegmentBytes(kGroup), (std::vector<uint64_t>{21, 0}));
    EXPECT_EQ(store().Verdict(), RecoveryVerdict::kSound) << store().VerdictDetail();
  }
};

TEST_P(StoreRunTest, ContinuesTheLogOnceItIsTaken) {
  WriteSixEntries();
  const std::shared_ptr<EntryRun> run = MakeRun();
  EXPECT_EQ(ReadCode(7), absl::StatusCode::kOutOfRange);
  Write(Taking(run));
  for (int round = 0; round < 2; ++round) {
    ExpectRun();
    Reopen();
  }
  Write(WriteEntries({MakeEntry(9, 4, "nine", 9, 1, 300)}));
  Reopen();
  EXPECT_EQ(Payloads(7, 9), "7/4:seven 8/4:eight 9/4:nine ");
}

TEST_P(StoreRunTest, LeavesNothingWhenItIsDropped) {
  WriteSixEntries();
  MakeRun().reset();
  Write(WriteEntries({MakeEntry(7, 3, "another", 7, 1, 300)}));
  Reopen();
  EXPECT_EQ(Payloads(6, 99), "6/3: 7/3:another ");
}

TEST_P(StoreRunTest, ContinuesARunThatIsNotTakenYet) {
  WriteSixEntries();
  std::shared_ptr<EntryRun> first = MakeRun();
  auto builder = store().BeginRunBehind(*first);
  ASSERT_TRUE(builder.ok()) << builder.status();
  ASSERT_OK((*builder)->Add(RefTo(MakeEntry(9, 4, "nine", 9, 1, 300))));
  auto second = (*builder)->Finish();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(store().Continues(*first));
  EXPECT_FALSE(store().Continues(**second));
  Write(Taking(std::move(first)));
  EXPECT_TRUE(store().Continues(**second));
  // The segment goes on behind it.
  GroupWrite write;
  write.group = kGroup;
  write.run = std::exchange(*second, nullptr);
  Write(std::move(write));
  Reopen();
  EXPECT_EQ(Payloads(6, 99), "6/3: 7/4:seven 8/4:eight 9/4:nine ");
  EXPECT_EQ(*store().SegmentBytes(kGroup), (std::vector<uint64_t>{21, 4}));
}

TEST_P(StoreRunTest, ARunBehindOneThatWasDroppedDoesNotContinueTheLog) {
  WriteSixEntries();
  std::shared_ptr<EntryRun> first = MakeRun();
  auto builder = store().BeginRunBehind(*first);
  ASSERT_TRUE(builder.ok()) << builder.status();
  ASSERT_OK((*builder)->Add(RefTo(MakeEntry(9, 4, "nine", 9, 1, 300))));
  const auto second = (*builder)->Finish();
  ASSERT_TRUE(second.ok()) << second.status();
  first.reset();
  Write(WriteEntries({MakeEntry(7, 3, "another", 7, 1, 300)}));
  EXPECT_FALSE(store().Continues(**second));
}

TEST_P(StoreRunTest, BeginsBehindTheLastEntryOnly) {
  WriteSixEntries();
  EXPECT_TRUE(absl::IsOutOfRange(store().BeginRun(kGroup, Index(5)).status()));
  EXPECT_TRUE(absl::IsNotFound(store().BeginRun(GroupId(8), Index(0)).status()));
}

// What was there before is deleted and still lies below: ingesting takes a sequence then, and the
// next start must not take that for a batch that is missing.
TEST_P(StoreRunTest, ComesBackToAGroupThatWasDeleted) {
  for (int round = 0; round < 3; ++round) {
    WriteSixEntries();
    Write(Taking(MakeRun()));
    ExpectRun();
    GroupWrite remove;
    remove.group = kGroup;
    remove.remove = true;
    Write(std::move(remove));
  }
  WriteSixEntries();
  Write(Taking(MakeRun()));
  Write(WriteEntries({MakeEntry(9, 4, "nine", 9, 1, 300)}));
  Reopen();
  EXPECT_EQ(store().Verdict(), RecoveryVerdict::kSound) << store().VerdictDetail();
  EXPECT_EQ(Payloads(6, 99), "6/3: 7/4:seven 8/4:eight 9/4:nine ");
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreRunTest, EachStore(), NameOf);

}  // namespace
}  // namespace cairn::storage
