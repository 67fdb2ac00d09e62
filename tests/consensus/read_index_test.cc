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

// An election timeout of 10 ticks gives a lease of 10 - 2 - 1 = 7.
TEST(LeaderLeaseTest, CountsFromTheSendingOfAConfirmedRound) {
  LeaderLease lease(10);
  EXPECT_FALSE(lease.Holds(0));
  lease.OnRoundSent(1, 100);
  EXPECT_FALSE(lease.Holds(100));
  lease.OnRoundConfirmed(1);
  EXPECT_TRUE(lease.Holds(106));
  EXPECT_FALSE(lease.Holds(107));
}

TEST(LeaderLeaseTest, OnlyConfirmedRoundsProlongIt) {
  LeaderLease lease(10);
  lease.OnRoundSent(1, 100);
  lease.OnRoundSent(2, 103);
  lease.OnRoundSent(3, 105);
  lease.OnRoundConfirmed(2);
  EXPECT_TRUE(lease.Holds(109));
  EXPECT_FALSE(lease.Holds(110));
  lease.OnRoundConfirmed(1);  // Late.
  EXPECT_TRUE(lease.Holds(109));
  lease.OnRoundConfirmed(3);
  EXPECT_TRUE(lease.Holds(111));
}

TEST(LeaderLeaseTest, SpoiledForGood) {
  LeaderLease lease(10);
  lease.OnRoundSent(1, 100);
  lease.OnRoundConfirmed(1);
  lease.Spoil();
  EXPECT_FALSE(lease.Holds(101));
  lease.OnRoundSent(2, 102);
  lease.OnRoundConfirmed(2);
  EXPECT_FALSE(lease.Holds(103));
}

TEST(LeaderLeaseTest, TooShortATimeoutGivesNone) {
  LeaderLease lease(2);
  lease.OnRoundSent(1, 5);
  lease.OnRoundConfirmed(1);
  EXPECT_FALSE(lease.Holds(5));
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
