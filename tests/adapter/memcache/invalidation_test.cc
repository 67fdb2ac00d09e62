// What invalidation decides without a socket: which items records make stale, what waits for a
// target, what comes after a gap, and what is kept on the disk.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <utility>

#include "adapter/memcache/change_reader.h"
#include "adapter/memcache/invalidate_command.h"
#include "adapter/memcache/invalidation_lane.h"
#include "adapter/memcache/invalidation_positions.h"
#include "adapter/memcache/invalidation_target.h"
#include "adapter/memcache/invalidator_status.h"
#include "base/random.h"
#include "tests/adapter/memcache/view_testing.h"
#include "tests/support/temp_dir.h"

namespace cairn::adapter::memcache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr UnixSeconds kNow = EffectLog::kFirstSecond;

// ---- Records ------------------------------------------------------------------------------------

std::vector<std::string> ChangesOf(const RecordBatch& batch, ChangeReader* reader) {
  std::vector<std::string> changes;
  for (const Record& record : batch.records) {
    const absl::Status read =
        reader->Next(record, batch.timestamp_us, [&](const ItemChange& change) {
          changes.push_back(fmt::format("{}{}", change.key, change.binary ? " b" : ""));
        });
    EXPECT_TRUE(read.ok()) << read;
  }
  return changes;
}

TEST(ChangeReaderTest, TellsTheKeysWhoseItemsAreOtherOnesNow) {
  ChangeReader reader{Seq()};
  const RecordBatch batch = BatchOf(
      Seq(1), {StoreOf("a", "1"), DeleteEffect{"b c", true}, TouchEffect{"t", false, kNow + 9},
               TouchEffect{"dead", false, kNow}, FlushAtEffect{kNow + 5}, FlushEffect{}});
  EXPECT_THAT(ChangesOf(batch, &reader), ElementsAre("a", "b c b", "dead", ""));
  EXPECT_EQ(reader.settled(), batch.last_seq());
}

// Whoever fetches the item between two parts of its run fetches the old one.
TEST(ChangeReaderTest, AnItemLargerThanARecordChangesWithItsLastOne) {
  const RecordBatch batch = BatchOf(Seq(1), {StoreOf("big", std::string(20 << 20, 'x'))});
  ASSERT_GT(batch.records.size(), 4u);
  ChangeReader reader{Seq()};
  RecordBatch head = batch;
  head.records.pop_back();
  EXPECT_THAT(ChangesOf(head, &reader), IsEmpty());
  EXPECT_EQ(reader.settled(), Seq(2));  // The grant, and the record that opens the reign.
  RecordBatch tail = batch;
  tail.records = {batch.records.back()};
  EXPECT_THAT(ChangesOf(tail, &reader), ElementsAre("big"));
  EXPECT_EQ(reader.settled(), batch.last_seq());
}

TEST(ChangeReaderTest, AfterARunThatIsCutShortItGoesOn) {
  RecordBatch cut = BatchOf(Seq(1), {StoreOf("big", std::string(20 << 20, 'x'))});
  cut.records.pop_back();
  ChangeReader reader{Seq()};
  EXPECT_THAT(ChangesOf(cut, &reader), IsEmpty());
  const RecordBatch next = BatchOf(cut.last_seq() + 1, {StoreOf("a", "1")});
  EXPECT_THAT(ChangesOf(next, &reader), ElementsAre("a"));
  EXPECT_EQ(reader.settled(), next.last_seq());
}

// ---- Lanes --------------------------------------------------------------------------------------

std::vector<std::string> KeysOf(const std::vector<Invalidation>& batch) {
  std::vector<std::string> keys;
  for (const Invalidation& what : batch) keys.push_back(what.key);
  return keys;
}

// One change a record.
void AddTo(InvalidationLane& lane, uint64_t seq, std::string_view key) {
  lane.Add({Seq(seq), key, false}, static_cast<int64_t>(seq));
  lane.ReadThrough(Seq(seq));
}

TEST(InvalidationLaneTest, ThePositionCoversWhatWasConfirmed) {
  InvalidationLane lane({}, Seq(10));
  EXPECT_EQ(lane.position(), Seq(10));
  AddTo(lane, 10, "told before");
  EXPECT_TRUE(lane.idle());
  AddTo(lane, 11, "a");
  AddTo(lane, 12, "b");
  EXPECT_EQ(lane.oldest_us(), 11);
  EXPECT_THAT(KeysOf(lane.Take(1)), ElementsAre("a"));
  EXPECT_EQ(lane.position(), Seq(10));
  lane.Done();
  EXPECT_EQ(lane.position(), Seq(11));
  EXPECT_THAT(KeysOf(lane.Take(9)), ElementsAre("b"));
  lane.Failed();
  EXPECT_EQ(lane.position(), Seq(11));
  EXPECT_THAT(KeysOf(lane.Take(9)), ElementsAre("b"));
  lane.Done();
  lane.ReadThrough(Seq(20));  // Records without changes.
  EXPECT_EQ(lane.position(), Seq(20));
  EXPECT_EQ(lane.bytes(), 0u);
  EXPECT_EQ(lane.told(), 2u);
}

TEST(InvalidationLaneTest, AKeyThatWaitsIsToldOnceAndOneInFlightAgain) {
  InvalidationLane lane({}, Seq());
  AddTo(lane, 1, "hot");
  AddTo(lane, 2, "hot");
  EXPECT_EQ(lane.keys(), 1u);
  EXPECT_THAT(KeysOf(lane.Take(9)), ElementsAre("hot"));
  // What is in flight may have arrived before this change was committed.
  AddTo(lane, 3, "hot");
  lane.Done();
  EXPECT_EQ(lane.position(), Seq(2));
  EXPECT_THAT(KeysOf(lane.Take(9)), ElementsAre("hot"));
}

TEST(InvalidationLaneTest, AFlushStandsAloneAndForAllInFrontOfIt) {
  InvalidationLane lane({}, Seq());
  AddTo(lane, 1, "a");
  AddTo(lane, 2, "");
  AddTo(lane, 3, "b");
  EXPECT_THAT(KeysOf(lane.Take(9)), ElementsAre(""));
  lane.Done();
  EXPECT_THAT(KeysOf(lane.Take(9)), ElementsAre("b"));
}

TEST(InvalidationLaneTest, PastTheBoundItFlushesAndStaysInOneGap) {
  InvalidationLane lane({.max_bytes = 2'000, .on_gap = OnGap::kFlush}, Seq());
  for (uint64_t seq = 1; seq <= 100; ++seq) AddTo(lane, seq, fmt::format("key{}", seq));
  EXPECT_LE(lane.bytes(), 2'000u);
  EXPECT_EQ(lane.gaps(), 1u);
  ASSERT_TRUE(lane.last_gap());
  EXPECT_EQ(lane.last_gap()->first, Seq(1));
  EXPECT_EQ(lane.lost(), 0u);
  EXPECT_THAT(KeysOf(lane.Take(1)), ElementsAre(""));
  lane.Done();
  // The keys behind the flush were changed behind it.
  const std::vector<std::string> rest = KeysOf(lane.Take(100));
  ASSERT_FALSE(rest.empty());
  EXPECT_EQ(rest.front(), fmt::format("key{}", lane.last_gap()->last.value() + 1));
  EXPECT_EQ(rest.back(), "key100");
}

TEST(InvalidationLaneTest, PastTheBoundItReportsWhatWasLostAndGoesOn) {
  InvalidationLane lane({.max_bytes = 2'000, .on_gap = OnGap::kReport}, Seq());
  for (uint64_t seq = 1; seq <= 100; ++seq) AddTo(lane, seq, fmt::format("key{}", seq));
  EXPECT_GT(lane.gaps(), 1u);
  EXPECT_EQ(lane.lost() + lane.keys(), 100u);
  for (const std::string& key : KeysOf(lane.Take(100))) EXPECT_NE(key, "");
  lane.Done();
  EXPECT_EQ(lane.position(), Seq(100));
}

TEST(InvalidationLaneTest, RecordsThatWereTrimmedAreAGap) {
  InvalidationLane lane({}, Seq(5));
  lane.Trimmed(Seq(5), 1);
  EXPECT_EQ(lane.gaps(), 0u);
  lane.Trimmed(Seq(9), 1);
  EXPECT_EQ(lane.last_gap(), (InvalidationGap{Seq(6), Seq(9)}));
  EXPECT_EQ(lane.position(), Seq(5));  // The flush that stands for them was not told.
  EXPECT_THAT(KeysOf(lane.Take(9)), ElementsAre(""));
  lane.Done();
  EXPECT_EQ(lane.position(), Seq(9));
}

// Whatever fails when, and whoever starts again from a position: no change is left out.
TEST(InvalidationLaneTest, ByChanceEveryChangeIsToldBehindIt) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::vector<std::string> log(1);          // By seq.
    std::map<std::string, uint64_t> told_at;  // The end of the log when it was told last.
    Seq stored;
    auto lane =
        std::make_unique<InvalidationLane>(InvalidationLane::Options{.max_bytes = 1'500}, stored);
    bool in_flight = false;
    const auto tell = [&] {
      const std::vector<Invalidation> batch = lane->Take(1 + random.Below(5));
      in_flight = !batch.empty();
      for (const Invalidation& what : batch) {
        if (what.key.empty()) {
          for (int key = 0; key < 12; ++key) told_at[fmt::format("k{}", key)] = log.size();
        }
        told_at[what.key] = log.size();
      }
    };
    for (int step = 0; step < 300; ++step) {
      const uint64_t what = random.Below(10);
      if (what < 5) {
        log.push_back(random.Below(20) == 0 ? "" : fmt::format("k{}", random.Below(12)));
        AddTo(*lane, log.size() - 1, log.back());
      } else if (what < 7) {
        if (!in_flight) tell();
      } else if (what < 9) {
        const bool fails = random.Below(3) == 0;
        if (std::exchange(in_flight, false)) fails ? lane->Failed() : lane->Done();
        stored = lane->position();
      } else if (random.Below(5) == 0) {
        in_flight = false;
        lane = std::make_unique<InvalidationLane>(InvalidationLane::Options{.max_bytes = 1'500},
                                                  stored);
        for (uint64_t seq = 1; seq < log.size(); ++seq) AddTo(*lane, seq, log[seq]);
      }
    }
    if (in_flight) lane->Done();
    while (!lane->idle()) {
      tell();
      lane->Done();
    }
    EXPECT_EQ(lane->position().value(), log.size() - 1);
    for (uint64_t seq = 1; seq < log.size(); ++seq) {
      if (log[seq].empty()) continue;
      EXPECT_GT(told_at[log[seq]], seq) << log[seq];
    }
  }
}

// ---- What leaves, and what stays ---------------------------------------------------------------

TEST(DeletionsTextTest, IsQuietAndTakesTheMarkersAlong) {
  const std::vector<Invalidation> batch = {{"a", false}, {"b c", true}};
  EXPECT_EQ(DeletionsText(batch, ""), "md a q\r\nmd YiBj b q\r\n");
  EXPECT_EQ(DeletionsText(batch, "m:"), "md a q\r\nmd m:a q\r\nmd YiBj b q\r\nmd bTpiIGM= b q\r\n");
  // No such marker can have been set.
  const std::string longest(kMaxKeyBytes, 'k');
  EXPECT_EQ(DeletionsText({{longest, false}}, "m:"), "md " + longest + " q\r\n");
}

TEST(InvalidationPositionsTest, ComeBackFromTheDisk) {
  const cairn::testing::TempDir dir;
  EXPECT_THAT(*LoadPositions(dir.path()), IsEmpty());
  InvalidationPositions positions;
  positions[{7, "10.0.0.1:11211"}] = {Seq(42), 0, std::nullopt};
  positions[{7, "10.0.0.2:11211"}] = {Seq(12), 3, InvalidationGap{Seq(2), Seq(9)}};
  ASSERT_TRUE(SavePositions(dir.path(), positions).ok());
  EXPECT_EQ(*LoadPositions(dir.path()), positions);
}

TEST(InvalidationPositionsTest, WhatIsNoneIsRefused) {
  EXPECT_TRUE(absl::IsDataLoss(ParsePositions("").status()));
  EXPECT_TRUE(absl::IsDataLoss(ParsePositions(R"({"format": 1})").status()));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(ParsePositions(R"({"format": 2, "positions": []})").status()));
}

TEST(InvalidatorStatusTest, SaysWhatIsWrong) {
  InvalidatorStatus status;
  EXPECT_EQ(status.NotReady(), "it has not begun");
  status.began = true;
  status.targets = {{.target = "a:1", .up = true}};
  status.lanes = {{.log = "l", .target = "a:1", .lag_us = 1'500'000}};
  EXPECT_EQ(status.NotReady(), "");
  EXPECT_THAT(status.Metrics(),
              HasSubstr("cairn_agent_invalidation_lag_seconds{log=\"l\",target=\"a:1\"} 1.5\n"));
  status.unread = {"l"};
  status.targets.push_back({.target = "b:1", .trouble = "refused"});
  EXPECT_EQ(status.NotReady(), "the log l cannot be read; target b:1: refused");
}

// ---- The command line ---------------------------------------------------------------------------

TEST(InvalidateCommandTest, WhatIsNamedTwiceOrNotAtAllIsRefused) {
  struct Case {
    std::string logs;
    std::string targets;
    const char* told;
  };
  const Case cases[] = {
      {"a,a", "127.0.0.1:1", "expected a once"},
      {"a, a", "127.0.0.1:1", "expected a once"},
      {",", "127.0.0.1:1", "expected one or more, with commas"},
      {"a", "127.0.0.1:1,127.0.0.1:1", "expected 127.0.0.1:1 once"},
      {"a", "nowhere", "expected unix:PATH or HOST:PORT"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.logs + " " + c.targets);
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(RunInvalidateCommand({"--log", c.logs, "--targets", c.targets}), 2);
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr(c.told));
  }
}

}  // namespace
}  // namespace cairn::adapter::memcache
