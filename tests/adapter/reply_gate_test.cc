#include "adapter/redis/reply_gate.h"

#include <gtest/gtest.h>

#include <vector>

#include "adapter/redis/lag_bound.h"
#include "base/random.h"

namespace cairn::adapter::redis {
namespace {

Hold Offset(uint64_t offset) { return {StreamOffset(offset), {}, {}}; }
Hold Batch(uint64_t batch) { return {{}, BatchId(batch), {}}; }
Hold Through(uint64_t batch) { return {{}, {}, BatchId(batch)}; }

TEST(ReplyGateTest, KeepsTheOrderOfReplies) {
  ReplyGate gate;
  gate.Push({}, 100);
  gate.Push(Batch(1), 100);
  gate.Push({}, 100);  // A read that needs nothing waits behind the write all the same.
  EXPECT_EQ(gate.Release(StreamOffset(0)), 1u);
  EXPECT_EQ(gate.Release(StreamOffset(500)), 0u);
  gate.Known(BatchId(1), StreamOffset(501));
  EXPECT_EQ(gate.Release(StreamOffset(500)), 0u);
  EXPECT_EQ(gate.Release(StreamOffset(501)), 2u);
  EXPECT_TRUE(gate.empty());
}

TEST(ReplyGateTest, AnUnknownOffsetIsCoveredByALaterOne) {
  ReplyGate gate;
  gate.Push(Batch(1), 100);
  gate.Known(BatchId(2), StreamOffset(5));
  EXPECT_EQ(gate.Release(StreamOffset(1000)), 0u);
  gate.Known(BatchId(1), StreamOffset(900));
  EXPECT_EQ(gate.Release(StreamOffset(899)), 0u);
  EXPECT_EQ(gate.Release(StreamOffset(900)), 1u);
}

TEST(ReplyGateTest, AReadWaitsForAllBatchesUpToOne) {
  ReplyGate gate;
  gate.Push({StreamOffset(7), {}, BatchId(3)}, 100);
  gate.KnownThrough(BatchId(2), StreamOffset(30));
  EXPECT_EQ(gate.Release(StreamOffset(100)), 0u);
  gate.KnownThrough(BatchId(4), StreamOffset(40));
  // What becomes known later does not prolong.
  gate.KnownThrough(BatchId(9), StreamOffset(90));
  EXPECT_EQ(gate.Release(StreamOffset(39)), 0u);
  EXPECT_EQ(gate.Release(StreamOffset(40)), 1u);
}

TEST(ReplyGateTest, ACutSaysHowManyAreNotGiven) {
  ReplyGate gate;
  for (int i = 0; i < 3; ++i) gate.Push(Through(1), 100);
  EXPECT_EQ(gate.deadline_us(), 100);
  EXPECT_EQ(gate.Cut(), 3u);
  EXPECT_EQ(gate.size(), 0u);
}

// Against a list of single replies that is looked through from its start.
TEST(ReplyGateTest, AgreesWithANaiveModel) {
  Random random(3);
  ReplyGate gate;
  std::vector<Hold> model;
  uint64_t offset = 0;
  StreamOffset committed;
  for (int step = 0; step < 50'000; ++step) {
    const BatchId batch(1 + random.Below(5));
    switch (random.Below(5)) {
      case 0:
      case 1: {
        const Hold hold =
            random.Chance(0.5) ? Offset(random.Below(offset + 1)) : Batch(batch.value());
        gate.Push(hold, 0);
        model.push_back(hold);
        break;
      }
      case 2:
        gate.Known(batch, StreamOffset(++offset));
        for (Hold& hold : model) {
          if (hold.batch == batch) hold = Offset(offset);
        }
        break;
      case 3: {
        gate.Push(Through(batch.value()), 0);
        model.push_back(Through(batch.value()));
        const BatchId through(random.Below(6));
        gate.KnownThrough(through, StreamOffset(++offset));
        for (Hold& hold : model) {
          if (hold.through && hold.through <= through) hold = Offset(offset);
        }
        break;
      }
      default:
        committed = std::max(committed, StreamOffset(random.Below(offset + 1)));
    }
    size_t expected = 0;
    while (expected < model.size() && model[expected].IsOver(committed)) ++expected;
    model.erase(model.begin(), model.begin() + static_cast<int64_t>(expected));
    ASSERT_EQ(gate.Release(committed), expected) << "step " << step;
    ASSERT_EQ(gate.size(), model.size());
  }
}

TEST(WaitIndexTest, ACommitWakesExactlyWhomItConcerns) {
  WaitIndex index;
  std::vector<ReplyGate> gates(5);
  for (uint64_t i = 0; i < 4; ++i) gates[i].Push(Offset(10 * (4 - i)), static_cast<int64_t>(i));
  gates[4].Push(Batch(1), 9);
  for (uint64_t i = 0; i < 5; ++i) index.File(i, gates[i]);
  EXPECT_EQ(index.Commit(StreamOffset(25)), (std::vector<uint64_t>{3, 2}));
  EXPECT_EQ(index.next_deadline_us(), 0);
  EXPECT_EQ(index.Expire(0), (std::vector<uint64_t>{0}));
  EXPECT_EQ(index.Commit(StreamOffset(1000)), (std::vector<uint64_t>{1}));
  EXPECT_EQ(index.size(), 1u);
  gates[4].Known(BatchId(1), StreamOffset(1100));
  index.File(4, gates[4]);
  EXPECT_EQ(index.Commit(StreamOffset(1100)), (std::vector<uint64_t>{4}));
  EXPECT_EQ(index.next_deadline_us(), std::nullopt);
}

TEST(LagBoundTest, RefusesPastTheBytesUntilTheyDrain) {
  LagBound bound({.max_us = 1'000'000, .max_bytes = 100});
  bound.Reached(StreamOffset(100), 0);
  EXPECT_EQ(bound.Refuse(0), std::nullopt);
  bound.Reached(StreamOffset(101), 1);
  ASSERT_TRUE(bound.Refuse(1).has_value());
  EXPECT_TRUE(bound.Refuse(1)->starts_with("CAIRNLAG the log is 101 bytes behind"));
  bound.Committed(StreamOffset(1));
  EXPECT_EQ(bound.Refuse(1), std::nullopt);
}

TEST(LagBoundTest, RefusesPastTheTimeUntilItDrains) {
  LagBound bound({.max_us = 1'000'000, .max_bytes = 1'000'000});
  for (int64_t t = 0; t <= 1'000'000; t += 1000) {
    bound.Reached(StreamOffset(static_cast<uint64_t>(t / 1000) + 1), t);
  }
  EXPECT_EQ(bound.Refuse(1'000'000), std::nullopt);
  EXPECT_TRUE(bound.Refuse(1'000'001).has_value());
  // The age of what is left, to a hundredth of the bound.
  bound.Committed(StreamOffset(500));
  EXPECT_EQ(bound.Refuse(1'000'001), std::nullopt);
  EXPECT_GE(bound.lag_us(1'000'000), 500'000);
  EXPECT_LE(bound.lag_us(1'000'000), 511'000);
  bound.Committed(StreamOffset(1001));
  EXPECT_EQ(bound.lag_us(9'000'000), 0);
}

// An engine's ping moves the offset, and nothing is logged for it.
TEST(SeqMapTest, AnOffsetWithoutARecordIsCoveredByTheLastOne) {
  SeqMap map(2);
  map.Add(StreamOffset(10), Seq(1));
  map.Add(StreamOffset(24), Seq(1));
  EXPECT_EQ(map.Find(StreamOffset(24)), Seq(1));
  EXPECT_EQ(map.Find(StreamOffset(25)), std::nullopt);
  map.Add(StreamOffset(30), Seq(2));
  EXPECT_EQ(map.Find(StreamOffset(24)), Seq(1));
  EXPECT_EQ(map.Find(StreamOffset(25)), Seq(2));
}

TEST(SeqMapTest, TellsTheFirstRecordThatCovers) {
  SeqMap map(3);
  EXPECT_EQ(map.Find(StreamOffset(1)), std::nullopt);
  map.Add(StreamOffset(10), Seq(5));
  map.Add(StreamOffset(20), Seq(7));
  EXPECT_EQ(map.Find(StreamOffset(10)), Seq(5));
  EXPECT_EQ(map.Find(StreamOffset(11)), Seq(7));
  EXPECT_EQ(map.Find(StreamOffset(21)), std::nullopt);
  map.Add(StreamOffset(30), Seq(8));
  map.Add(StreamOffset(40), Seq(9));
  EXPECT_EQ(map.Find(StreamOffset(3)), Seq(7));  // Later than it need be, and it covers.
}

}  // namespace
}  // namespace cairn::adapter::redis
