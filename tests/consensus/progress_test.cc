// One member as the leader sees it: states, window, and what counts as news.
#include "consensus/progress.h"

#include <gtest/gtest.h>

namespace cairn::consensus {
namespace {

constexpr Window kWindow = {.bytes = 100, .messages = 3};

// Sends one append with entries through `last`.
void Send(Progress& progress, uint64_t last, uint64_t bytes = 10) {
  ASSERT_TRUE(progress.CanSendEntries());
  progress.OnHandedOut();
  progress.OnSent(Index(last), bytes);
}

Progress Replicating(uint64_t match) {
  Progress progress(Index(match + 1), kWindow);
  progress.OnAccepted(Index(match));
  return progress;
}

TEST(ProgressTest, AProbeGoesOutOnce) {
  Progress progress(Index(8), kWindow);
  EXPECT_TRUE(progress.NeedsProbe());
  progress.OnEmptyProbeSent();
  EXPECT_FALSE(progress.NeedsProbe());
  EXPECT_FALSE(progress.CanSendEntries());
}

TEST(ProgressTest, AProbeWithEntriesDoesNotMoveNext) {
  Progress progress(Index(8), kWindow);
  Send(progress, 10);
  EXPECT_EQ(progress.next(), Index(8));
  EXPECT_FALSE(progress.CanSendEntries());
  EXPECT_TRUE(progress.OnAccepted(Index(10)));
  EXPECT_EQ(progress.state(), Progress::State::kReplicate);
  EXPECT_EQ(progress.next(), Index(11));
}

TEST(ProgressTest, NothingIsSentWhileAnAppendIsBeingFilledOrRead) {
  Progress progress = Replicating(7);
  progress.OnHandedOut();
  EXPECT_FALSE(progress.CanSendEntries());
  progress.OnDeferred();
  EXPECT_TRUE(progress.deferred());
  EXPECT_FALSE(progress.CanSendEntries());
  progress.OnReady();
  EXPECT_TRUE(progress.CanSendEntries());
  EXPECT_EQ(progress.next(), Index(8));
}

TEST(ProgressTest, TheWindowHasTwoBounds) {
  Progress by_messages = Replicating(7);
  for (uint64_t last = 8; last <= 10; ++last) Send(by_messages, last);
  EXPECT_FALSE(by_messages.CanSendEntries());
  EXPECT_TRUE(by_messages.OnAccepted(Index(9)));
  EXPECT_TRUE(by_messages.CanSendEntries());
  EXPECT_EQ(by_messages.inflight_messages(), 1u);

  Progress by_bytes = Replicating(7);
  Send(by_bytes, 8, 99);
  EXPECT_TRUE(by_bytes.CanSendEntries());
  Send(by_bytes, 9, 500);  // The last one may be larger than what is left.
  EXPECT_FALSE(by_bytes.CanSendEntries());
  EXPECT_TRUE(by_bytes.OnAccepted(Index(9)));
  EXPECT_EQ(by_bytes.inflight_bytes(), 0u);
}

TEST(ProgressTest, OldAnswersChangeNothing) {
  Progress progress = Replicating(7);
  Send(progress, 9);
  EXPECT_TRUE(progress.OnAccepted(Index(9)));
  EXPECT_FALSE(progress.OnAccepted(Index(8)));
  EXPECT_EQ(progress.match(), Index(9));
  progress.BecomeProbe(Index(10));
  EXPECT_FALSE(progress.OnAccepted(Index(4)));
  EXPECT_EQ(progress.state(), Progress::State::kProbe);
}

TEST(ProgressTest, WhichRejectionsAreNews) {
  Progress probe(Index(8), kWindow);
  EXPECT_TRUE(probe.RejectionIsNews(Index(7)));
  EXPECT_FALSE(probe.RejectionIsNews(Index(6)));  // Of an earlier probe.
  EXPECT_FALSE(probe.RejectionIsNews(Index(8)));

  Progress replicate = Replicating(7);
  Send(replicate, 9);
  EXPECT_FALSE(replicate.RejectionIsNews(Index(7)));  // It has acknowledged that since.
  EXPECT_TRUE(replicate.RejectionIsNews(Index(8)));
  EXPECT_TRUE(replicate.RejectionIsNews(Index(9)));
  EXPECT_FALSE(replicate.RejectionIsNews(Index(10)));  // Never asked.

  Progress snapshot = Replicating(7);
  snapshot.BecomeSnapshot(Index(20));
  EXPECT_FALSE(snapshot.RejectionIsNews(Index(8)));
}

TEST(ProgressTest, TwoQuietHeartbeatsMeanALoss) {
  Progress progress = Replicating(7);
  EXPECT_FALSE(progress.OnHeartbeatAnswered(1));
  EXPECT_FALSE(progress.OnHeartbeatAnswered(2));  // Nothing is in flight.
  EXPECT_EQ(progress.round(), 2u);
  Send(progress, 9);
  EXPECT_FALSE(progress.OnHeartbeatAnswered(3));
  EXPECT_TRUE(progress.OnHeartbeatAnswered(4));
  EXPECT_FALSE(progress.OnHeartbeatAnswered(5));  // Counted anew.
  progress.OnAccepted(Index(8));                  // A sign of life of the pipeline.
  EXPECT_FALSE(progress.OnHeartbeatAnswered(6));
  EXPECT_TRUE(progress.OnHeartbeatAnswered(1));
  EXPECT_EQ(progress.round(), 6u);  // Late answers do not take it back.
}

TEST(ProgressTest, ASnapshotIsSentAgainAndLeftByReachingIt) {
  Progress progress = Replicating(7);
  progress.BecomeSnapshot(Index(20));
  EXPECT_TRUE(progress.NeedsSnapshot());
  progress.OnSnapshotSent();
  EXPECT_FALSE(progress.NeedsSnapshot());
  EXPECT_FALSE(progress.OnHeartbeatAnswered(0));
  EXPECT_FALSE(progress.OnHeartbeatAnswered(0));
  EXPECT_TRUE(progress.NeedsSnapshot());
  progress.OnAccepted(Index(9));  // Of an append of before.
  EXPECT_EQ(progress.state(), Progress::State::kSnapshot);
  progress.OnAccepted(Index(20));
  EXPECT_EQ(progress.state(), Progress::State::kReplicate);
  EXPECT_EQ(progress.next(), Index(21));
}

TEST(ProgressTest, UnreachableStopsThePipelineUntilTheLinkIsUp) {
  Progress progress = Replicating(7);
  Send(progress, 9);
  progress.OnUnreachable();
  EXPECT_EQ(progress.state(), Progress::State::kProbe);
  EXPECT_EQ(progress.next(), Index(8));
  EXPECT_FALSE(progress.CanSendEntries());
  progress.OnReachable();
  EXPECT_TRUE(progress.NeedsProbe());
}

TEST(ProgressTest, WhatWasSentForAnotherStateIsForgotten) {
  Progress progress = Replicating(7);
  progress.OnHandedOut();
  progress.BecomeProbe(Index(8));
  progress.OnSent(Index(9), 10);  // The driver had filled it in already.
  EXPECT_TRUE(progress.NeedsProbe());
  EXPECT_EQ(progress.inflight_bytes(), 0u);
}

TEST(ProgressTest, DoubtTakesBackWhatWasAcknowledged) {
  Progress progress = Replicating(7);
  progress.TellCommit(Index(7));
  progress.BecomeUnsound(41, 5, Index(12));
  EXPECT_TRUE(progress.unsound());
  EXPECT_EQ(progress.match(), Index(0));
  EXPECT_EQ(progress.told_commit(), Index(0));
  EXPECT_EQ(progress.next(), Index(13));
  EXPECT_EQ(progress.absolve_round(), 5u);
  EXPECT_EQ(progress.absolve_target(), Index(12));
  progress.BecomeUnsound(42, 6, Index(14));  // It was restarted once more.
  EXPECT_EQ(progress.doubt(), 42u);
  EXPECT_EQ(progress.absolve_target(), Index(14));
  progress.BecomeSound();
  EXPECT_FALSE(progress.unsound());
}

TEST(ProgressTest, SilenceIsCountedInTicks) {
  Progress progress(Index(1), kWindow);
  progress.OnTick();
  progress.OnTick();
  EXPECT_EQ(progress.silent_ticks(), 2u);
  progress.OnHeard();
  EXPECT_EQ(progress.silent_ticks(), 0u);
}

}  // namespace
}  // namespace cairn::consensus
