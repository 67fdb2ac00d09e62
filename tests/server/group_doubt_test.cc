// A replica that lacks what it acknowledged remembers that over restarts, until it is whole.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "server/group.h"
#include "server/group_load.h"
#include "storage/entry_codec.h"
#include "storage/mem_log_store.h"

namespace cairn::server {
namespace {

constexpr GroupId kGroup{7};
constexpr NodeId kSelf{1};

// One group over a store in memory; each Start is a new process.
class GroupDoubtTest : public testing::Test {
 protected:
  void Start() {
    group_.reset();
    GroupConfig config;
    config.raft.self = kSelf;
    GroupStart start;
    start.group = kGroup;
    start.name = "log";
    start.initial_voters = {kSelf};
    auto stored = store_.LoadGroups();
    ASSERT_TRUE(stored.ok());
    damage_.clear();
    if (!stored->empty()) {
      ASSERT_TRUE(LoadGroup(store_, std::move(stored->front()), &start, &damage_).ok());
    }
    auto group = Group::Create(config, std::move(start), &budget_, &random_, nullptr, now_);
    ASSERT_TRUE(group.ok());
    group_ = *std::move(group);
    Settle();
  }

  // Turns until nothing is left to write.
  void Settle() {
    for (bool busy = true; busy;) {
      Effects effects;
      group_->Finish(now_, /*gather=*/false, effects);
      busy = !effects.writes.empty();
      ASSERT_TRUE(store_.Write({effects.writes}).ok());
      for (const uint64_t id : effects.write_ids) {
        group_->Handle(Persisted{id}, now_, storage::Room::kEnough, effects);
      }
    }
  }

  void Lead() {
    for (int i = 0; i < 100 && !group_->state().leading(); ++i) {
      now_.mono += 50 * kMicrosPerMilli;
      Effects effects;
      group_->Handle(Tick{}, now_, storage::Room::kEnough, effects);
      Settle();
    }
    ASSERT_TRUE(group_->state().leading());
  }

  void Append() {
    AppendOp append;
    append.records = std::string("\x22\x03\x0a\x01r", 5);  // One record with the payload "r".
    append.count = 1;
    Effects effects;
    group_->Handle(
        Request{.reply_to = {}, .body = append, .deadline = now_.mono + kMicrosPerSecond}, now_,
        storage::Room::kEnough, effects);
    Settle();
  }

  CacheBudget budget_;
  Random random_{1};
  TurnTime now_{.mono = 1000 * kMicrosPerSecond, .wall = 1'790'000'000 * kMicrosPerSecond};
  storage::MemLogStore store_{1};
  std::unique_ptr<Group> group_;
  std::string damage_;
};

TEST_F(GroupDoubtTest, ACutLogIsLostAlsoAfterTheNextStart) {
  Start();
  Lead();
  for (int i = 0; i < 3; ++i) Append();
  const Index last = group_->View().last;
  ASSERT_EQ(group_->View().last_seq, Seq(3));
  ASSERT_TRUE(store_.FlipBit(kGroup, last - 1, random_));

  Start();
  EXPECT_NE(damage_.find("in the segment that begins at seq 2"), std::string::npos) << damage_;
  EXPECT_NE(damage_.find("From seq 2 to the end of the log"), std::string::npos) << damage_;
  EXPECT_EQ(group_->View().standing, consensus::Standing::kLost);
  EXPECT_EQ(group_->View().last, last - 2);

  // What a leader sends goes over the damage, and the process ends before it is whole.
  storage::GroupWrite refilled;
  refilled.group = kGroup;
  refilled.entries.push_back({.index = last - 1, .term = Term(1), .kind = 0, .payload = Bytes()});
  ASSERT_TRUE(store_.Write({{refilled}}).ok());
  Start();
  EXPECT_EQ(damage_, "") << "there is nothing to see any more";
  EXPECT_EQ(group_->View().standing, consensus::Standing::kLost);
  EXPECT_EQ(group_->View().last, last - 1);
}

TEST_F(GroupDoubtTest, AWholeLogIsSoundAfterARestart) {
  Start();
  Lead();
  Append();
  Start();
  EXPECT_EQ(group_->View().standing, consensus::Standing::kSound);
  Lead();
  EXPECT_EQ(group_->View().last_seq, Seq(1));
}

// A replica that was stopped finds both in its mailbox at once.
TEST(GroupSnapshotTest, WhatFollowsASnapshotMayComeInTheSameTurn) {
  constexpr Term kTerm{2};
  constexpr Index kEnd{5};
  constexpr NodeId kLeader{2};
  CacheBudget budget;
  Random random{1};
  const TurnTime now{.mono = kMicrosPerSecond, .wall = kMicrosPerSecond};
  GroupConfig config;
  config.raft.self = kSelf;
  GroupStart start;
  start.group = kGroup;
  start.name = "log";
  start.initial_voters = {kSelf, kLeader, NodeId(3)};
  const std::unique_ptr<Group> group =
      *Group::Create(config, start, &budget, &random, nullptr, now);

  consensus::Membership members;
  members.voters = start.initial_voters;
  LogFacts facts = LogFacts::Empty(kGroup, {});
  facts.first_seq = Seq(5);
  facts.last_seq = Seq(4);
  cairn::v1::GroupSnapshot snapshot;
  snapshot.set_index(kEnd.value());
  snapshot.set_term(kTerm.value());
  snapshot.set_membership(consensus::EncodeMembership(members));
  *snapshot.mutable_state() = facts.ToSnapshot();
  const consensus::SnapshotRequest install{.position = {kTerm, kEnd},
                                           .membership = members,
                                           .snapshot = Bytes(snapshot.SerializeAsString())};
  consensus::AppendRequest append{.prev = {kTerm, kEnd}, .last = kEnd + 1, .commit = kEnd};
  append.entries.push_back({.index = kEnd + 1, .term = kTerm, .kind = consensus::EntryKind::kNoop});
  Effects effects;
  group->Handle(PeerMessage{{kLeader, kSelf, kTerm, install}}, now, storage::Room::kEnough,
                effects);
  group->Handle(PeerMessage{{kLeader, kSelf, kTerm, append}}, now, storage::Room::kEnough, effects);
  group->Finish(now, /*gather=*/false, effects);
  for (const std::string& alarm : effects.alarms) ADD_FAILURE() << alarm;
  EXPECT_EQ(group->View().last, kEnd + 1);
  EXPECT_EQ(group->View().last_seq, Seq(4));
  group->CheckInvariants();
}

}  // namespace
}  // namespace cairn::server
