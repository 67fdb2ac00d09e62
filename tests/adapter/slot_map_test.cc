// Shares of slots: as text and as redis-cli would share them out.
#include "adapter/redis/discovery/slot_map.h"

#include <gtest/gtest.h>

#include <string>

namespace cairn::adapter::redis {
namespace {

TEST(SlotMapTest, SharesAreThoseOfRedisCli) {
  EXPECT_EQ(EncodeSlots(EvenSlots("c", 3)), "v1 0-5460=c/1 5461-10922=c/2 10923-16383=c/3");
  EXPECT_EQ(EncodeSlots(EvenSlots("c", 1)), "v1 0-16383=c/1");
}

TEST(SlotMapTest, EveryCountCoversAllSlotsAndIsReadBack) {
  for (uint32_t logs = 1; logs <= kMaxShards; ++logs) {
    const SlotMap map = EvenSlots("cache", logs);
    ASSERT_EQ(map.size(), logs);
    const auto again = ReadSlots(EncodeSlots(map));
    ASSERT_TRUE(again.ok()) << again.status();
    ASSERT_EQ(*again, map);
  }
}

TEST(SlotMapTest, WhatLeavesASlotOutIsNoMap) {
  for (const std::string text :
       {"", "v1", "v2 0-16383=c", "v1 0-16382=c", "v1 1-16383=c", "v1 0-16384=c",
        "v1 0-5=a 7-16383=b", "v1 0-5=a 5-16383=b", "v1 0-16383=", "v1 0-16383", "v1 0-16383=c ",
        "v1 5-0=a 1-16383=b", "v1  0-16383=c", "v1 0-99999999999=c", "v1 0-16383=a,b"}) {
    const auto map = ReadSlots(text);
    EXPECT_EQ(map.status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

}  // namespace
}  // namespace cairn::adapter::redis
