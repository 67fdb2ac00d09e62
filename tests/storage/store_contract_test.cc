// What every LogStore promises of entries, segments and groups.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "storage/read_queue.h"
#include "storage/rocks_rows.h"
#include "tests/storage/store_subjects.h"

namespace cairn::storage {
namespace {

TEST_P(StoreContractTest, ReadsBackWhatWasWritten) {
  WriteSixEntries();
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Payloads(1, 6), "1/1: 2/1:two 3/1: 4/2:four 5/2:five 6/3: ");
    EXPECT_EQ(Payloads(4, 99), "4/2:four 5/2:five 6/3: ");
    auto range = store().ReadEntries(kGroup, Index(4), Index(4), kNoLimit);
    ASSERT_TRUE(range.ok());
    const StoredEntry& entry = range->entries.front();
    EXPECT_EQ(entry.kind, 1);
    EXPECT_EQ(entry.first_seq, Seq(3));
    EXPECT_EQ(entry.record_count, 3u);
    EXPECT_EQ(entry.timestamp_us, 200);
    Reopen();
  }
}

TEST_P(StoreContractTest, CutsReadsByBytesButNeverToNothing) {
  WriteSixEntries();
  EXPECT_EQ(Payloads(1, 6, 0), "1/1: ") << "an empty entry fits, the next one does not";
  EXPECT_EQ(Payloads(2, 6, 1), "2/1:two ") << "too big, but the first";
  EXPECT_EQ(Payloads(2, 6, 6), "2/1:two 3/1: ");
  EXPECT_EQ(Payloads(2, 6, 7), "2/1:two 3/1: 4/2:four ");
}

TEST_P(StoreContractTest, SaysWhatCannotBeRead) {
  WriteSixEntries();
  EXPECT_EQ(ReadCode(0), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReadCode(7), absl::StatusCode::kOutOfRange);
  const GroupId stranger(8);
  EXPECT_TRUE(
      absl::IsNotFound(store().ReadEntries(stranger, Index(1), Index(1), kNoLimit).status()));
  EXPECT_TRUE(absl::IsNotFound(store().SeekSeq(stranger, Seq(1)).status()));
  EXPECT_TRUE(absl::IsNotFound(store().SeekTime(stranger, 0).status()));
  EXPECT_TRUE(absl::IsNotFound(store().SegmentBytes(stranger).status()));
}

TEST_P(StoreContractTest, FindsEntriesBySeq) {
  WriteSixEntries();
  struct Case {
    uint64_t seq;
    uint64_t index;  // 0: not stored.
  };
  for (const Case c : {Case{0, 0}, {1, 2}, {2, 2}, {3, 4}, {5, 4}, {6, 5}, {7, 0}}) {
    SCOPED_TRACE(c.seq);
    auto index = store().SeekSeq(kGroup, Seq(c.seq));
    if (c.index == 0) {
      EXPECT_TRUE(absl::IsOutOfRange(index.status())) << index.status();
    } else {
      ASSERT_TRUE(index.ok()) << index.status();
      EXPECT_EQ(*index, Index(c.index));
    }
  }
}

TEST_P(StoreContractTest, FindsTheFirstSeqAtOrAfterATime) {
  Write(MakeGroup());
  auto empty = store().SeekTime(kGroup, 0);
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(*empty, std::nullopt);
  // Entry i holds records 3i-2 … 3i, at time 10 × (i / 2): two entries share each time.
  for (uint64_t i = 1; i <= 40; ++i) {
    Write(WriteEntries({MakeEntry(i, 1, "x", 3 * i - 2, 3, static_cast<int64_t>(10 * (i / 2)))}));
  }
  for (int64_t time = -1; time <= 205; ++time) {
    SCOPED_TRACE(time);
    const auto found = store().SeekTime(kGroup, time);
    ASSERT_TRUE(found.ok()) << found.status();
    uint64_t entry = 1;
    while (entry <= 40 && static_cast<int64_t>(10 * (entry / 2)) < time) ++entry;
    EXPECT_EQ(*found, entry <= 40 ? std::optional(Seq(3 * entry - 2)) : std::nullopt);
  }
}

TEST_P(StoreContractTest, LoadsWhatAStartNeeds) {
  WriteSixEntries();
  GroupWrite write;
  write.group = kGroup;
  write.hard_state = StoredHardState{Term(3), NodeId(2), Index(5)};
  write.segments = {MakeSegment(3, 1, 3, "after three")};
  Write(write);
  for (int round = 0; round < 2; ++round) {
    const StoredGroup group = Load();
    EXPECT_EQ(group.group, kGroup);
    EXPECT_EQ(group.hard_state, *write.hard_state);
    EXPECT_EQ(group.before_index, Index(0));
    EXPECT_EQ(group.last_index, Index(6));
    ASSERT_EQ(group.terms.size(), 3u);
    EXPECT_EQ(group.terms[1].first, Index(4));
    EXPECT_EQ(group.terms[2].term, Term(3));
    ASSERT_EQ(group.segments.size(), 2u);
    EXPECT_EQ(group.segments[0], MakeSegment(0, 0, 1));
    EXPECT_EQ(group.segments[1], write.segments[0]);
    EXPECT_EQ(*store().SegmentBytes(kGroup), (std::vector<uint64_t>{3, 8}));
    Reopen();
  }
}

TEST_P(StoreContractTest, ReplacesASuffixWithItsSeqRowsTermsAndSegments) {
  WriteSixEntries();
  GroupWrite segment;
  segment.group = kGroup;
  segment.segments = {MakeSegment(5, 2, 7)};
  Write(segment);
  Write(WriteEntries({MakeEntry(4, 4, "FOUR", 3, 1, 300), MakeEntry(5, 4, "")}));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Payloads(1, 9), "1/1: 2/1:two 3/1: 4/4:FOUR 5/4: ");
    EXPECT_EQ(ReadCode(6), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(*store().SeekSeq(kGroup, Seq(3)), Index(4));
    EXPECT_TRUE(absl::IsOutOfRange(store().SeekSeq(kGroup, Seq(4)).status()));
    EXPECT_TRUE(absl::IsOutOfRange(store().SeekSeq(kGroup, Seq(6)).status()));
    EXPECT_EQ(*store().SeekTime(kGroup, 101), Seq(3));
    const StoredGroup group = Load();
    EXPECT_EQ(group.last_index, Index(5));
    ASSERT_EQ(group.terms.size(), 2u);
    EXPECT_EQ(group.terms[1].first, Index(4));
    EXPECT_EQ(group.terms[1].term, Term(4));
    // The segment after 5 stood behind entries that are gone, and goes with them.
    EXPECT_EQ(group.segments.size(), 1u);
    EXPECT_EQ(*store().SegmentBytes(kGroup), std::vector<uint64_t>{7});
    Reopen();
  }
}

TEST_P(StoreContractTest, TakesTheSameGroupTwiceInOneBatch) {
  Write(MakeGroup());
  // Two workers' turns merged: the second replaces a suffix of the first.
  StoreBatch batch;
  batch.groups.push_back(WriteEntries(
      {MakeEntry(1, 1, "a", 1, 1), MakeEntry(2, 1, "bb", 2, 1), MakeEntry(3, 1, "ccc", 3, 1)}));
  batch.groups.push_back(WriteEntries({MakeEntry(2, 2, "dddd", 2, 2)}));
  GroupWrite segment;
  segment.group = kGroup;
  segment.segments = {MakeSegment(1, 1, 2)};
  batch.groups.push_back(segment);
  ASSERT_OK(store().Write(batch));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Payloads(1, 9), "1/1:a 2/2:dddd ");
    EXPECT_EQ(*store().SeekSeq(kGroup, Seq(3)), Index(2));
    EXPECT_TRUE(absl::IsOutOfRange(store().SeekSeq(kGroup, Seq(4)).status()));
    EXPECT_EQ(*store().SegmentBytes(kGroup), (std::vector<uint64_t>{1, 4}));
    Reopen();
  }
}

TEST_P(StoreContractTest, TrimsWholeSegments) {
  WriteSixEntries();
  GroupWrite write;
  write.group = kGroup;
  write.segments = {MakeSegment(3, 1, 3), MakeSegment(4, 2, 6)};
  write.trim_to = Index(4);
  Write(write);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(ReadCode(4), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(Payloads(5, 6), "5/2:five 6/3: ");
    EXPECT_TRUE(absl::IsOutOfRange(store().SeekSeq(kGroup, Seq(5)).status()));
    EXPECT_EQ(*store().SeekSeq(kGroup, Seq(6)), Index(5));
    EXPECT_EQ(*store().SeekTime(kGroup, 0), Seq(6));
    const StoredGroup group = Load();
    EXPECT_EQ(group.before_index, Index(4));
    EXPECT_EQ(group.before_term, Term(2));
    EXPECT_EQ(group.last_index, Index(6));
    ASSERT_EQ(group.terms.size(), 2u);
    // The term of the first kept entry is known, though it began before it.
    EXPECT_EQ(group.terms[0].first, Index(5));
    EXPECT_EQ(group.terms[0].term, Term(2));
    ASSERT_EQ(group.segments.size(), 1u);
    EXPECT_EQ(group.segments[0], write.segments[1]);
    EXPECT_EQ(*store().SegmentBytes(kGroup), std::vector<uint64_t>{4});
    Reopen();
  }
  // Trimming to where it is already trimmed is nothing.
  GroupWrite again;
  again.group = kGroup;
  again.trim_to = Index(4);
  Write(again);
  EXPECT_EQ(Payloads(5, 6), "5/2:five 6/3: ");
}

TEST_P(StoreContractTest, TrimsEverythingAndGoesOn) {
  WriteSixEntries();
  GroupWrite write;
  write.group = kGroup;
  write.segments = {MakeSegment(6, 3, 7)};
  write.trim_to = Index(6);
  Write(write);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Load().before_index, Index(6));
    EXPECT_EQ(Load().last_index, Index(6));
    EXPECT_TRUE(Load().terms.empty());
    EXPECT_EQ(*store().SeekTime(kGroup, 0), std::nullopt);
    Reopen();
  }
  Write(WriteEntries({MakeEntry(7, 3, "seven", 7, 1, 400)}));
  Reopen();
  EXPECT_EQ(Payloads(7, 7), "7/3:seven ");
  EXPECT_EQ(*store().SegmentBytes(kGroup), std::vector<uint64_t>{5});
}

TEST_P(StoreContractTest, InstallDropsTheLogAndKeepsTheVote) {
  WriteSixEntries();
  GroupWrite vote;
  vote.group = kGroup;
  vote.hard_state = StoredHardState{Term(9), NodeId(3), Index(2)};
  Write(vote);
  GroupWrite install;
  install.group = kGroup;
  install.install = MakeSegment(4, 8, 50, "snapshot");
  install.entries = {MakeEntry(5, 9, "new five", 50, 2, 900)};
  Write(install);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Payloads(5, 9), "5/9:new five ");
    EXPECT_EQ(ReadCode(4), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(ReadCode(6), absl::StatusCode::kOutOfRange);
    EXPECT_TRUE(absl::IsOutOfRange(store().SeekSeq(kGroup, Seq(6)).status()));
    EXPECT_EQ(*store().SeekSeq(kGroup, Seq(51)), Index(5));
    const StoredGroup group = Load();
    EXPECT_EQ(group.hard_state, *vote.hard_state);
    EXPECT_EQ(group.before_index, Index(4));
    EXPECT_EQ(group.before_term, Term(8));
    ASSERT_EQ(group.segments.size(), 1u);
    EXPECT_EQ(group.segments[0], *install.install);
    ASSERT_EQ(group.terms.size(), 1u);
    EXPECT_EQ(group.terms[0].first, Index(5));
    EXPECT_EQ(*store().SegmentBytes(kGroup), std::vector<uint64_t>{8});
    Reopen();
  }
}

TEST_P(StoreContractTest, RemovesAGroupAndLetsItComeBackEmpty) {
  WriteSixEntries();
  Write(MakeGroup(GroupId(8)));
  GroupWrite remove;
  remove.group = kGroup;
  remove.remove = true;
  Write(remove);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(ReadCode(2), absl::StatusCode::kNotFound);
    EXPECT_EQ(Load().group, GroupId(8));
    Reopen();
  }
  Write(MakeGroup());
  Reopen();
  EXPECT_EQ(store().LoadGroups()->size(), 2u);
  EXPECT_EQ(store().LoadGroups()->front().last_index, Index(0));
  EXPECT_EQ(ReadCode(2), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(absl::IsOutOfRange(store().SeekSeq(kGroup, Seq(1)).status()));
}

TEST_P(StoreContractTest, RemovesAndInstallsInOneWrite) {
  WriteSixEntries();
  GroupWrite write = MakeGroup();
  write.remove = true;
  write.entries = {MakeEntry(1, 5, "again", 1, 1)};
  Write(write);
  Reopen();
  EXPECT_EQ(Payloads(1, 9), "1/5:again ");
}

TEST_P(StoreContractTest, KeepsGroupsApart) {
  const GroupId low(6);
  const GroupId high(8);
  for (const GroupId group : {low, kGroup, high}) {
    Write(MakeGroup(group));
    Write(WriteEntries({MakeEntry(1, group.value(), "of " + ToString(group), 1, 1, 10)}, group));
  }
  GroupWrite trim;
  trim.group = kGroup;
  trim.segments = {MakeSegment(1, 7, 2)};
  trim.trim_to = Index(1);
  Write(trim);
  for (const GroupId group : {low, high}) {
    auto range = store().ReadEntries(group, Index(1), Index(1), kNoLimit);
    ASSERT_TRUE(range.ok()) << range.status();
    EXPECT_EQ(range->entries[0].payload.view(), "of " + ToString(group));
    EXPECT_EQ(*store().SeekSeq(group, Seq(1)), Index(1));
  }
  EXPECT_EQ(*store().SeekTime(kGroup, 0), std::nullopt);
  EXPECT_EQ(store().LoadGroups()->size(), 3u);
}

TEST_P(StoreContractTest, RemembersWhoItIs) {
  const NodeIdentity before = store().Identity();
  EXPECT_NE(before.incarnation, 0u);
  EXPECT_EQ(before.formed, "");
  ASSERT_OK(store().SetFormed("cluster 5"));
  EXPECT_EQ(store().Identity().formed, "cluster 5");
  Reopen();
  EXPECT_EQ(store().Identity(), (NodeIdentity{before.incarnation, "cluster 5"}));
  EXPECT_EQ(store().Verdict(), RecoveryVerdict::kSound) << store().VerdictDetail();
}

TEST_P(StoreContractTest, CountsItsWork) {
  Write(MakeGroup());
  const StoreStats before = store().Stats();
  Write(WriteEntries({MakeEntry(1, 1, std::string(1000, 'x'), 1, 1)}));
  const StoreStats after = store().Stats();
  EXPECT_EQ(after.turns, before.turns + 1);
  EXPECT_EQ(after.syncs, before.syncs + 1);
  EXPECT_EQ(after.bytes_written, before.bytes_written + 1000);
  EXPECT_GE(after.wal_bytes, before.wal_bytes + 1000);
  EXPECT_GE(after.WriteAmplification(), 1.0);
}

TEST_P(StoreContractTest, PerformsReadsFromEachStartingPoint) {
  WriteSixEntries();
  struct Case {
    const char* name;
    ReadRequest request;
    std::vector<uint64_t> indexes;
    absl::StatusCode code;
    std::optional<Seq> seq;
  };
  const auto request = [](uint64_t first, uint64_t seq, int64_t time, uint64_t last) {
    return ReadRequest{kGroup, 5, Index(first), Seq(seq), time, Index(last), kNoLimit};
  };
  const Case cases[] = {
      {"by index", request(5, 0, 0, 6), {5, 6}, absl::StatusCode::kOk, {}},
      {"by seq", request(0, 4, 0, 5), {4, 5}, absl::StatusCode::kOk, {}},
      {"by time", request(0, 0, 101, 4), {4}, absl::StatusCode::kOk, Seq(3)},
      {"all records are older", request(0, 0, 201, 6), {}, absl::StatusCode::kOk, {}},
      {"found, but behind the end", request(0, 0, 101, 3), {}, absl::StatusCode::kOk, Seq(3)},
      {"a seq that is not there", request(0, 7, 0, 6), {}, absl::StatusCode::kOutOfRange, {}},
      {"an index that is not there", request(7, 0, 0, 9), {}, absl::StatusCode::kOutOfRange, {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const ReadResult result = PerformRead(store(), c.request);
    EXPECT_EQ(result.group, kGroup);
    EXPECT_EQ(result.ticket, 5u);
    EXPECT_EQ(result.status.code(), c.code) << result.status;
    EXPECT_EQ(result.seq, c.seq);
    std::vector<uint64_t> indexes;
    for (const StoredEntry& entry : result.entries) indexes.push_back(entry.index.value());
    EXPECT_EQ(indexes, c.indexes);
  }
}

// ---- Rows -------------------------------------------------------------------------------

TEST_P(StoreContractTest, ShowsRowsAsTheyAreStored) {
  WriteSixEntries();
  const auto read = [&](uint64_t first, uint64_t last, size_t most, std::string& shown) {
    size_t rows = 0;
    return store().ReadRows(kGroup, Index(first), Index(last), [&](std::string_view row) {
      const auto entry = DecodeEntryRow(kGroup, Index(first + rows), row);
      EXPECT_TRUE(entry.ok()) << entry.status();
      shown += fmt::format("{}:{} ", entry->index, entry->payload.view());
      return ++rows < most;
    });
  };
  struct Case {
    uint64_t first, last;
    size_t most;
    std::string shown;
    absl::StatusCode code;
  };
  const Case cases[] = {
      {4, 5, 9, "4:four 5:five ", absl::StatusCode::kOk},
      {5, 99, 9, "5:five 6: ", absl::StatusCode::kOk},
      {4, 6, 1, "4:four ", absl::StatusCode::kOk},
      {7, 8, 9, "", absl::StatusCode::kOutOfRange},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.first);
    std::string shown;
    EXPECT_EQ(read(c.first, c.last, c.most, shown).code(), c.code);
    EXPECT_EQ(shown, c.shown);
  }
}

// A trim shows in the database a moment before readers are told of it: entries that are missing
// then are not lost.
TEST(RocksReadTest, AReadThatMeetsATrimIsNoDamage) {
  constexpr uint64_t kTrims = 400;
  RocksSubject subject;
  LogStore& store = subject.store();
  ASSERT_OK(store.Write(OneWrite(MakeGroup())));
  std::vector<StoredEntry> entries;
  for (uint64_t index = 1; index <= kTrims + 1; ++index) {
    entries.push_back(MakeEntry(index, 1, "entry", index, 1));
  }
  ASSERT_OK(store.Write(OneWrite(WriteEntries(std::move(entries)))));
  std::atomic<uint64_t> first_kept{1};
  std::thread reader([&] {
    while (first_kept <= kTrims) {
      const auto read = store.ReadEntries(kGroup, Index(first_kept), Index(first_kept), kNoLimit);
      EXPECT_TRUE(read.ok() || absl::IsOutOfRange(read.status())) << read.status();
    }
  });
  for (uint64_t index = 1; index <= kTrims; ++index) {
    GroupWrite trim;
    trim.group = kGroup;
    trim.segments = {MakeSegment(index, 1, index + 1)};
    trim.trim_to = Index(index);
    EXPECT_TRUE(store.Write(OneWrite(std::move(trim))).ok());
    first_kept = index + 1;
  }
  reader.join();
  EXPECT_EQ(store.Damage(), "");
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreContractTest, EachStore(), NameOf);

}  // namespace
}  // namespace cairn::storage
