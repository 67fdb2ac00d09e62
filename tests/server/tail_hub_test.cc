// TailHub: committed records, in order, none missing, none twice, whatever the ring, the cold
// reader and the credit do.
#include "server/tail_hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "storage/mem_log_store.h"
#include "storage/read_queue.h"

namespace cairn::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr GroupId kGroup{7};
constexpr uint64_t kPlenty = 64 << 20;

// A sink is only an address here: what it would be called with is taken from the effects.
class UnusedSink : public TailSink {
 public:
  void OnChunk(uint64_t, TailChunk) override { ADD_FAILURE(); }
  void OnEnd(uint64_t, TailEnd) override { ADD_FAILURE(); }
};

// What one tail was given.
struct Received {
  std::vector<uint64_t> seqs;
  std::vector<std::string> payloads;
  std::vector<uint64_t> chains;  // Of each batch.
  std::vector<size_t> chunk_bytes;
  std::vector<uint64_t> mark_epochs;
  std::vector<uint64_t> seqs_before_mark;  // How many records had come when a mark did.
  std::vector<cairn::v1::CaughtUpMark> caught_up;
  std::vector<uint64_t> heartbeats;
  bool stale = false;
  std::optional<TailEnd> end;

  [[nodiscard]] cairn::v1::Reason why() const {
    return end && end->rejection ? end->rejection->info.reason() : cairn::v1::REASON_UNSPECIFIED;
  }
};

std::string RecordOf(const std::string& payload) {
  cairn::v1::Record record;
  record.set_payload(payload);
  return record.SerializeAsString();
}

class TailHubTest : public ::testing::Test {
 protected:
  TailHubTest() {
    storage::GroupWrite write;
    write.group = kGroup;
    write.install.emplace();
    write.install->first_seq = Seq(1);
    write.install->chain_before = storage::ChainSeed(kGroup);
    Store(std::move(write));
  }

  void Store(storage::GroupWrite write) {
    storage::StoreBatch batch;
    batch.groups.push_back(std::move(write));
    ASSERT_TRUE(store_.Write(batch).ok());
  }

  // ---- The log ----
  // Pushes an entry with these records and puts it on the disk. Not applied yet.
  void Push(const std::vector<std::string>& payloads, int64_t timestamp_us = 0) {
    if (timestamp_us == 0) timestamp_us = position_.timestamp_us + 1;
    storage::EntryBuilder builder(position_.last_seq, position_.chain, timestamp_us);
    for (const std::string& payload : payloads) builder.AddRecord(RecordOf(payload));
    position_ = {builder.last_seq(), builder.chain(), timestamp_us};
    const uint32_t count = builder.record_count();
    PushEntry(consensus::EntryKind::kData, builder.Finish(), count);
  }
  void PushNoop() { PushEntry(consensus::EntryKind::kNoop, Bytes(), 0); }
  void PushEntry(consensus::EntryKind kind, Bytes payload, uint32_t count) {
    ++last_;
    positions_[last_] = position_;
    chains_[position_.last_seq] = position_.chain;
    storage::StoredEntry stored;
    stored.index = last_;
    stored.term = Term(1);
    stored.kind = static_cast<uint8_t>(kind);
    stored.payload = payload;
    stored.first_seq = position_.last_seq - count + 1;
    stored.record_count = count;
    stored.timestamp_us = position_.timestamp_us;
    storage::GroupWrite write;
    write.group = kGroup;
    write.entries.push_back(std::move(stored));
    Store(std::move(write));
    hub_->Push({.index = last_, .term = Term(1), .kind = kind, .payload = payload}, position_);
  }
  void Apply(Index through) {
    hub_->OnApplied(through, positions_.at(through), effects_);
    hub_->SetEvictable(through);
    applied_ = through;
    Deliver();
  }
  // Appends and applies single-record entries.
  void Append(const std::vector<std::string>& payloads) {
    for (const std::string& payload : payloads) Push({payload});
    Apply(last_);
  }
  void EvictAll() {
    const uint64_t limit = std::exchange(budget_.limit_bytes, 0);
    hub_->Shrink();
    budget_.limit_bytes = limit;
  }

  // ---- Tails ----
  TailOpen Opening(uint64_t token, TailStart start, uint64_t credit = kPlenty) {
    TailOpen open;
    open.sink = &sink_;
    open.token = token;
    open.start = start;
    open.credit_bytes = credit;
    return open;
  }
  void Open(const TailOpen& open, MonoMicros now = 0) {
    hub_->Open(open, first_seq_, {now, now}, effects_);
    Deliver();
  }
  void OpenFirst(uint64_t token, uint64_t credit = kPlenty) {
    Open(
        Opening(token, {.kind = TailStart::Kind::kFirst, .seq = Seq(), .timestamp_us = 0}, credit));
  }
  void OpenAt(uint64_t token, uint64_t seq, uint64_t credit = kPlenty) {
    Open(Opening(token, From(seq), credit));
  }
  static TailStart From(uint64_t seq) {
    return {.kind = TailStart::Kind::kSeq, .seq = Seq(seq), .timestamp_us = 0};
  }
  static TailStart At(int64_t timestamp_us) {
    return {.kind = TailStart::Kind::kTimestamp, .seq = Seq(), .timestamp_us = timestamp_us};
  }
  void Credit(uint64_t token, uint64_t bytes) {
    hub_->Credit({&sink_, token, bytes}, effects_);
    Deliver();
  }
  void Close(uint64_t token) {
    hub_->Close({&sink_, token}, effects_);
    Deliver();
  }
  void Tick(MonoMicros now, bool stale = false) {
    hub_->OnTick({now, now}, stale, effects_);
    Deliver();
  }
  void Confirm(MonoMicros asked, MonoMicros now) {
    hub_->OnConfirmed(asked, applied_, {now, now}, effects_);
    Deliver();
  }
  // Answers all cold reads that were asked for, and those that they lead to.
  void Load() {
    while (!reads_.empty()) LoadOne();
  }
  void LoadOne() {
    const storage::ReadRequest request = reads_.front();
    reads_.erase(reads_.begin());
    Loaded(storage::PerformRead(store_, request));
  }
  void Loaded(const storage::ReadResult& result) {
    hub_->OnLoaded(result, effects_);
    Deliver();
  }

  // Moves the effects to what the tails have received.
  void Deliver() {
    for (Effects::OutChunk& out : effects_.chunks) {
      EXPECT_EQ(out.sink, &sink_);
      Receive(tails_[out.token], out.chunk);
    }
    for (Effects::OutEnd& out : effects_.ends) {
      EXPECT_FALSE(tails_[out.token].end.has_value()) << "two ends";
      tails_[out.token].end = std::move(out.end);
    }
    for (storage::ReadRequest& read : effects_.reads) {
      EXPECT_EQ(read.group, kGroup);
      EXPECT_NE(read.ticket & TailHub::kTicketBit, 0u);
      EXPECT_LE(read.last, applied_);
      reads_.push_back(read);
    }
    effects_ = {};
  }
  void Receive(Received& tail, const TailChunk& chunk) {
    EXPECT_FALSE(tail.end.has_value()) << "a chunk after the end";
    for (const TailBatch& batch : chunk.batches) {
      cairn::v1::RecordBatch decoded;
      ASSERT_TRUE(decoded.ParseFromString(std::string(batch.records)));
      ASSERT_EQ(decoded.records_size(), static_cast<int>(batch.count));
      for (int i = 0; i < decoded.records_size(); ++i) {
        tail.seqs.push_back(batch.first_seq.value() + static_cast<uint64_t>(i));
        tail.payloads.push_back(decoded.records(i).payload());
      }
      tail.chains.push_back(batch.chain);
      if (batch.chain != 0) {
        EXPECT_EQ(batch.chain, chains_.at(batch.first_seq + batch.count - 1));
      }
    }
    tail.chunk_bytes.push_back(chunk.bytes());
    for (const auto& mark : chunk.renewed) {
      tail.mark_epochs.push_back(mark.epoch());
      tail.seqs_before_mark.push_back(tail.seqs.size());
    }
    if (chunk.caught_up) tail.caught_up.push_back(*chunk.caught_up);
    if (chunk.heartbeat) tail.heartbeats.push_back(chunk.heartbeat->value());
    tail.stale = chunk.stale;
  }

  UnusedSink sink_;
  storage::MemLogStore store_{1};
  CacheBudget budget_;
  LogPosition position_{Seq(), storage::ChainSeed(kGroup), 0};
  std::unique_ptr<TailHub> hub_ = std::make_unique<TailHub>(kGroup, &budget_, Index(), position_);
  Index last_;
  Index applied_;
  Seq first_seq_{1};
  std::map<Index, LogPosition> positions_;
  std::map<Seq, uint64_t> chains_;
  Effects effects_;
  std::vector<storage::ReadRequest> reads_;
  std::map<uint64_t, Received> tails_;
};

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

// ---- Cold reads ---------------------------------------------------------------------

TEST_F(TailHubTest, ALaggardReadsTheStoreAndMeetsTheRing) {
  Append({"a", "b", "c"});
  EvictAll();
  Append({"d"});
  OpenFirst(1);
  EXPECT_THAT(tails_[1].seqs, IsEmpty());
  ASSERT_EQ(reads_.size(), 1u);
  EXPECT_EQ(reads_[0].seq, Seq(1));
  EXPECT_EQ(reads_[0].last, Index(3)) << "the ring's part is not read from the disk";
  Load();
  EXPECT_THAT(tails_[1].payloads, ElementsAre("a", "b", "c", "d"));
  Append({"e"});
  EXPECT_EQ(tails_[1].seqs.size(), 5u);
}

TEST_F(TailHubTest, EachLaggardHasOneReadInFlight) {
  Append({"a", "b"});
  EvictAll();
  OpenFirst(1);
  OpenFirst(2);
  Credit(1, 10);
  Append({"c"});
  EXPECT_EQ(reads_.size(), 2u);
  Load();
  EXPECT_THAT(tails_[1].seqs, ElementsAre(1, 2, 3));
  EXPECT_THAT(tails_[2].seqs, ElementsAre(1, 2, 3));
}

TEST_F(TailHubTest, AResultThatComesAfterCloseIsDropped) {
  Append({"a"});
  EvictAll();
  OpenFirst(1);
  Close(1);
  Load();
  EXPECT_THAT(tails_[1].seqs, IsEmpty());
}

TEST_F(TailHubTest, AColdReadRespectsCredit) {
  Append({std::string(3000, 'a'), std::string(3000, 'b'), std::string(3000, 'c')});
  EvictAll();
  OpenFirst(1, 2000);
  Load();
  EXPECT_THAT(tails_[1].seqs, ElementsAre(1));
  Credit(1, 3000);
  EXPECT_THAT(tails_[1].seqs, ElementsAre(1, 2));
  EXPECT_THAT(reads_, IsEmpty()) << "what was read is kept for the next credit";
}

TEST_F(TailHubTest, ATimeBeforeTheRingAsksTheStore) {
  for (int64_t at : {100, 200, 300, 400}) Push({std::to_string(at)}, at);
  Apply(last_);
  EvictAll();
  Push({"500"}, 500);
  Apply(last_);
  Open(Opening(1, At(250)));
  ASSERT_EQ(reads_.size(), 1u);
  EXPECT_EQ(reads_[0].timestamp_us, 250);
  Load();
  EXPECT_THAT(tails_[1].payloads, ElementsAre("300", "400", "500"));
  Open(Opening(2, At(450)));
  EXPECT_THAT(reads_, IsEmpty()) << "the ring begins after 400, so it can tell";
  EXPECT_THAT(tails_[2].payloads, ElementsAre("500"));
}

TEST_F(TailHubTest, FailuresOfColdReadsEndTheTailWithTheirReason) {
  Append({"a"});
  EvictAll();
  const struct {
    absl::Status status;
    cairn::v1::Reason reason;
  } cases[] = {
      {absl::OutOfRangeError("trimmed"), cairn::v1::REASON_TRIMMED},
      {absl::DataLossError("bad checksum"), cairn::v1::REASON_LOG_HALTED},
      {absl::CancelledError("stopping"), cairn::v1::REASON_SHUTTING_DOWN},
      {absl::NotFoundError("no group"), cairn::v1::REASON_LOG_NOT_FOUND},
      {absl::OkStatus(), cairn::v1::REASON_LOG_HALTED},  // OK, but without the record.
  };
  uint64_t token = 0;
  for (const auto& c : cases) {
    OpenFirst(++token);
    storage::ReadResult result;
    result.group = kGroup;
    result.ticket = reads_.at(0).ticket;
    result.status = c.status;
    reads_.clear();
    Loaded(result);
    EXPECT_EQ(tails_[token].why(), c.reason) << c.status;
    if (!c.status.ok() && c.reason == cairn::v1::REASON_LOG_HALTED) {
      EXPECT_THAT(tails_[token].end->rejection->message, ::testing::HasSubstr("bad checksum"));
    }
  }
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

// ---- Property -----------------------------------------------------------------------

// A log that grows, a ring that is always too small, tails that come, starve and go. The
// model: tail t has exactly the records from its start on, in order, up to the applied end.
class TailHubPropertyTest : public TailHubTest {
 protected:
  struct Opened {
    uint64_t start = 0;
    uint64_t credited = 0;
    bool open = true;
  };

  void Run(uint64_t seed) {
    Random random(seed);
    budget_.limit_bytes = 200 + random.Below(20'000);
    for (int step = 0; step < 400; ++step) {
      Step(random);
      hub_->Shrink();
    }
    for (auto& [token, tail] : opened_) {
      if (!tail.open) continue;
      tail.credited += kPlenty;
      Credit(token, kPlenty);
    }
    Apply(last_);
    Load();
    for (const auto& [token, tail] : opened_) {
      if (tail.open) {
        EXPECT_EQ(Next(token), position_.last_seq.value() + 1) << "token " << token;
      }
      CheckTail(token);
    }
  }

  void Step(Random& random) {
    switch (random.Below(8)) {
      case 0:
      case 1: {
        std::vector<std::string> payloads(random.Below(5));
        for (std::string& payload : payloads) payload = std::string(random.Below(3000), 'x');
        Push(payloads);
        break;
      }
      case 2:
        PushNoop();
        break;
      case 3:
        if (last_ > applied_) Apply(applied_ + 1 + random.Below(last_ - applied_));
        break;
      case 4: {
        const uint64_t token = opened_.size() + 1;
        const uint64_t end = applied_ ? positions_.at(applied_).last_seq.value() : 0;
        Opened opened{.start = 1 + random.Below(end + 1), .credited = 1 + random.Below(9000)};
        opened_[token] = opened;
        OpenAt(token, opened.start, opened.credited);
        break;
      }
      case 5:
      case 6:
        if (!opened_.empty()) {
          const uint64_t token = 1 + random.Below(opened_.size());
          if (!opened_[token].open) break;
          if (random.Chance(0.05)) {
            opened_[token].open = false;
            Close(token);
            break;
          }
          const uint64_t bytes = random.Below(9000);
          opened_[token].credited += bytes;
          Credit(token, bytes);
          CheckTail(token);
        }
        break;
      case 7:
        if (!reads_.empty()) LoadOne();
        break;
    }
  }

  uint64_t Next(uint64_t token) {
    const std::vector<uint64_t>& seqs = tails_[token].seqs;
    return seqs.empty() ? opened_[token].start : seqs.back() + 1;
  }

  void CheckTail(uint64_t token) {
    const Received& tail = tails_[token];
    for (size_t i = 0; i < tail.seqs.size(); ++i) {
      ASSERT_EQ(tail.seqs[i], opened_[token].start + i) << "token " << token;
    }
    uint64_t sent = 0;
    for (size_t bytes : tail.chunk_bytes) {
      EXPECT_LT(sent, opened_[token].credited) << "sent without credit";
      sent += bytes;
    }
    EXPECT_EQ(tail.why(), cairn::v1::REASON_UNSPECIFIED);
  }

  std::map<uint64_t, Opened> opened_;
};

class TailHubSeeds : public TailHubPropertyTest, public ::testing::WithParamInterface<uint64_t> {};

TEST_P(TailHubSeeds, EveryTailGetsExactlyItsRecords) { Run(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Seeds, TailHubSeeds, ::testing::Range<uint64_t>(1, 41));

}  // namespace
}  // namespace cairn::server
