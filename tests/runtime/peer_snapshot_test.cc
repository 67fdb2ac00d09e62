// A snapshot as it comes over the wire, where its membership is part of its bytes.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "base/random.h"
#include "cairn/v1/store.pb.h"
#include "consensus/membership.h"
#include "server/group.h"
#include "server/log_facts.h"
#include "server/runtime/wire_codec.h"

namespace cairn::server {
namespace {

constexpr GroupId kLog{7};
constexpr NodeId kSelf{1};
constexpr NodeId kLeader{2};
constexpr consensus::Position kAt{.term = Term(2), .index = Index(9)};

cairn::v1::GroupSnapshot Snapshot() {
  cairn::v1::GroupSnapshot snapshot;
  snapshot.set_index(kAt.index.value());
  snapshot.set_term(kAt.term.value());
  snapshot.set_membership(consensus::EncodeMembership(
      {.voters = {kSelf, kLeader, NodeId(3)}, .outgoing = {}, .learners = {NodeId(4)}}));
  LogFacts facts = LogFacts::Empty(kLog, {});
  facts.last_seq = Seq(20);
  *snapshot.mutable_state() = facts.ToSnapshot();
  return snapshot;
}

class PeerSnapshotTest : public testing::Test {
 protected:
  PeerSnapshotTest() {
    GroupConfig config;
    config.raft.self = kSelf;
    GroupStart start;
    start.group = kLog;
    start.name = "log";
    start.initial_voters = {kSelf, kLeader, NodeId(3)};
    group_ = *Group::Create(config, std::move(start), &budget_, &random_, nullptr,
                            {.mono = 1, .wall = 1});
  }

  void Receive(const cairn::v1::GroupSnapshot& snapshot) {
    const OutMessage sent{
        kLog,
        {.from = kLeader,
         .to = kSelf,
         .term = kAt.term,
         .body = consensus::SnapshotRequest{
             .position = kAt, .membership = {}, .snapshot = Bytes(snapshot.SerializeAsString())}}};
    auto received = DecodeMessage(EncodeMessage(sent));
    ASSERT_TRUE(received.ok());
    group_->Handle(PeerMessage{std::move(received->message)}, {.mono = 2, .wall = 2},
                   storage::Room::kEnough, effects_);
    group_->Finish({.mono = 2, .wall = 2}, /*gather=*/false, effects_);
    group_->CheckInvariants();
  }

  CacheBudget budget_;
  Random random_{1};
  Effects effects_;
  std::unique_ptr<Group> group_;
};

TEST_F(PeerSnapshotTest, FillsAReplicaThatLagsBehindATrim) {
  Receive(Snapshot());
  EXPECT_EQ(group_->state().applied_index(), kAt.index);
  EXPECT_EQ(group_->state().applied().last_seq, Seq(20));
  EXPECT_TRUE(group_->core().membership().IsLearner(NodeId(4)));
  EXPECT_TRUE(effects_.alarms.empty());
}

// Whatever is wrong with it, the replica stays as it was and goes on.
TEST_F(PeerSnapshotTest, OneThatNoLeaderSendsIsDroppedWithALine) {
  cairn::v1::GroupSnapshot elsewhere = Snapshot();
  elsewhere.set_index(8);
  cairn::v1::GroupSnapshot other_log = Snapshot();
  other_log.mutable_state()->set_log_id(8);
  cairn::v1::GroupSnapshot nobody = Snapshot();
  nobody.set_membership("?");
  cairn::v1::GroupSnapshot contradicts = Snapshot();
  contradicts.mutable_state()->set_first_seq(99);
  for (const auto& snapshot : {elsewhere, other_log, nobody, contradicts}) {
    effects_.alarms.clear();
    Receive(snapshot);
    EXPECT_EQ(effects_.alarms.size(), 1u);
    EXPECT_EQ(group_->state().applied_index(), Index());
  }
  Receive(Snapshot());
  EXPECT_EQ(group_->state().applied_index(), kAt.index);
}

}  // namespace
}  // namespace cairn::server
