// What may be said when: writes in flight, replaced suffixes, and held messages.
#include "consensus/write_queue.h"

#include <gtest/gtest.h>

#include <vector>

namespace cairn::consensus {
namespace {

class WriteQueueTest : public testing::Test {
 protected:
  void Append(uint64_t first, uint64_t last, uint64_t term) {
    for (uint64_t i = first; i <= last; ++i) {
      queue_.Append(
          {.index = Index(i), .term = Term(term), .kind = EntryKind::kData, .payload = Bytes()});
    }
  }
  WriteId Take() {
    const std::optional<Write> write = queue_.Take(HardState());
    EXPECT_TRUE(write.has_value());
    return write ? write->id : 0;
  }
  void HoldAck(uint64_t match, uint64_t term = 1) {
    AppendResponse response{.accepted = true, .match = Index(match)};
    queue_.Hold({NodeId(1), NodeId(2), Term(term), response}, Index(match));
  }
  // Matches of the acknowledgements that a completed write lets go.
  std::vector<uint64_t> Complete(WriteId id) {
    std::vector<uint64_t> matches;
    for (const Message& message : queue_.Complete(id)) {
      matches.push_back(std::get<AppendResponse>(message.body).match.value());
    }
    queue_.CheckInvariants();
    return matches;
  }

  WriteQueue queue_{Index(3)};  // Entries through 3 are on disk.
};

using Matches = std::vector<uint64_t>;

TEST_F(WriteQueueTest, InputsMergeUntilTheWriteIsTaken) {
  EXPECT_FALSE(queue_.HasWrite());
  Append(4, 5, 1);
  queue_.OnHardStateChanged();
  Append(6, 6, 1);
  const std::optional<Write> write =
      queue_.Take(HardState{.term = Term(1), .vote = {}, .commit = {}});
  ASSERT_TRUE(write.has_value());
  EXPECT_EQ(write->id, 1u);
  EXPECT_EQ(write->entries.size(), 3u);
  EXPECT_EQ(write->hard_state->term, Term(1));
  EXPECT_FALSE(queue_.Take(HardState()).has_value());
  EXPECT_EQ(queue_.persisted(), Index(3));
  Complete(1);
  EXPECT_EQ(queue_.persisted(), Index(6));
}

TEST_F(WriteQueueTest, AnAcknowledgementWaitsForTheWriteThatMakesItTrue) {
  Append(4, 5, 1);
  const WriteId first = Take();
  Append(6, 6, 1);
  HoldAck(5);
  HoldAck(6);
  const WriteId second = Take();
  EXPECT_EQ(Complete(first), Matches{5});
  EXPECT_EQ(Complete(second), Matches{6});
}

TEST_F(WriteQueueTest, AcknowledgementsOfOneWriteBecomeOne) {
  Append(4, 5, 1);
  HoldAck(4);
  HoldAck(5);
  EXPECT_EQ(Complete(Take()), Matches{5});
}

TEST_F(WriteQueueTest, AMergedAcknowledgementStillAnswersTheAbsolution) {
  Append(4, 4, 1);
  AppendResponse response{.accepted = true, .match = Index(4)};
  response.absolved = 77;
  queue_.Hold({NodeId(1), NodeId(2), Term(1), response}, Index(4));
  HoldAck(4);
  const std::vector<Message> held = queue_.Complete(Take());
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(std::get<AppendResponse>(held[0].body).absolved, 77u);
}

TEST_F(WriteQueueTest, ALateNoticeSaysNothingAboutAReplacedSuffix) {
  Append(4, 6, 1);
  const WriteId first = Take();
  Append(5, 5, 2);  // Replaces 5 and 6.
  HoldAck(5, 2);
  const WriteId second = Take();
  EXPECT_EQ(queue_.last(), Index(5));
  EXPECT_EQ(Complete(first), Matches{});
  EXPECT_EQ(queue_.persisted(), Index(4));
  EXPECT_EQ(Complete(second), Matches{5});
  EXPECT_EQ(queue_.persisted(), Index(5));
}

TEST_F(WriteQueueTest, WhatIsOnDiskIsTakenBackWithItsEntries) {
  Append(2, 2, 2);  // Replaces 2 and 3, which were on disk.
  EXPECT_EQ(queue_.persisted(), Index(1));
  EXPECT_FALSE(queue_.Durable(Index(2)));
  Complete(Take());
  EXPECT_EQ(queue_.persisted(), Index(2));
}

TEST_F(WriteQueueTest, EntriesOfTheSameWriteAreReplacedInIt) {
  Append(4, 6, 1);
  Append(5, 5, 2);
  const std::optional<Write> write = queue_.Take(HardState());
  ASSERT_EQ(write->entries.size(), 2u);
  EXPECT_EQ(write->entries[1].term, Term(2));
}

TEST_F(WriteQueueTest, ANewTermIsPartOfWhatAVoteWaitsFor) {
  EXPECT_TRUE(queue_.Durable(Index(3)));
  queue_.OnHardStateChanged();
  EXPECT_FALSE(queue_.Durable(Index()));
  const WriteId first = Take();
  queue_.OnHardStateChanged();
  queue_.Hold({NodeId(1), NodeId(2), Term(2), VoteResponse{}}, Index());
  const WriteId second = Take();
  EXPECT_TRUE(queue_.Complete(first).empty());
  EXPECT_FALSE(queue_.Durable(Index()));
  EXPECT_EQ(queue_.Complete(second).size(), 1u);
  EXPECT_TRUE(queue_.Durable(Index(3)));
}

TEST_F(WriteQueueTest, ASnapshotReplacesTheLog) {
  Append(4, 5, 1);
  const WriteId first = Take();
  queue_.Install({Term(2), Index(20)}, Bytes(std::string("state")), Index(2));
  EXPECT_TRUE(queue_.installing());
  EXPECT_EQ(queue_.persisted(), Index(2));
  EXPECT_EQ(queue_.last(), Index(20));
  Append(21, 21, 2);
  HoldAck(20);
  const std::optional<Write> write = queue_.Take(HardState());
  ASSERT_TRUE(write->install.has_value());
  EXPECT_EQ(write->install->position.index, Index(20));
  EXPECT_EQ(write->entries.size(), 1u);
  EXPECT_EQ(Complete(first), Matches{});
  EXPECT_EQ(queue_.persisted(), Index(2));
  EXPECT_EQ(Complete(write->id), Matches{20});
  EXPECT_EQ(queue_.persisted(), Index(21));
  EXPECT_FALSE(queue_.installing());
}

TEST_F(WriteQueueTest, WritesCompleteInOrder) {
  Append(4, 4, 1);
  Take();
  Append(5, 5, 1);
  const WriteId second = Take();
  EXPECT_DEATH(queue_.Complete(second), "CHECK failed");
}

}  // namespace
}  // namespace cairn::consensus
