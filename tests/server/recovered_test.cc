// What becomes of a log, and of the catalog, of which one node is left: kept entries are those of
// before, and nobody of the old cluster has a say or a hold in the new one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "consensus/membership.h"
#include "server/group_load.h"
#include "server/log_state.h"
#include "server/recovered_catalog.h"
#include "server/recovered_log.h"
#include "storage/mem_log_store.h"

namespace cairn::server {
namespace {

using consensus::EntryKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr GroupId kOldId{7};
constexpr GroupId kNewId{1'000'007};
constexpr NodeId kOldNode{3};
constexpr NodeId kNode{1001};
constexpr TurnTime kNow{.mono = 5'000'000, .wall = 1'700'000'000'000'000};

std::string Members(std::vector<NodeId> voters) {
  consensus::Membership membership;
  membership.voters = std::move(voters);
  return consensus::EncodeMembership(membership);
}

// A log as its old node held it.
class OldLog {
 public:
  OldLog() : state_(LogFacts::Empty(kOldId, {}), Index(), LogLimits()) { state_.BeginTerm(kNow); }

  storage::SegmentRow FirstRow(bool doubtful = false) const {
    cairn::v1::GroupSnapshot snapshot;
    snapshot.set_membership(Members({NodeId(1), NodeId(2), kOldNode}));
    snapshot.set_doubtful(doubtful);
    *snapshot.mutable_state() = state_.applied().ToSnapshot();
    storage::SegmentRow row;
    row.first_seq = Seq(1);
    row.chain_before = state_.applied().chain;
    row.state = snapshot.SerializeAsString();
    return row;
  }
  storage::StoredEntry Noop() { return Next(EntryKind::kNoop, Bytes()); }
  storage::StoredEntry Config(std::vector<NodeId> voters) {
    return Next(EntryKind::kConfig, Bytes(Members(std::move(voters))));
  }
  storage::StoredEntry Data(const RequestBody& body) {
    state_.BeginEntry(last_ + 1, kNow);
    const Evaluation evaluation = state_.Evaluate(body, kNow);
    EXPECT_TRUE(std::holds_alternative<Accepted>(evaluation));
    return Next(EntryKind::kData, *state_.FinishEntry());
  }
  static AppendOp Append(const std::string& payload) {
    AppendOp op;
    cairn::v1::Record record;
    record.set_payload(payload);
    storage::AppendRecordTo(op.records, record.SerializeAsString());
    op.count = 1;
    return op;
  }
  [[nodiscard]] const LogFacts& facts() const { return state_.speculative(); }

 private:
  storage::StoredEntry Next(EntryKind kind, Bytes payload) {
    storage::StoredEntry entry{.index = ++last_,
                               .term = Term(4),
                               .kind = static_cast<uint8_t>(kind),
                               .payload = std::move(payload)};
    if (kind != EntryKind::kData) return entry;
    const auto header = storage::ParseEntryHeader(entry.payload.view());
    entry.first_seq = header->first_seq;
    entry.record_count = header->record_count;
    entry.timestamp_us = header->timestamp_us;
    return entry;
  }

  Index last_;
  LogState state_;
};

class RecoveredLogTest : public ::testing::Test {
 protected:
  RecoveredLogTest()
      : log_({.id = kNewId,
              .old_node = kOldNode,
              .node = kNode,
              .hard_state = {Term(9), NodeId(2), Index(3)},
              .store = &store_}) {}
  void Take(const storage::StoredEntry& entry) {
    const absl::Status taken = log_.OnEntry(entry);
    EXPECT_TRUE(taken.ok()) << taken;
  }
  // The group as a start finds it.
  std::unique_ptr<Group> Open() {
    auto groups = store_.LoadGroups();
    EXPECT_TRUE(groups.ok() && groups->size() == 1);
    GroupStart start;
    start.group = kNewId;
    start.name = "x";
    std::string damage;
    EXPECT_TRUE(LoadGroup(store_, std::move(groups->front()), &start, &damage).ok());
    GroupConfig config;
    config.raft.self = kNode;
    auto group = Group::Create(config, std::move(start), &budget_, &random_, nullptr, kNow);
    EXPECT_TRUE(group.ok()) << group.status();
    return *std::move(group);
  }

  storage::MemLogStore store_{1};
  CacheBudget budget_{1 << 20};
  Random random_{1};
  OldLog old_;
  RecoveredLog log_;
};

TEST_F(RecoveredLogTest, RecordsAreKeptAndHoldsEnd) {
  const storage::SegmentRow first = old_.FirstRow();
  EXPECT_TRUE(log_.OnSegment(first).ok());
  Take(old_.Noop());
  Take(old_.Data(OldLog::Append("one")));
  Take(old_.Data(AcquireOp{"primary", "somebody", 10'000, std::nullopt}));
  Take(old_.Config({NodeId(1), NodeId(2)}));
  Take(old_.Data(RegisterProducerOp{}));
  Take(old_.Data(OldLog::Append("two")));
  Take(old_.Data(RegisterSnapshotOp{kArchiveSnapshot, Seq(2), 1, "in the old cluster's folder"}));
  Take(old_.Data(RegisterSnapshotOp{"reader", Seq(2), 1, "of somebody's own"}));
  const uint64_t chain = old_.facts().chain;
  const auto report = log_.Finish(kNow);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->first_seq, Seq(1));
  EXPECT_EQ(report->last_seq, Seq(3));
  EXPECT_EQ(report->committed_seq, Seq(2));
  EXPECT_EQ(report->chain, chain);
  EXPECT_EQ(report->leases, 1u);
  EXPECT_EQ(report->producers, 1u);
  EXPECT_FALSE(report->voted) << "the newest configuration leaves it out";
  EXPECT_GT(report->term, report->last_term);

  const std::unique_ptr<Group> group = Open();
  const GroupView view = group->View();
  EXPECT_THAT(view.voters, ElementsAre(kNode));
  EXPECT_EQ(view.last_seq, Seq(4)) << "the lease's end";
  EXPECT_EQ(view.term, Term(10));
  EXPECT_EQ(group->state().applied().leases.size(), 0u);
  EXPECT_EQ(group->state().applied().producers.size(), 0u);
  EXPECT_EQ(group->state().applied().FindSnapshot(kArchiveSnapshot)->seq(), 0u);
  EXPECT_EQ(group->state().applied().FindSnapshot("reader")->seq(), 2u);
}

TEST_F(RecoveredLogTest, ALogWithoutEntriesBeginsOnItsOldChain) {
  EXPECT_TRUE(log_.OnSegment(old_.FirstRow()).ok());
  const auto report = log_.Finish(kNow);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->voted && report->placed);
  EXPECT_EQ(report->chain, storage::ChainSeed(kOldId));
  EXPECT_EQ(Open()->View().chain, storage::ChainSeed(kOldId));
}

TEST_F(RecoveredLogTest, WhatContradictsItselfEndsTheLog) {
  EXPECT_TRUE(log_.OnSegment(old_.FirstRow(/*doubtful=*/true)).ok());
  Take(old_.Noop());
  Take(old_.Data(OldLog::Append("one")));
  old_.Data(OldLog::Append("that is missing"));
  storage::StoredEntry later = old_.Data(OldLog::Append("two"));
  later.index = Index(3);
  EXPECT_TRUE(absl::IsDataLoss(log_.OnEntry(later)));
  const auto report = log_.Finish(kNow);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->last_seq, Seq(1));
  EXPECT_TRUE(report->doubtful);
  EXPECT_EQ(Open()->View().standing, consensus::Standing::kSound) << "nobody could refill it";
}

// ---- The catalog --------------------------------------------------------------------------------

cairn::v1::CatalogCommand Formed() {
  cairn::v1::CatalogCommand command;
  auto& formed = *command.mutable_cluster_formed();
  formed.set_cluster_id("old");
  auto& member = *formed.add_members();
  member.set_node_id(3);
  member.set_name("n3");
  member.set_address("127.0.0.1:7003");
  member.set_incarnation(33);
  return command;
}

TEST(RecoveredCatalogTest, ThePolicyStaysAndNoIdComesBack) {
  Catalog old;
  std::vector<cairn::v1::CatalogCommand> commands = {Formed()};
  auto& principal = *commands.emplace_back().mutable_policy_changed()->mutable_principal_put();
  principal.set_name("boss");
  principal.add_grants()->set_pattern("*");
  principal.mutable_grants(0)->add_rights(cairn::v1::RIGHT_ADMIN);
  auto& token = *commands.emplace_back().mutable_policy_changed()->mutable_token_created();
  token.mutable_info()->set_id("0123456789abcdef");
  token.mutable_info()->set_principal("boss");
  token.set_secret_sha256(std::string(32, 's'));
  auto& quota = *commands.emplace_back().mutable_policy_changed()->mutable_tenant_quota_put();
  quota.set_tenant("shop");
  quota.set_appends_per_second(5);
  commands.emplace_back().mutable_policy_changed()->set_enabled(true);
  for (const auto& command : commands) {
    ASSERT_TRUE(old.Apply(old.applied_seq() + 1, command.SerializeAsString()).ok());
  }

  Random random(1);
  EXPECT_EQ(NodeIdAfter(old), NodeId(1001));
  const uint64_t base = LogIdBaseAfter(old, GroupId(70), random);
  EXPECT_GT(base, (uint64_t{1} << 32) + 70);
  const Survivor survivor{"new", {NodeId(1001), "n3", "127.0.0.1:7003", "", 44}};
  auto made = RecoveredCatalog::Begin(survivor, base, old);
  ASSERT_TRUE(made.ok()) << made.status();
  const auto id = made->AddLog("orders", {});
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_GT(id->value(), base);
  EXPECT_FALSE(made->AddLog("orders", {}).ok());

  storage::MemLogStore store(1);
  ASSERT_TRUE(made->WriteTo(store, kNow).ok());
  const auto entries = store.ReadEntries(kCatalogGroup, Index(1), Index(1), 1 << 20);
  ASSERT_TRUE(entries.ok());
  CatalogReader reader;
  for (const auto& entry : entries->entries) ASSERT_TRUE(reader.OnEntry(entry).ok());
  const Catalog& read = reader.catalog();
  EXPECT_EQ(read.cluster_id(), "new");
  EXPECT_EQ(read.members().size(), 1u);
  EXPECT_EQ(read.NextNodeId(), NodeId(1002));
  ASSERT_NE(read.FindByName("orders"), nullptr);
  EXPECT_EQ(read.FindByName("orders")->id, *id);
  EXPECT_THAT(read.FindByName("orders")->replicas, ElementsAre(NodeId(1001)));
  EXPECT_TRUE(read.policy()->enabled());
  ASSERT_NE(read.policy()->FindToken("0123456789abcdef"), nullptr);
  EXPECT_EQ(read.policy()->FindToken("0123456789abcdef")->secret_sha256, std::string(32, 's'));
  ASSERT_NE(read.policy()->FindQuota("shop"), nullptr);
}

TEST(RecoveredCatalogTest, ANodeThatCannotBeCalledSoIsRefused) {
  Catalog old;
  ASSERT_TRUE(old.Apply(Seq(1), Formed().SerializeAsString()).ok());
  const auto made = RecoveredCatalog::Begin({"new", {NodeId(1001), "n3", "", "", 44}}, 100, old);
  EXPECT_THAT(made.status().ToString(), HasSubstr("no address"));
}

}  // namespace
}  // namespace cairn::server
