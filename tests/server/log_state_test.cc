// What the golden scripts (tests/golden/log) do not show: the edges of terms, entries and
// deadlines.
#include "server/log_state.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

constexpr TurnTime At(int64_t ms) {
  return {.mono = ms * kMicrosPerMilli, .wall = (1'000'000 + ms) * kMicrosPerMilli};
}

LogState NewLog(GroupId id = GroupId(7), LogLimits limits = {}) {
  return {LogFacts::Empty(id, {}), Index(), limits};
}

AppendOp Append(size_t bytes = 10) {
  AppendOp op;
  cairn::v1::Record record;
  record.set_payload(std::string(bytes, 'x'));
  storage::AppendRecordTo(op.records, record.SerializeAsString());
  op.count = 1;
  return op;
}

// A log whose leader it is: the no-op at index 1 is applied.
LogState Leading(GroupId id = GroupId(7), LogLimits limits = {}) {
  LogState state = NewLog(id, limits);
  state.ApplyEmpty(Index(1));
  state.BeginTerm(At(0));
  return state;
}

// Evaluates `body` in an entry of its own at `index`; the payload.
Bytes Propose(LogState& state, Index index, const RequestBody& body, TurnTime now) {
  state.BeginEntry(index, now);
  EXPECT_TRUE(std::holds_alternative<Accepted>(state.Evaluate(body, now)));
  const std::optional<Bytes> payload = state.FinishEntry();
  EXPECT_TRUE(payload.has_value());
  return payload.value_or(Bytes());
}

TEST(LogStateTest, AnEntryIsFullAtItsBytes) {
  LogLimits limits;
  limits.entry_bytes = 100;
  LogState state = Leading(GroupId(7), limits);
  state.BeginEntry(Index(2), At(0));
  EXPECT_FALSE(state.entry_full());
  state.Evaluate(Append(50), At(0));
  EXPECT_FALSE(state.entry_full());
  state.Evaluate(Append(50), At(0));
  EXPECT_TRUE(state.entry_full());
}

TEST(LogStateTest, AnEntryIsFullAtItsItems) {
  LogLimits limits;
  limits.max_producers = 1 << 20;
  LogState state = Leading(GroupId(7), limits);
  state.BeginEntry(Index(2), At(0));
  uint64_t registered = 0;
  for (; !state.entry_full(); ++registered) state.Evaluate(RegisterProducerOp{}, At(0));
  EXPECT_LT(registered, kRegistrationsPerEntry);
}

TEST(LogStateTest, CatalogRecordsAreCompareAndAppend) {
  LogState state = Leading(kCatalogGroup);
  state.BeginEntry(Index(2), At(0));
  const Evaluation first = state.EvaluateCatalog("create", Seq(0));
  ASSERT_TRUE(std::holds_alternative<Accepted>(first));
  EXPECT_EQ(std::get<AppendDone>(std::get<Accepted>(first).reply).first_seq, Seq(1));
  const Evaluation second = state.EvaluateCatalog("create again", Seq(0));
  ASSERT_TRUE(std::holds_alternative<Decided>(second));
  EXPECT_EQ(std::get<Decided>(second).rests, Decided::Rests::kEntry);
  EXPECT_EQ(std::get<Decided>(second).index, Index(2));

  const Bytes payload = *state.FinishEntry();
  const auto entry = storage::EntryView::Parse(payload.view());
  ASSERT_TRUE(entry.ok());
  entry->ForEachRecord([](uint32_t, std::string_view bytes) {
    cairn::v1::Record record;
    ASSERT_TRUE(record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    EXPECT_EQ(record.kind(), cairn::v1::RECORD_KIND_CATALOG);
    EXPECT_EQ(record.payload(), "create");
  });
}

TEST(LogStateTest, TheEndOfATermForgetsItsSpeculation) {
  LogState state = Leading();
  state.BeginEntry(Index(2), At(0));
  state.Evaluate(Append(), At(0));
  state.EndTerm();
  EXPECT_FALSE(state.leading());
  EXPECT_EQ(state.applied().last_seq, Seq(0));

  // Two no-ops later it leads again, and gives the same seq to somebody else.
  state.ApplyEmpty(Index(2));
  state.ApplyEmpty(Index(3));
  state.BeginTerm(At(5));
  state.BeginEntry(Index(4), At(5));
  const Evaluation evaluation = state.Evaluate(Append(), At(5));
  EXPECT_EQ(std::get<AppendDone>(std::get<Accepted>(evaluation).reply).first_seq, Seq(1));
}

TEST(LogStateTest, AnUnparsablePayloadIsRefusedWithoutATrace) {
  LogState state = NewLog();
  state.ApplyEmpty(Index(1));
  EXPECT_EQ(state.Apply(Index(2), "not an entry", At(0)).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(state.applied_index(), Index(1));
}

TEST(LogStateTest, TheNextDeadlineIsTheEarliestArmedOne) {
  LogState state = Leading();
  EXPECT_EQ(state.NextLeaseDeadline(), std::nullopt);
  const Bytes far = Propose(state, Index(2), AcquireOp{"far", "a", 9000, {}}, At(0));
  EXPECT_EQ(state.NextLeaseDeadline(), std::nullopt);  // Nothing is committed.
  ASSERT_TRUE(state.Apply(Index(2), far.view(), At(10)).ok());
  EXPECT_EQ(state.NextLeaseDeadline(), At(9010).mono);
  const Bytes near = Propose(state, Index(3), AcquireOp{"near", "b", 500, {}}, At(10));
  ASSERT_TRUE(state.Apply(Index(3), near.view(), At(20)).ok());
  EXPECT_EQ(state.NextLeaseDeadline(), At(520).mono);
  EXPECT_EQ(state.LeaseRemainingMs("near", At(120)), 400u);
  EXPECT_EQ(state.LeaseRemainingMs("near", At(2000)), 0u);
  EXPECT_EQ(state.LeaseRemainingMs("none", At(120)), 0u);

  // Its end is proposed: the leader need not wake up for it again.
  const Bytes release = Propose(state, Index(4), ReleaseOp{"near", Epoch(2)}, At(30));
  EXPECT_EQ(state.NextLeaseDeadline(), At(9010).mono);
  // Unless the term ends with the proposal.
  state.EndTerm();
  EXPECT_EQ(state.NextLeaseDeadline(), At(520).mono);
}

TEST(LogStateTest, AFollowerNotesGrantsAndRenewalsWhenItAppliesThem) {
  LogState leader = Leading();
  LogState follower = NewLog();
  follower.ApplyEmpty(Index(1));
  const Bytes grant = Propose(leader, Index(2), AcquireOp{"primary", "a", 1000, {}}, At(0));
  ASSERT_TRUE(leader.Apply(Index(2), grant.view(), At(5)).ok());
  ASSERT_TRUE(follower.Apply(Index(2), grant.view(), At(70)).ok());
  EXPECT_EQ(follower.NextLeaseDeadline(), At(1070).mono);
  const Bytes renewal = Propose(leader, Index(3), RenewOp{"primary", Epoch(1)}, At(400));
  ASSERT_TRUE(follower.Apply(Index(3), renewal.view(), At(470)).ok());
  EXPECT_EQ(follower.NextLeaseDeadline(), At(1470).mono);
  EXPECT_EQ(follower.applied().last_seq, Seq(1));  // A renewal takes no seq.
}

TEST(LogStateTest, AnInstalledSnapshotCountsItsLeasesAnew) {
  LogState leader = Leading();
  const Bytes grant = Propose(leader, Index(2), AcquireOp{"primary", "a", 1000, {}}, At(0));
  ASSERT_TRUE(leader.Apply(Index(2), grant.view(), At(5)).ok());
  LogState lagging = NewLog();
  const auto facts = LogFacts::FromSnapshot(leader.applied().ToSnapshot());
  ASSERT_TRUE(facts.ok());
  lagging.Reset(*facts, Index(2), At(900));
  EXPECT_EQ(lagging.applied_index(), Index(2));
  EXPECT_EQ(lagging.NextLeaseDeadline(), At(1900).mono);
  EXPECT_EQ(lagging.DescribeLease("primary", At(1000)).remaining_ms(), 900u);
}

// ---- Trims of a log that is archived ----------------------------------------------------------

// What a trim to `first_seq` comes to, in the entry at `index`.
Evaluation Trim(LogState& state, Index index, Seq first_seq, bool force = false) {
  state.BeginEntry(index, At(0));
  return state.Evaluate(TrimOp{.first_seq = first_seq, .force = force}, At(0));
}

bool IsGuarded(const Evaluation& evaluation) {
  const auto* decided = std::get_if<Decided>(&evaluation);
  const auto* refused = decided == nullptr ? nullptr : std::get_if<Rejection>(&decided->reply);
  return refused != nullptr && refused->info.reason() == cairn::v1::REASON_TRIM_GUARDED;
}

TEST(LogStateTest, WhatIsNotArchivedIsNotTrimmed) {
  LogLimits limits;
  limits.archive_logs = true;
  LogState state = Leading(GroupId(7), limits);
  for (uint64_t index = 2; index < 6; ++index) {
    const Bytes payload = Propose(state, Index(index), Append(), At(0));
    ASSERT_TRUE(state.Apply(Index(index), payload.view(), At(0)).ok());
  }
  EXPECT_TRUE(IsGuarded(Trim(state, Index(6), Seq(2))));
  EXPECT_FALSE(state.FinishEntry().has_value());
  // Retention is held back as well.
  state.BeginEntry(Index(6), At(0));
  state.EvaluateHousekeeping(At(0), Seq(4));
  EXPECT_FALSE(state.FinishEntry().has_value());

  const RegisterSnapshotOp archived{
      .name = kArchiveSnapshot, .seq = Seq(2), .chain = 0, .location = "file:///archive"};
  const Bytes payload = Propose(state, Index(6), archived, At(0));
  ASSERT_TRUE(state.Apply(Index(6), payload.view(), At(0)).ok());
  EXPECT_TRUE(IsGuarded(Trim(state, Index(7), Seq(4))));
  EXPECT_FALSE(state.FinishEntry().has_value());
  EXPECT_TRUE(std::holds_alternative<Accepted>(Trim(state, Index(7), Seq(3))));
  EXPECT_TRUE(state.FinishEntry().has_value());
  EXPECT_TRUE(std::holds_alternative<Accepted>(Trim(state, Index(8), Seq(5), /*force=*/true)));
}

TEST(LogStateTest, TheArchiveHasRoomAmongSnapshots) {
  LogLimits limits;
  limits.max_snapshots = 1;
  LogState state = Leading(GroupId(7), limits);
  state.BeginEntry(Index(2), At(0));
  RegisterSnapshotOp op{.name = "a consumer", .seq = Seq(0), .chain = 0, .location = "x"};
  EXPECT_TRUE(std::holds_alternative<Accepted>(state.Evaluate(op, At(0))));
  op.name = kArchiveSnapshot;
  EXPECT_TRUE(std::holds_alternative<Accepted>(state.Evaluate(op, At(0))));
  op.name = "another consumer";
  EXPECT_TRUE(std::holds_alternative<Decided>(state.Evaluate(op, At(0))));
}

TEST(LogStateTest, ALogSaysWhetherItIsArchivedOrItsNodeDoes) {
  cairn::v1::LogSettings settings;
  EXPECT_TRUE(IsArchived(settings, true));
  EXPECT_FALSE(IsArchived(settings, false));
  settings.set_archive(cairn::v1::ARCHIVE_POLICY_ON);
  EXPECT_TRUE(IsArchived(settings, false));
  settings.set_archive(cairn::v1::ARCHIVE_POLICY_OFF);
  EXPECT_FALSE(IsArchived(settings, true));
}

}  // namespace
}  // namespace cairn::server
