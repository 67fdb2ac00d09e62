// Replicas whose disks have no room for records.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/server/group_trio.h"

namespace cairn::server {
namespace {

using storage::Room;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

AppendOp OneRecord() {
  AppendOp append;
  append.records = std::string("\x22\x03\x0a\x01r", 5);  // One record with the payload "r".
  append.count = 1;
  return append;
}

class RoomTest : public ::testing::Test {
 protected:
  RoomTest() { trio_.Elect(1); }

  [[nodiscard]] bool Done(uint64_t token) const {
    return trio_.ReplyOf(token) != nullptr &&
           trio_.RefusalOf(token) == cairn::v1::REASON_UNSPECIFIED;
  }
  uint64_t Acquire(const std::string& name) {
    return trio_.Ask(1, AcquireOp{.name = name, .holder = "holder", .ttl_ms = 60'000});
  }
  Seq LastSeqOf(uint64_t id) { return trio_.group(id).View().last_seq; }
  void TickLeader(int times) {
    for (int i = 0; i < times; ++i) trio_.Tick(1);
  }

  GroupTrio trio_;
};

TEST_F(RoomTest, AFollowerWithoutRoomTakesNoRecordsAndSaysSo) {
  ASSERT_TRUE(Done(trio_.Ask(1, OneRecord())));
  trio_.SetRoom(3, Room::kNone);
  ASSERT_TRUE(Done(trio_.Ask(1, OneRecord()))) << "two have room";
  ASSERT_TRUE(Done(trio_.Ask(1, OneRecord())));
  TickLeader(10);
  EXPECT_EQ(LastSeqOf(2), Seq(3));
  EXPECT_EQ(trio_.group(3).core().last().index + 2, trio_.group(1).core().last().index);
  EXPECT_THAT(trio_.alarms(),
              ElementsAre(HasSubstr("is not taken: less than half of the watermark is free")));

  // It does not acknowledge what it did not take: without the other nothing is done.
  trio_.CutOff(2);
  const uint64_t waiting = trio_.Ask(1, OneRecord());
  TickLeader(5);
  EXPECT_EQ(trio_.ReplyOf(waiting), nullptr);

  trio_.SetRoom(3, Room::kEnough);
  TickLeader(5);
  EXPECT_TRUE(Done(waiting));
  EXPECT_EQ(LastSeqOf(3), Seq(4));
}

TEST_F(RoomTest, BelowTheWatermarkAFollowerTakesWhatALeaderTook) {
  trio_.SetRoom(3, Room::kLow);
  ASSERT_TRUE(Done(trio_.Ask(1, OneRecord())));
  TickLeader(2);
  EXPECT_EQ(LastSeqOf(3), Seq(1));
  EXPECT_TRUE(trio_.alarms().empty());
}

TEST_F(RoomTest, ALeaderRefusesRecordsWhenNoMajorityHasRoom) {
  trio_.SetRoom(2, Room::kLow);
  trio_.SetRoom(3, Room::kLow);
  TickLeader(2);
  const uint64_t refused = trio_.Ask(1, OneRecord());
  ASSERT_EQ(trio_.RefusalOf(refused), cairn::v1::REASON_STORAGE_FULL);
  EXPECT_THAT(std::get<Rejection>(*trio_.ReplyOf(refused)).message,
              HasSubstr("no majority has room: the disk of each of the nodes 2, 3 is below its"));
  EXPECT_TRUE(Done(Acquire("goes on")));
  trio_.SetRoom(2, Room::kEnough);
  TickLeader(2);
  EXPECT_TRUE(Done(trio_.Ask(1, OneRecord())));
}

TEST_F(RoomTest, ALeaderRefusesRecordsWhenOneIsFullAndOneIsAway) {
  trio_.SetRoom(2, Room::kLow);
  TickLeader(2);
  EXPECT_TRUE(Done(trio_.Ask(1, OneRecord())));
  trio_.CutOff(3);
  TickLeader(12);
  EXPECT_EQ(trio_.RefusalOf(trio_.Ask(1, OneRecord())), cairn::v1::REASON_STORAGE_FULL);
}

// What holds no records is taken wherever nothing is missing before it.
TEST_F(RoomTest, LeasesGoOnWhenNobodyHasRoom) {
  for (uint64_t id = 1; id <= 3; ++id) trio_.SetRoom(id, Room::kNone);
  TickLeader(2);
  EXPECT_TRUE(Done(Acquire("a")));
  EXPECT_TRUE(Done(Acquire("b")));
  TickLeader(2);
  EXPECT_EQ(trio_.group(3).core().last(), trio_.group(1).core().last());
  EXPECT_TRUE(trio_.alarms().empty());
  EXPECT_EQ(trio_.RefusalOf(trio_.Ask(1, OneRecord())), cairn::v1::REASON_STORAGE_FULL);
}

// A new leader asks anew for what all hold.
TEST_F(RoomTest, WhatIsHeldAlreadyIsAcknowledged) {
  ASSERT_TRUE(Done(trio_.Ask(1, OneRecord())));
  trio_.SetRoom(3, Room::kNone);
  trio_.Elect(2);
  trio_.CutOff(1);
  for (int i = 0; i < 3; ++i) trio_.Tick(2);
  EXPECT_EQ(trio_.group(3).core().commit(), trio_.group(2).core().last().index);
}

// ---- Leases of leaders (consensus/raft_reads.cc)
// -------------------------------------------------

TEST(LeaseReadTest, IsAnsweredAtOnceUnlessTheLeaderStoodStill) {
  GroupTrio trio(/*lease_reads=*/true);
  trio.Elect(1);
  trio.Tick(1);
  trio.CutOff(1);
  EXPECT_NE(trio.ReplyOf(trio.Ask(1, GetLeaseOp{"x"})), nullptr) << "nobody need be asked";
  // It misses its ticks, and the others elect somebody meanwhile.
  trio.Elect(2);
  const uint64_t late = trio.Ask(1, GetLeaseOp{"x"});
  EXPECT_EQ(trio.group(1).core().role(), consensus::Role::kLeader) << "it does not know better";
  EXPECT_EQ(trio.ReplyOf(late), nullptr);
}

}  // namespace
}  // namespace cairn::server
