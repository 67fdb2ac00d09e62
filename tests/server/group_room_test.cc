// Replicas whose disks have no room for records.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/server/group_trio.h"

namespace cairn::server {
namespace {

using storage::Room;
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

TEST_F(RoomTest, WhoHasNoRoomIsSentNothingAsLongAsTheOthersSuffice) {
  ASSERT_TRUE(Done(trio_.Ask(1, OneRecord())));
  trio_.SetRoom(3, Room::kNone);
  TickLeader(2);
  ASSERT_TRUE(Done(trio_.Ask(1, OneRecord())));
  ASSERT_TRUE(Done(Acquire("a")));
  TickLeader(10);
  EXPECT_EQ(LastSeqOf(2), Seq(3)) << "a record and that of the lease";
  EXPECT_EQ(LastSeqOf(3), Seq(1));

  trio_.SetRoom(3, Room::kEnough);
  TickLeader(5);
  EXPECT_EQ(LastSeqOf(3), Seq(3));
}

// Nothing that a leader took waits for room, else all leases behind it would be lost.
TEST_F(RoomTest, WhoHasNoRoomIsSentEverythingWhenTheOthersDoNotSuffice) {
  trio_.SetRoom(3, Room::kNone);
  TickLeader(2);
  ASSERT_TRUE(Done(trio_.Ask(1, OneRecord())));
  EXPECT_EQ(LastSeqOf(3), Seq(0));
  trio_.CutOff(2);
  TickLeader(15);
  EXPECT_TRUE(Done(Acquire("goes on")));
  EXPECT_EQ(trio_.RefusalOf(trio_.Ask(1, OneRecord())), cairn::v1::REASON_STORAGE_FULL);
  EXPECT_EQ(trio_.group(3).core().last(), trio_.group(1).core().last());
}

TEST_F(RoomTest, BelowTheWatermarkAFollowerTakesWhatALeaderTook) {
  trio_.SetRoom(3, Room::kLow);
  TickLeader(2);
  ASSERT_TRUE(Done(trio_.Ask(1, OneRecord())));
  TickLeader(2);
  EXPECT_EQ(LastSeqOf(3), Seq(1));
}

TEST_F(RoomTest, ALeaderRefusesRecordsWhenNoMajorityHasRoom) {
  trio_.SetRoom(2, Room::kLow);
  trio_.SetRoom(3, Room::kLow);
  TickLeader(2);
  const uint64_t refused = trio_.Ask(1, OneRecord());
  ASSERT_EQ(trio_.RefusalOf(refused), cairn::v1::REASON_STORAGE_FULL);
  EXPECT_THAT(std::get<Rejection>(*trio_.ReplyOf(refused)).message,
              HasSubstr("the disk of each of the nodes 2, 3 is below its watermark"));
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

// Before it has sent a heartbeat: it hears of disks by the answers to its first entry.
TEST_F(RoomTest, ANewLeaderKnowsFromTheFirst) {
  trio_.SetRoom(1, Room::kNone);
  trio_.SetRoom(3, Room::kNone);
  trio_.Elect(2);
  EXPECT_EQ(trio_.RefusalOf(trio_.Ask(2, OneRecord())), cairn::v1::REASON_STORAGE_FULL);
}

TEST_F(RoomTest, LeasesGoOnWhenNobodyHasRoom) {
  for (uint64_t id = 1; id <= 3; ++id) trio_.SetRoom(id, Room::kNone);
  TickLeader(2);
  EXPECT_TRUE(Done(Acquire("a")));
  EXPECT_TRUE(Done(Acquire("b")));
  TickLeader(2);
  EXPECT_EQ(trio_.group(3).core().last(), trio_.group(1).core().last());
  EXPECT_EQ(trio_.RefusalOf(trio_.Ask(1, OneRecord())), cairn::v1::REASON_STORAGE_FULL);
}

TEST_F(RoomTest, NoVoterIsMadeOfWhoHasNoRoom) {
  ASSERT_TRUE(Done(
      trio_.Ask(1, ChangeMembersOp{.voters = {NodeId(1), NodeId(2)}, .learners = {NodeId(3)}})));
  trio_.SetRoom(3, Room::kLow);
  TickLeader(2);
  const ChangeMembersOp promote{.voters = {NodeId(1), NodeId(2), NodeId(3)}, .learners = {}};
  const uint64_t refused = trio_.Ask(1, promote);
  ASSERT_EQ(trio_.RefusalOf(refused), cairn::v1::REASON_NOT_CAUGHT_UP);
  EXPECT_THAT(std::get<Rejection>(*trio_.ReplyOf(refused)).message,
              HasSubstr("the disk of node 3 is below its watermark"));
  trio_.SetRoom(3, Room::kEnough);
  TickLeader(2);
  EXPECT_TRUE(Done(trio_.Ask(1, promote)));
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
