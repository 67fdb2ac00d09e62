#include "adapter/redis/key_marks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <thread>
#include <vector>

#include "base/random.h"

namespace cairn::adapter::redis {
namespace {

constexpr KeyHash kA{1};
constexpr KeyHash kB{2};

MarkVerdict Judge(const KeyMarks& marks, KeyHash key) {
  MarkVerdict verdict;
  marks.Judge(key, verdict);
  return verdict;
}

TEST(KeyMarksTest, AMarkLivesUntilItsOffsetIsCommitted) {
  KeyMarks marks;
  EXPECT_TRUE(Judge(marks, kA).free());
  marks.Mark(BatchId(1), kA);
  EXPECT_EQ(Judge(marks, kA), (MarkVerdict{{}, BatchId(1)}));
  EXPECT_TRUE(Judge(marks, kB).free());
  marks.Known(BatchId(1), StreamOffset(50));
  EXPECT_EQ(Judge(marks, kA), (MarkVerdict{StreamOffset(50), {}}));
  marks.Commit(StreamOffset(49));
  EXPECT_EQ(Judge(marks, kA), (MarkVerdict{StreamOffset(50), {}}));
  marks.Commit(StreamOffset(50));
  EXPECT_TRUE(Judge(marks, kA).free());
  EXPECT_EQ(marks.size(), 0u);
}

TEST(KeyMarksTest, ACommitMayComeBeforeTheOffsetIsKnown) {
  KeyMarks marks;
  marks.Mark(BatchId(1), kA);
  marks.Commit(StreamOffset(80));
  EXPECT_FALSE(Judge(marks, kA).free());
  marks.Known(BatchId(1), StreamOffset(50));
  EXPECT_TRUE(Judge(marks, kA).free());
  EXPECT_EQ(marks.size(), 0u);
}

TEST(KeyMarksTest, AnUnknownBatchKeepsTheMarkOfACommittedOne) {
  KeyMarks marks;
  marks.Mark(BatchId(1), kA);
  marks.Mark(BatchId(2), kA);
  marks.Known(BatchId(2), StreamOffset(60));
  marks.Commit(StreamOffset(60));
  EXPECT_EQ(Judge(marks, kA), (MarkVerdict{{}, BatchId(1)}));
}

TEST(KeyMarksTest, AHotKeyNeitherGrowsNorProlongs) {
  KeyMarks marks;
  marks.Mark(BatchId(1), kA);
  marks.Known(BatchId(1), StreamOffset(10));
  const MarkVerdict judged = Judge(marks, kA);
  for (uint64_t batch = 2; batch < 1000; ++batch) {
    for (int again = 0; again < 3; ++again) marks.Mark(BatchId(batch), kA);
    marks.Known(BatchId(batch), StreamOffset(batch * 10));
    marks.Commit(StreamOffset((batch - 1) * 10));
    ASSERT_EQ(marks.size(), 1u);
  }
  EXPECT_EQ(judged, (MarkVerdict{StreamOffset(10), {}}));
}

TEST(BatchLedgerTest, KnowsHowFarAllAreKnown) {
  BatchLedger ledger;
  const BatchId first = ledger.Begin();
  const BatchId second = ledger.Begin();
  ledger.Known(second, StreamOffset(20));
  EXPECT_EQ(ledger.known_through(), BatchId(0));
  ledger.Known(first, StreamOffset(15));
  EXPECT_EQ(ledger.known_through(), second);
  EXPECT_EQ(ledger.covering(), StreamOffset(20));
}

TEST(KeyHashTest, DatabasesDifferAndWholeOnesCollideWithNoKey) {
  EXPECT_NE(HashKey(0, "k"), HashKey(1, "k"));
  EXPECT_NE(HashKey(0, "k"), HashKey(0, "l"));
  EXPECT_NE(WholeDatabase(0), WholeDatabase(1));
  EXPECT_NE(WholeDatabase(0), kEverything);
}

TEST(SharedKeyMarksTest, WholeDatabasesHoldAllTheirKeys) {
  SharedKeyMarks marks;
  const std::vector<KeyHash> keys = {HashKey(3, "k")};
  const BatchId batch = marks.Begin();
  marks.Mark(batch, WholeDatabase(3));
  EXPECT_EQ(marks.Judge(3, keys).through, batch);
  EXPECT_TRUE(marks.Judge(4, keys).free());
  const BatchId all = marks.Begin();
  marks.Mark(all, kEverything);
  EXPECT_EQ(marks.Judge(4, keys).through, all);
  EXPECT_EQ(marks.Covering(all), std::nullopt);
  marks.Known(batch, StreamOffset(5));
  marks.Known(all, StreamOffset(9));
  EXPECT_EQ(marks.Covering(all), StreamOffset(9));
  EXPECT_EQ(marks.Judge(3, keys).offset, StreamOffset(9));
  marks.Commit(StreamOffset(9));
  EXPECT_TRUE(marks.Judge(3, keys).free());
  EXPECT_EQ(marks.size(), 0u);
}

// A model that forgets nothing: every mark with its batch, and every batch's offset.
TEST(KeyMarksTest, AgreesWithANaiveModel) {
  Random random(7);
  KeyMarks marks;
  std::vector<std::pair<BatchId, KeyHash>> marked;
  std::map<BatchId, StreamOffset> known;
  std::vector<BatchId> unknown;
  uint64_t batches = 0;
  uint64_t offset = 0;
  StreamOffset committed;
  for (int step = 0; step < 20'000; ++step) {
    switch (random.Below(4)) {
      case 0:
        if (unknown.size() < 8) unknown.emplace_back(++batches);
        break;
      case 1:
        if (unknown.empty()) break;
        marked.emplace_back(unknown[random.Below(unknown.size())], KeyHash{random.Below(6)});
        marks.Mark(marked.back().first, marked.back().second);
        break;
      case 2: {
        if (unknown.empty()) break;
        const size_t i = random.Below(unknown.size());
        offset += random.Below(3);
        known[unknown[i]] = StreamOffset(offset);
        marks.Known(unknown[i], StreamOffset(offset));
        unknown.erase(unknown.begin() + static_cast<int64_t>(i));
        break;
      }
      default:
        committed = std::max(committed, StreamOffset(random.Below(offset + 1)));
        marks.Commit(committed);
    }
    for (uint64_t key = 0; key < 6; ++key) {
      MarkVerdict expected;
      for (const auto& [batch, marked_key] : marked) {
        if (marked_key != KeyHash{key}) continue;
        const auto found = known.find(batch);
        if (found == known.end()) {
          expected.through = std::max(expected.through, batch);
        } else if (found->second > committed) {
          expected.offset = std::max(expected.offset, found->second);
        }
      }
      ASSERT_EQ(Judge(marks, KeyHash{key}), expected) << "step " << step << " key " << key;
    }
    if (step % 500 == 0) {  // What is over needs no model.
      std::erase_if(marked, [&](const auto& mark) {
        const auto found = known.find(mark.first);
        return found != known.end() && found->second <= committed;
      });
    }
  }
}

// Writers mark, settle and commit their own batches while others judge: a mark that a thread has
// made is seen by its own judgement until its batch is committed, and nothing stays behind.
TEST(SharedKeyMarksTest, IsSharedByThreads) {
  SharedKeyMarks marks;
  std::atomic<uint64_t> offset{0};
  std::vector<std::thread> threads;
  std::atomic<int> missed{0};
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Random random(t);
      for (int n = 0; n < 5'000; ++n) {
        const std::vector<KeyHash> keys = {HashKey(0, std::to_string(random.Below(50)))};
        const BatchId batch = marks.Begin();
        marks.Mark(batch, keys[0]);
        if (marks.Judge(0, keys).through < batch) ++missed;
        const StreamOffset end(++offset);
        marks.Known(batch, end);
        if (n % 7 == 0) marks.Commit(end);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(missed.load(), 0);
  marks.Commit(StreamOffset(offset.load()));
  EXPECT_EQ(marks.size(), 0u);
}

}  // namespace
}  // namespace cairn::adapter::redis
