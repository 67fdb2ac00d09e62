// A log that is made again from a backup: what it takes and when, and that replicas agree on it.
#include <gtest/gtest.h>

#include "server/log_state.h"

namespace cairn::server {
namespace {

constexpr GroupId kLog{7};
constexpr int64_t kThen = 500'000'000;  // Log time of the imported records, µs.

constexpr TurnTime At(int64_t ms) {
  return {.mono = ms * kMicrosPerMilli, .wall = (1'000'000 + ms) * kMicrosPerMilli};
}

cairn::v1::LogBase Base(uint64_t first_seq, uint64_t chain) {
  cairn::v1::LogBase base;
  base.set_first_seq(first_seq);
  base.set_chain(chain);
  base.set_timestamp_us(kThen);
  return base;
}

ImportOp::Batch Batch(std::vector<cairn::v1::Record> records, int64_t timestamp_us) {
  ImportOp::Batch batch;
  for (const cairn::v1::Record& record : records) {
    storage::AppendRecordTo(batch.records, record.SerializeAsString());
  }
  batch.count = static_cast<uint32_t>(records.size());
  batch.timestamp_us = timestamp_us;
  return batch;
}

cairn::v1::Record Record(const std::string& payload) {
  cairn::v1::Record record;
  record.set_payload(payload);
  return record;
}

cairn::v1::Record Grant() {
  cairn::v1::Record record;
  record.set_kind(cairn::v1::RECORD_KIND_LEASE_ACQUIRED);
  record.mutable_lease()->set_name("primary");
  record.mutable_lease()->set_holder("somebody");
  return record;
}

// A leader and a follower of one log; every proposal is committed at once.
class ImportTest : public ::testing::Test {
 protected:
  void Begin(const cairn::v1::LogBase& base, const cairn::v1::LogSettings& settings = {}) {
    LogFacts facts = LogFacts::Empty(kLog, settings);
    facts.BeginImport(base);
    leader_.emplace(facts, Index(), LogLimits{});
    follower_.emplace(facts, Index(), LogLimits{});
    leader_->ApplyEmpty(Index(1));
    follower_->ApplyEmpty(Index(1));
    leader_->BeginTerm(At(0));
  }

  // As the group does: an entry for each batch. The last evaluation.
  Evaluation Judge(RequestBody body, TurnTime now = At(10)) {
    while (true) {
      leader_->BeginEntry(leader_->applied_index() + 1, now, leader_->TimeFor(body, now));
      auto* import = std::get_if<ImportOp>(&body);
      const std::optional<Evaluation> evaluation =
          import != nullptr ? leader_->EvaluateImport(*import) : leader_->Evaluate(body, now);
      if (const std::optional<Bytes> payload = leader_->FinishEntry()) Commit(payload->view());
      if (evaluation) return *evaluation;
    }
  }
  Evaluation Import(uint64_t after, std::vector<ImportOp::Batch> batches) {
    return Judge(ImportOp{.if_last_seq = Seq(after), .batches = std::move(batches)});
  }
  Evaluation Finish() { return Judge(FinishImportOp{facts().last_seq, facts().chain}); }
  void Commit(std::string_view payload) {
    const Index index = leader_->applied_index() + 1;
    EXPECT_EQ(leader_->Apply(index, payload, At(20)), absl::OkStatus());
    EXPECT_EQ(follower_->Apply(index, payload, At(30)), absl::OkStatus());
    EXPECT_EQ(leader_->applied().ToSnapshot().SerializeAsString(),
              follower_->applied().ToSnapshot().SerializeAsString());
  }

  static bool IsAccepted(const Evaluation& evaluation) {
    return std::holds_alternative<Accepted>(evaluation);
  }
  static cairn::v1::Reason ReasonOf(const Evaluation& evaluation) {
    const auto* decided = std::get_if<Decided>(&evaluation);
    if (decided == nullptr) return cairn::v1::REASON_UNSPECIFIED;
    const auto* rejection = std::get_if<Rejection>(&decided->reply);
    return rejection == nullptr ? cairn::v1::REASON_UNSPECIFIED : rejection->info.reason();
  }
  const LogFacts& facts() const { return leader_->applied(); }

  std::optional<LogState> leader_;
  std::optional<LogState> follower_;
};

TEST_F(ImportTest, SeqsTimesAndChainGoOnFromTheBase) {
  Begin(Base(101, 0xabc));
  EXPECT_EQ(facts().first_seq, Seq(101));
  EXPECT_EQ(facts().last_seq, Seq(100));
  const auto done =
      Import(100, {Batch({Record("a"), Record("b")}, kThen), Batch({Record("c")}, kThen + 5)});
  ASSERT_TRUE(IsAccepted(done));
  EXPECT_EQ(facts().last_seq, Seq(103));
  EXPECT_EQ(facts().timestamp_us, kThen + 5);
  uint64_t chain = 0xabc;
  for (const char* payload : {"a", "b", "c"}) {
    chain = storage::ChainNext(chain, Record(payload).SerializeAsString());
  }
  EXPECT_EQ(facts().chain, chain);
  EXPECT_EQ(std::get<AppendDone>(std::get<Accepted>(done).reply).chain, chain);
}

TEST_F(ImportTest, NothingElseIsTakenBeforeTheEndAndNoImportBehindIt) {
  Begin(Base(1, 9));
  AppendOp append;
  storage::AppendRecordTo(append.records, Record("x").SerializeAsString());
  append.count = 1;
  const AcquireOp acquire{"primary", "me", 1000, std::nullopt};
  EXPECT_EQ(ReasonOf(Judge(append)), cairn::v1::REASON_INVALID);
  EXPECT_EQ(ReasonOf(Judge(acquire)), cairn::v1::REASON_INVALID);
  EXPECT_EQ(ReasonOf(Judge(RegisterProducerOp{})), cairn::v1::REASON_INVALID);
  EXPECT_EQ(ReasonOf(Judge(TrimOp{Seq(1)})), cairn::v1::REASON_INVALID);
  EXPECT_TRUE(IsAccepted(Import(0, {Batch({Record("a")}, kThen)})));
  EXPECT_TRUE(IsAccepted(Finish()));
  EXPECT_FALSE(facts().importing);
  EXPECT_EQ(ReasonOf(Import(1, {Batch({Record("b")}, kThen)})), cairn::v1::REASON_INVALID);
  EXPECT_EQ(ReasonOf(Finish()), cairn::v1::REASON_INVALID);
  EXPECT_TRUE(IsAccepted(Judge(append)));
  EXPECT_TRUE(IsAccepted(Judge(acquire)));
}

TEST_F(ImportTest, LogTimeIsThatOfTheRecordsAndWallTimeBehindThem) {
  Begin(Base(1, 9));
  EXPECT_TRUE(IsAccepted(Import(0, {Batch({Record("a")}, kThen + 100)})));
  EXPECT_EQ(ReasonOf(Import(1, {Batch({Record("b")}, kThen + 99)})), cairn::v1::REASON_INVALID);
  EXPECT_EQ(facts().timestamp_us, kThen + 100);
  EXPECT_TRUE(IsAccepted(Finish()));
  EXPECT_EQ(facts().timestamp_us, At(10).wall);
}

TEST_F(ImportTest, AnImportIsConditional) {
  Begin(Base(1, 9));
  EXPECT_TRUE(IsAccepted(Import(0, {Batch({Record("a")}, kThen)})));
  EXPECT_EQ(ReasonOf(Import(0, {Batch({Record("a")}, kThen)})), cairn::v1::REASON_CONDITION_FAILED);
  EXPECT_EQ(ReasonOf(Judge(FinishImportOp{Seq(0), 9})), cairn::v1::REASON_CONDITION_FAILED);
  EXPECT_EQ(ReasonOf(Judge(FinishImportOp{Seq(1), facts().chain + 1})),
            cairn::v1::REASON_CHAIN_MISMATCH);
  EXPECT_EQ(facts().last_seq, Seq(1));
  EXPECT_TRUE(facts().importing);
}

TEST_F(ImportTest, WhatRecordsSayOfLeasesIsHistory) {
  cairn::v1::LogSettings settings;
  settings.set_fenced(true);
  Begin(Base(1, 9), settings);
  EXPECT_TRUE(IsAccepted(Import(0, {Batch({Grant(), Record("under it")}, kThen)})));
  EXPECT_EQ(facts().leases.size(), 0u);
  EXPECT_TRUE(IsAccepted(Finish()));
  // A new grant is past every old epoch.
  EXPECT_TRUE(IsAccepted(Judge(AcquireOp{"primary", "me", 1000, std::nullopt})));
  EXPECT_EQ(facts().leases.Find("primary")->epoch, Epoch(3));
}

TEST_F(ImportTest, ASnapshotRemembersTheImport) {
  Begin(Base(5, 9));
  EXPECT_TRUE(IsAccepted(Import(4, {Batch({Record("a")}, kThen)})));
  const auto again = LogFacts::FromSnapshot(facts().ToSnapshot());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->importing);
  EXPECT_EQ(again->first_seq, Seq(5));
}

TEST_F(ImportTest, EntriesThatContradictTheImportAreRefused) {
  Begin(Base(1, 9));
  storage::EntryBuilder plain(Seq(0), 9, kThen);
  plain.AddRecord(Record("not imported").SerializeAsString());
  EXPECT_TRUE(absl::IsDataLoss(follower_->Apply(Index(2), plain.Finish().view(), At(0))));
  EXPECT_TRUE(IsAccepted(Finish()));
  storage::EntryBuilder late(facts().last_seq, facts().chain, facts().timestamp_us);
  late.AddRecord(Record("late").SerializeAsString());
  cairn::v1::EntryItem item;
  item.mutable_import()->set_count(1);
  late.AddItem(item);
  EXPECT_TRUE(absl::IsDataLoss(
      follower_->Apply(follower_->applied_index() + 1, late.Finish().view(), At(0))));
  EXPECT_EQ(follower_->applied().last_seq, Seq(0));
}

}  // namespace
}  // namespace cairn::server
