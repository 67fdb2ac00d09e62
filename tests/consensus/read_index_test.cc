// Read rounds, the leader's lease, and reads that were passed on.
#include "consensus/read_index.h"

#include <gtest/gtest.h>

#include <vector>

namespace cairn::consensus {
namespace {

std::vector<uint64_t> Contexts(const std::vector<PendingRead>& reads) {
  std::vector<uint64_t> contexts;
  for (const PendingRead& read : reads) contexts.push_back(read.context);
  return contexts;
}

void Add(ReadIndexQueue& queue, uint64_t context, uint64_t index) {
  queue.Add({.from = NodeId(1), .context = context, .index = Index(index), .round = queue.round()});
}

TEST(ReadIndexQueueTest, OneRoundUntilItsMessagesLeave) {
  ReadIndexQueue queue;
  EXPECT_TRUE(queue.JoinRound());
  EXPECT_FALSE(queue.JoinRound());
  EXPECT_EQ(queue.round(), 1u);
  queue.OnMessagesLeft();
  EXPECT_TRUE(queue.JoinRound());
  EXPECT_EQ(queue.round(), 2u);
}

TEST(ReadIndexQueueTest, ConfirmedInOrderOfArrival) {
  ReadIndexQueue queue;
  queue.JoinRound();
  Add(queue, 11, 5);
  Add(queue, 12, 5);
  queue.OnMessagesLeft();
  queue.JoinRound();
  Add(queue, 13, 6);
  EXPECT_EQ(Contexts(queue.Confirm(0)), std::vector<uint64_t>());
  EXPECT_EQ(Contexts(queue.Confirm(1)), (std::vector<uint64_t>{11, 12}));
  EXPECT_EQ(Contexts(queue.Confirm(7)), (std::vector<uint64_t>{13}));
  EXPECT_TRUE(queue.empty());
}

TEST(ReadIndexQueueTest, ReadsOfANewLeaderWaitForTheirIndex) {
  ReadIndexQueue queue;
  queue.JoinRound();
  Add(queue, 11, 0);
  EXPECT_TRUE(queue.Confirm(1).empty());
  queue.SetIndexes(Index(9));
  const std::vector<PendingRead> reads = queue.Confirm(1);
  ASSERT_EQ(reads.size(), 1u);
  EXPECT_EQ(reads[0].index, Index(9));
}

TEST(ReadIndexQueueTest, LaterCommitsDoNotMoveAReadsIndex) {
  ReadIndexQueue queue;
  queue.JoinRound();
  Add(queue, 11, 4);
  queue.SetIndexes(Index(9));
  EXPECT_EQ(queue.Confirm(1).at(0).index, Index(4));
}

TEST(LeaderLeaseTest, CountsFromTheSendingOfAPromisedRound) {
  LeaderLease lease(1000);
  EXPECT_FALSE(lease.Holds(0));
  lease.OnRoundSent(1, 5000);
  EXPECT_FALSE(lease.Holds(5000));
  lease.OnRoundPromised(1);
  EXPECT_TRUE(lease.Holds(5899));
  EXPECT_FALSE(lease.Holds(5900));
}

TEST(LeaderLeaseTest, OnlyPromisedRoundsProlongIt) {
  LeaderLease lease(1000);
  lease.OnRoundSent(1, 5000);
  lease.OnRoundSent(2, 5300);
  lease.OnRoundSent(3, 5500);
  lease.OnRoundPromised(2);
  EXPECT_TRUE(lease.Holds(6199));
  EXPECT_FALSE(lease.Holds(6200));
  lease.OnRoundPromised(1);  // Late.
  EXPECT_TRUE(lease.Holds(6199));
  lease.OnRoundPromised(3);
  EXPECT_TRUE(lease.Holds(6399));
}

TEST(LeaderLeaseTest, RoundsFromBeforeOtherMembersCountNoMore) {
  LeaderLease lease(1000);
  lease.OnRoundSent(1, 5000);
  lease.OnRoundPromised(1);
  lease.OnRoundSent(2, 5100);
  lease.Forget();
  EXPECT_FALSE(lease.Holds(5100));
  lease.OnRoundPromised(2);
  EXPECT_FALSE(lease.Holds(5100));
  lease.OnRoundSent(3, 5200);
  lease.OnRoundPromised(3);
  EXPECT_TRUE(lease.Holds(5200));
}

TEST(LeaderLeaseTest, SpoiledForGood) {
  LeaderLease lease(1000);
  lease.OnRoundSent(1, 100);
  lease.OnRoundPromised(1);
  lease.Spoil();
  EXPECT_FALSE(lease.Holds(101));
  lease.OnRoundSent(2, 102);
  lease.OnRoundPromised(2);
  EXPECT_FALSE(lease.Holds(103));
}

TEST(ForwardedReadsTest, AnsweredOnceOrGivenUp) {
  ForwardedReads reads;
  reads.Add(1, 10);
  reads.Add(2, 10);
  reads.Add(3, 12);
  EXPECT_TRUE(reads.Take(2));
  EXPECT_FALSE(reads.Take(2));
  EXPECT_FALSE(reads.Take(9));
  EXPECT_EQ(reads.TakeThrough(11), (std::vector<uint64_t>{1}));
  EXPECT_EQ(reads.Clear(), (std::vector<uint64_t>{3}));
  EXPECT_TRUE(reads.Clear().empty());
}

}  // namespace
}  // namespace cairn::consensus
