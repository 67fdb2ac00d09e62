// What only the store in memory can do: lose, tear and damage at will, for the simulator.
#include "storage/mem_log_store.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/storage/store_testing.h"

namespace cairn::storage {
namespace {

constexpr uint64_t kNoLimit = ~uint64_t{0};

TEST(MemLogStoreTest, ACrashKeepsWhatWasSynced) {
  struct Case {
    const char* name;
    CrashFault fault;
    RecoveryVerdict verdict;
    size_t min_last;
    size_t max_last;
  };
  const Case cases[] = {
      {"the page cache lives", CrashFault::kProcess, RecoveryVerdict::kSound, 5, 5},
      {"nothing unsynced is kept", CrashFault::kLoseAll, RecoveryVerdict::kSound, 2, 2},
      {"torn", CrashFault::kTear, RecoveryVerdict::kAmbiguous, 2, 4},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Random random(3);
    MemLogStore store(1);
    ASSERT_OK(store.Write(OneWrite(MakeGroup())));
    ASSERT_OK(store.Write(OneWrite(WriteEntries({MakeEntry(1, 1, "a"), MakeEntry(2, 1, "b")}))));
    for (uint64_t i = 3; i <= 5; ++i) {
      store.WriteUnsynced(OneWrite(WriteEntries({MakeEntry(i, 1, "c")})));
    }
    EXPECT_EQ(store.unsynced_batches(), 3u);
    store.Crash(c.fault, random);
    EXPECT_EQ(store.unsynced_batches(), 0u);
    const Index last = store.LoadGroups()->front().last_index;
    EXPECT_GE(last, Index(c.min_last));
    EXPECT_LE(last, Index(c.max_last));
    EXPECT_EQ(store.Verdict(), c.verdict) << store.VerdictDetail();
    ASSERT_OK(store.ResolveVerdict());
    EXPECT_EQ(store.Verdict(), RecoveryVerdict::kSound);
  }
}

TEST(MemLogStoreTest, PartOfTheUnsyncedCanBeSynced) {
  Random random(1);
  MemLogStore store(1);
  ASSERT_OK(store.Write(OneWrite(MakeGroup())));
  for (uint64_t i = 1; i <= 3; ++i) {
    store.WriteUnsynced(OneWrite(WriteEntries({MakeEntry(i, 1, "c")})));
  }
  store.SyncFirst(2);
  store.Crash(CrashFault::kLoseAll, random);
  EXPECT_EQ(store.LoadGroups()->front().last_index, Index(2));
}

TEST(MemLogStoreTest, LostTurnsAndFlippedBitsAreFound) {
  Random random(1);
  MemLogStore store(1);
  ASSERT_OK(store.Write(OneWrite(MakeGroup())));
  for (uint64_t i = 1; i <= 9; ++i) {
    ASSERT_OK(store.Write(OneWrite(WriteEntries({MakeEntry(i, 1, "payload")}))));
  }
  EXPECT_EQ(store.LoseTurns(2), 2u);
  EXPECT_EQ(store.Verdict(), RecoveryVerdict::kLost);
  EXPECT_EQ(store.LoadGroups()->front().last_index, Index(7));
  EXPECT_FALSE(store.FlipBit(kGroup, Index(8), random));
  ASSERT_TRUE(store.FlipBit(kGroup, Index(6), random));
  store.Crash(CrashFault::kLoseAll, random);
  EXPECT_EQ(store.ReadEntries(kGroup, Index(4), Index(7), kNoLimit)->entries.size(), 2u)
      << "what stands before the damage can be read";
  const auto read = store.ReadEntries(kGroup, Index(6), Index(7), kNoLimit);
  EXPECT_TRUE(absl::IsDataLoss(read.status())) << read.status();
  EXPECT_TRUE(store.ReadEntries(kGroup, Index(7), Index(7), kNoLimit).ok());
  EXPECT_EQ(store.Verdict(), RecoveryVerdict::kLost) << "a restart does not heal";
}

TEST(MemLogStoreTest, RefusesWhenToldTo) {
  MemLogStore store(1);
  store.FailWrites(absl::ResourceExhaustedError("full"));
  EXPECT_TRUE(absl::IsResourceExhausted(store.Write(OneWrite(MakeGroup()))));
  EXPECT_TRUE(store.LoadGroups()->empty());
  EXPECT_TRUE(store.HasSpace());
  store.SetRoom(Room::kLow);
  EXPECT_FALSE(store.HasSpace());
}

}  // namespace
}  // namespace cairn::storage
