// TailHub: committed records, in order, none missing, none twice, whatever the ring and the credit
// do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/server/tail_hub_lab.h"

namespace cairn::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// ---- The ring -----------------------------------------------------------------------

TEST_F(TailHubTest, TheRingKnowsEntriesAndPositionsByIndex) {
  Push({"a", "b"});
  PushNoop();
  Push({"c"});
  EXPECT_EQ(hub_->first_index(), Index(1));
  EXPECT_EQ(hub_->last_index(), Index(3));
  EXPECT_EQ(hub_->last_position().last_seq, Seq(3));
  EXPECT_EQ(hub_->PositionAfter(Index(0))->last_seq, Seq(0));
  EXPECT_EQ(hub_->PositionAfter(Index(2))->last_seq, Seq(2));
  EXPECT_FALSE(hub_->PositionAfter(Index(4)).has_value());
  EXPECT_EQ(hub_->Find(Index(2))->entry.kind, consensus::EntryKind::kNoop);
  EXPECT_EQ(hub_->Find(Index(4)), nullptr);
}

TEST_F(TailHubTest, ASuffixIsReplacedAndItsMemoryGivenBack) {
  Push({"a"});
  const LogPosition kept = position_;
  const uint64_t used = budget_.used_bytes;
  Push({"lost"});
  Push({"lost too"});
  position_ = kept;
  storage::EntryBuilder builder(kept.last_seq, kept.chain, 9);
  builder.AddRecord(RecordOf("b"));
  const LogPosition after{builder.last_seq(), builder.chain(), 9};
  hub_->Push({.index = Index(2), .term = Term(2), .payload = builder.Finish()}, after);
  EXPECT_EQ(hub_->last_index(), Index(2));
  EXPECT_EQ(hub_->Find(Index(2))->entry.term, Term(2));
  EXPECT_EQ(hub_->Find(Index(3)), nullptr);
  EXPECT_LT(budget_.used_bytes, used + used + 64);
}

TEST_F(TailHubTest, OnlyWhatIsOnDiskAndAppliedIsEvicted) {
  for (const char* payload : {"a", "b", "c"}) Push({payload});
  hub_->SetEvictable(Index(2));
  EvictAll();
  EXPECT_EQ(hub_->first_index(), Index(3));
  EXPECT_EQ(hub_->PositionAfter(Index(2))->last_seq, Seq(2)) << "just before the ring";
  EXPECT_FALSE(hub_->PositionAfter(Index(1)).has_value());
}

TEST_F(TailHubTest, NothingIsEvictedWithinTheBudget) {
  Append({"a", "b", "c"});
  hub_->Shrink();
  EXPECT_EQ(hub_->first_index(), Index(1));
  EXPECT_GT(budget_.used_bytes, 3 * sizeof(TailHub::Slot)) << "overhead counts";
}

TEST_F(TailHubTest, AHubThatGoesGivesItsBudgetBack) {
  budget_.used_bytes = 1000;  // Another group's.
  Append({"a", "b"});
  hub_.reset();
  EXPECT_EQ(budget_.used_bytes, 1000u);
}

// ---- Opening ------------------------------------------------------------------------

TEST_F(TailHubTest, PositionsAreJudgedWhenOpened) {
  Append({"a", "b", "c"});
  Push({"uncommitted"});
  first_seq_ = Seq(2);
  struct Case {
    const char* name;
    TailStart start;
    cairn::v1::Reason refused;
    std::vector<uint64_t> seqs;
  };
  const Case cases[] = {
      {"trimmed", From(1), cairn::v1::REASON_TRIMMED, {}},
      {"the oldest", From(2), cairn::v1::REASON_UNSPECIFIED, {2, 3}},
      {"zero is the oldest", From(0), cairn::v1::REASON_UNSPECIFIED, {2, 3}},
      {"first", {}, cairn::v1::REASON_UNSPECIFIED, {2, 3}},
      {"the end", From(4), cairn::v1::REASON_UNSPECIFIED, {}},
      {"beyond the end", From(5), cairn::v1::REASON_SEQ_IN_FUTURE, {}},
      {"next",
       {.kind = TailStart::Kind::kNext, .seq = Seq(), .timestamp_us = 0},
       cairn::v1::REASON_UNSPECIFIED,
       {}},
      {"a time", At(3), cairn::v1::REASON_UNSPECIFIED, {3}},
      {"a time before all", At(-5), cairn::v1::REASON_UNSPECIFIED, {2, 3}},
      {"a time to come", At(1000), cairn::v1::REASON_UNSPECIFIED, {}},
  };
  uint64_t token = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Open(Opening(++token, c.start));
    EXPECT_EQ(tails_[token].why(), c.refused);
    EXPECT_EQ(tails_[token].seqs, c.seqs);
    EXPECT_EQ(tails_[token].end.has_value(), c.refused != cairn::v1::REASON_UNSPECIFIED);
  }
  EXPECT_EQ(tails_[1].end->rejection->info.first_seq(), 2u);
  EXPECT_EQ(tails_[6].end->rejection->info.last_seq(), 3u);
}

TEST_F(TailHubTest, ATimeToComeSkipsRecordsUntilThen) {
  Append({"a"});
  Open(Opening(1, At(1000)));
  Push({"too early"}, 500);
  Push({"b"}, 1000);
  Push({"c"}, 2000);
  Apply(last_);
  EXPECT_THAT(tails_[1].payloads, ElementsAre("b", "c"));
}

// ---- Live tails ---------------------------------------------------------------------

TEST_F(TailHubTest, ATailShowsWhatIsAppliedAndNothingElse) {
  OpenFirst(1);
  Push({"a", "b"});
  Push({"c"});
  Deliver();
  EXPECT_THAT(tails_[1].seqs, IsEmpty());
  Apply(Index(1));
  EXPECT_THAT(tails_[1].payloads, ElementsAre("a", "b"));
  Apply(Index(2));
  EXPECT_THAT(tails_[1].seqs, ElementsAre(1, 2, 3));
  EXPECT_THAT(tails_[1].chains, ElementsAre(chains_[Seq(2)], chains_[Seq(3)]));
}

TEST_F(TailHubTest, SmallEntriesShareAChunk) {
  Append({"a", "b", "c"});
  OpenFirst(1);
  EXPECT_EQ(tails_[1].chunk_bytes.size(), 1u);
  EXPECT_EQ(tails_[1].chains.size(), 3u);
}

TEST_F(TailHubTest, AStartInsideAnEntryGetsItsRest) {
  Push({"a", "b", "c"});
  Apply(last_);
  OpenAt(1, 2);
  EXPECT_THAT(tails_[1].payloads, ElementsAre("b", "c"));
  EXPECT_THAT(tails_[1].chains, ElementsAre(chains_[Seq(3)]));
}

TEST_F(TailHubTest, ChunksAreCutAtTheirSizeAndTheCreditSpent) {
  Push(std::vector<std::string>(30, std::string(100'000, 'x')));
  Apply(last_);
  OpenFirst(1);
  EXPECT_EQ(tails_[1].seqs.size(), 30u);
  ASSERT_EQ(tails_[1].chunk_bytes.size(), 3u);
  for (size_t bytes : tails_[1].chunk_bytes) EXPECT_LE(bytes, kTailChunkBytes);
  EXPECT_THAT(tails_[1].chains, ElementsAre(0, 0, chains_[Seq(30)]));
}

TEST_F(TailHubTest, WithoutCreditNothingIsSent) {
  Append({std::string(1000, 'a'), std::string(1000, 'b'), std::string(1000, 'c')});
  OpenFirst(1, 2500);
  EXPECT_EQ(tails_[1].seqs, (std::vector<uint64_t>{1, 2, 3})) << "the third overdraws";
  const size_t sent = tails_[1].chunk_bytes.size();
  Append({"d"});
  Tick(10 * kMicrosPerSecond);
  Credit(1, 1);
  Credit(1, 1);
  EXPECT_EQ(tails_[1].chunk_bytes.size(), sent);
  Credit(1, kPlenty);
  EXPECT_EQ(tails_[1].seqs, (std::vector<uint64_t>{1, 2, 3, 4}));
}

TEST_F(TailHubTest, ARecordBiggerThanTheCreditStillPasses) {
  Append({std::string(5000, 'a'), "b"});
  OpenFirst(1, 100);
  EXPECT_THAT(tails_[1].seqs, ElementsAre(1));
  Credit(1, 100);
  EXPECT_THAT(tails_[1].seqs, ElementsAre(1)) << "the overdraft is paid back first";
  Credit(1, 6000);
  EXPECT_THAT(tails_[1].seqs, ElementsAre(1, 2));
}

TEST_F(TailHubTest, TheSmallestCreditMakesProgress) {
  Append({"a", "b"});
  PushNoop();
  Append({"c"});
  OpenFirst(1, 1);
  EXPECT_THAT(tails_[1].seqs, ElementsAre(1));
  EvictAll();
  OpenFirst(2, 1);
  Load();
  EXPECT_THAT(tails_[2].seqs, ElementsAre(1));
}

TEST_F(TailHubTest, CloseEndsATailOnceAndSilencesIt) {
  OpenFirst(1);
  Close(1);
  ASSERT_TRUE(tails_[1].end.has_value());
  EXPECT_FALSE(tails_[1].end->rejection.has_value());
  Close(1);
  Credit(1, 10);
  Append({"a"});
  EXPECT_THAT(tails_[1].seqs, IsEmpty());
  EXPECT_EQ(hub_->cursors(), 0u);
}

TEST_F(TailHubTest, EndAllEndsEach) {
  OpenFirst(1);
  OpenFirst(2);
  Rejection why;
  why.info.set_reason(cairn::v1::REASON_SHUTTING_DOWN);
  hub_->EndAll(why, effects_);
  Deliver();
  EXPECT_EQ(tails_[1].why(), cairn::v1::REASON_SHUTTING_DOWN);
  EXPECT_EQ(tails_[2].why(), cairn::v1::REASON_SHUTTING_DOWN);
}

TEST_F(TailHubTest, TrimmingEndsThoseThatHadNotComeSoFar) {
  Append({std::string(1000, 'a'), "b", "c"});
  OpenFirst(1, 500);  // Has record 1; 2 is next.
  OpenFirst(2);
  hub_->OnTrimmed(Seq(3), effects_);
  Deliver();
  EXPECT_EQ(tails_[1].why(), cairn::v1::REASON_TRIMMED);
  EXPECT_EQ(tails_[1].end->rejection->info.first_seq(), 3u);
  EXPECT_FALSE(tails_[2].end.has_value());
}

TEST_F(TailHubTest, ASnapshotLeavesAHoleThatEndsTailsBeforeIt) {
  Append({"a", "b"});
  OpenFirst(1);
  hub_->Reset(Index(20), {Seq(50), 77, 900});
  hub_->OnTrimmed(Seq(1), effects_);
  positions_[Index(20)] = {Seq(50), 77, 900};
  Apply(Index(20));
  EXPECT_EQ(tails_[1].why(), cairn::v1::REASON_TRIMMED);
  EXPECT_EQ(tails_[1].end->rejection->info.first_seq(), 51u);
  EXPECT_THAT(reads_, IsEmpty()) << "the store may still hold what the snapshot replaces";
}

// ---- Bounded reads ------------------------------------------------------------------

TEST_F(TailHubTest, BoundedReadsEnd) {
  Push({"a", "b", "c"});
  Push({"d", "e"});
  Apply(last_);
  struct Case {
    const char* name;
    uint64_t start, end, max;
    std::vector<uint64_t> seqs;
    bool chain_at_end;
  };
  const Case cases[] = {
      {"what is committed", 1, 0, 0, {1, 2, 3, 4, 5}, true},
      {"an end inside an entry", 1, 2, 0, {1, 2}, false},
      {"an end at an entry's end", 2, 3, 0, {2, 3}, true},
      {"a number of records", 2, 0, 3, {2, 3, 4}, false},
      {"an end to come is what is committed", 4, 99, 0, {4, 5}, true},
      {"nothing yet", 6, 0, 0, {}, true},
      {"an end before the start", 4, 2, 0, {}, true},
  };
  uint64_t token = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    TailOpen open = Opening(++token, From(c.start));
    open.bounded = true;
    open.end_seq = Seq(c.end);
    open.max_records = c.max;
    Open(open);
    const Received& tail = tails_[token];
    EXPECT_EQ(tail.seqs, c.seqs);
    ASSERT_TRUE(tail.end.has_value());
    EXPECT_FALSE(tail.end->rejection.has_value());
    if (!tail.chains.empty()) {
      EXPECT_EQ(tail.chains.back() != 0, c.chain_at_end);
    }
  }
  EXPECT_EQ(hub_->cursors(), 0u);
}

TEST_F(TailHubTest, ABoundedReadDoesNotSeeWhatComesLater) {
  Append({std::string(1000, 'a'), "b"});
  TailOpen open = Opening(1, From(1), 500);
  open.bounded = true;
  Open(open);
  Append({"later"});
  Credit(1, kPlenty);
  EXPECT_THAT(tails_[1].seqs, ElementsAre(1, 2));
  EXPECT_TRUE(tails_[1].end.has_value());
}

// ---- Marks --------------------------------------------------------------------------

TEST_F(TailHubTest, RenewalsComeInLogOrder) {
  OpenFirst(1);
  Push({"a"});
  Push({});  // The renewal.
  Push({"b"});
  cairn::v1::LeaseRenewedMark mark;
  mark.set_epoch(42);
  hub_->OnRenewed(Index(2), mark);
  Apply(last_);
  EXPECT_THAT(tails_[1].seqs, ElementsAre(1, 2));
  EXPECT_THAT(tails_[1].mark_epochs, ElementsAre(42));
  EXPECT_THAT(tails_[1].seqs_before_mark, ElementsAre(1));
}

TEST_F(TailHubTest, ATailThatOpensLaterSeesNoRenewalFromBeforeItsPosition) {
  Push({"a"});
  Push({});
  hub_->OnRenewed(Index(2), {});
  Apply(last_);
  OpenAt(1, 2);
  EXPECT_THAT(tails_[1].mark_epochs, IsEmpty());
  OpenAt(2, 1);
  EXPECT_EQ(tails_[2].mark_epochs.size(), 1u);
}

TEST_F(TailHubTest, HeartbeatsFillSilence) {
  Append({"a"});
  OpenFirst(1);
  Tick(kMicrosPerSecond - 1);
  EXPECT_THAT(tails_[1].heartbeats, IsEmpty());
  Tick(kMicrosPerSecond);
  EXPECT_THAT(tails_[1].heartbeats, ElementsAre(1));
  Tick(kMicrosPerSecond + kMicrosPerSecond / 2);
  Append({"b"});
  Tick(2 * kMicrosPerSecond);
  EXPECT_THAT(tails_[1].heartbeats, ElementsAre(1)) << "records broke the silence";
  Tick(3 * kMicrosPerSecond, /*stale=*/true);
  EXPECT_THAT(tails_[1].heartbeats, ElementsAre(1, 2));
  EXPECT_TRUE(tails_[1].stale);
}

TEST_F(TailHubTest, CaughtUpNeedsARoundThatBeganAfterTheOpening) {
  Append({"a"});
  Open(Opening(1, From(1)), /*now=*/100);
  EXPECT_TRUE(hub_->WantsConfirmation());
  Confirm(/*asked=*/99, /*now=*/150);
  EXPECT_THAT(tails_[1].caught_up, IsEmpty());
  Confirm(/*asked=*/120, /*now=*/150);
  ASSERT_EQ(tails_[1].caught_up.size(), 1u);
  EXPECT_EQ(tails_[1].caught_up[0].seq(), 1u);
  EXPECT_EQ(tails_[1].caught_up[0].chain(), chains_[Seq(1)]);
  EXPECT_EQ(tails_[1].caught_up[0].age_us(), 30u);
  EXPECT_FALSE(hub_->WantsConfirmation()) << "nothing new, nothing to confirm";

  Append({"b"});
  EXPECT_TRUE(hub_->WantsConfirmation());
  Confirm(/*asked=*/140, /*now=*/160);
  EXPECT_EQ(tails_[1].caught_up.size(), 1u) << "the round is older than the last mark";
  Confirm(/*asked=*/155, /*now=*/160);
  ASSERT_EQ(tails_[1].caught_up.size(), 2u);
  EXPECT_EQ(tails_[1].caught_up[1].seq(), 2u);
}

TEST_F(TailHubTest, OnlyThoseAtTheEndAreCaughtUp) {
  Append({std::string(1000, 'a'), "b"});
  OpenFirst(1, 500);
  EXPECT_FALSE(hub_->WantsConfirmation());
  Confirm(10, 20);
  EXPECT_THAT(tails_[1].caught_up, IsEmpty());
  Credit(1, kPlenty);
  EXPECT_TRUE(hub_->WantsConfirmation());
}

}  // namespace
}  // namespace cairn::server
