// What callers are told when leaders change, replicas halt and settings come.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "storage/entry_codec.h"
#include "tests/server/group_trio.h"

namespace cairn::server {
namespace {

using ::testing::HasSubstr;

AppendOp OneRecord() {
  AppendOp append;
  append.records = std::string("\x22\x03\x0a\x01r", 5);  // One record with the payload "r".
  append.count = 1;
  return append;
}

std::string MessageOf(const Reply* reply) {
  const auto* rejection = reply == nullptr ? nullptr : std::get_if<Rejection>(reply);
  return rejection == nullptr ? "" : rejection->message;
}

// ---- Streams ------------------------------------------------------------------------------------

// The first was proposed and then replaced by another leader's entry; the second was under way for
// so long that this node leads again.
TEST(StreamTest, WhatFollowsAReplacedRequestIsRefused) {
  GroupTrio trio;
  bool broken = false;
  trio.Elect(1);
  trio.CutOff(1);
  const uint64_t first = trio.Ask(1, OneRecord(), &broken);
  EXPECT_EQ(trio.ReplyOf(first), nullptr);
  trio.Elect(2);
  EXPECT_NE(trio.ReplyOf(trio.Ask(2, OneRecord())), nullptr);
  trio.Heal();
  for (int i = 0; i < 20 && trio.ReplyOf(first) == nullptr; ++i) trio.Tick(2);
  EXPECT_EQ(trio.RefusalOf(first), cairn::v1::REASON_NOT_LEADER);
  EXPECT_TRUE(broken);

  trio.CutOff(2);
  trio.Elect(1);
  const uint64_t second = trio.Ask(1, OneRecord(), &broken);
  EXPECT_EQ(trio.RefusalOf(second), cairn::v1::REASON_STREAM_BROKEN);
  EXPECT_EQ(trio.group(1).View().last_seq, Seq(1)) << "what the other leader took";
}

TEST(StreamTest, WhatIsDoneBreaksNothing) {
  GroupTrio trio;
  bool broken = false;
  trio.Elect(1);
  for (int i = 0; i < 3; ++i) trio.Ask(1, OneRecord(), &broken);
  EXPECT_FALSE(broken);
  EXPECT_EQ(trio.group(1).View().last_seq, Seq(3));
}

// ---- Transfers ----------------------------------------------------------------------------------

TEST(TransferTest, IsDoneWhenTheHeirLeads) {
  GroupTrio trio;
  trio.Elect(1);
  const uint64_t transfer = trio.Ask(1, TransferLeadershipOp{NodeId(3)});
  for (int i = 0; i < 3 && trio.ReplyOf(transfer) == nullptr; ++i) trio.Tick(3);
  ASSERT_NE(trio.ReplyOf(transfer), nullptr);
  EXPECT_EQ(MessageOf(trio.ReplyOf(transfer)), "");
  EXPECT_EQ(trio.group(1).View().leader, NodeId(3));
}

TEST(TransferTest, IsRefusedWhenSomebodyElseTookOver) {
  GroupTrio trio;
  trio.Elect(1);
  trio.CutOff(1);
  const uint64_t transfer = trio.Ask(1, TransferLeadershipOp{NodeId(3)});
  trio.Elect(2);
  trio.Heal();
  trio.Tick(2);
  EXPECT_EQ(trio.RefusalOf(transfer), cairn::v1::REASON_NOT_CAUGHT_UP);
  EXPECT_THAT(MessageOf(trio.ReplyOf(transfer)), HasSubstr("node 2 leads the log now, not 3"));
}

// ---- A replica that halts -----------------------------------------------------------------------

class HaltTest : public ::testing::Test {
 protected:
  // What a leader would never have committed: a log that becomes fenced.
  void Halt() {
    const GroupView view = trio_.group(3).View();
    const LogFacts& facts = trio_.group(3).state().applied();
    storage::EntryBuilder builder(facts.last_seq, facts.chain, facts.timestamp_us);
    cairn::v1::EntryItem item;
    item.mutable_settings()->mutable_settings()->set_fenced(true);
    builder.AddItem(std::move(item));
    consensus::AppendRequest append{.prev = {view.term, view.last}, .last = view.last + 1};
    append.commit = view.last + 1;
    append.entries.push_back({.index = view.last + 1,
                              .term = view.term,
                              .kind = consensus::EntryKind::kData,
                              .payload = builder.Finish()});
    trio_.CutOff(3);
    trio_.Post(3, PeerMessage{{NodeId(1), NodeId(3), view.term, append}});
    ASSERT_TRUE(trio_.group(3).View().halted);
  }

  GroupTrio trio_;
};

TEST_F(HaltTest, EverybodyWhoWaitsThereIsTold) {
  trio_.Elect(1);
  trio_.Tick(1);
  trio_.CutOff(3);
  const uint64_t read = trio_.Ask(3, DescribeOp{.linearizable = true});
  trio_.Post(3, TailOpen{.token = 100});
  EXPECT_EQ(trio_.ReplyOf(read), nullptr);
  EXPECT_TRUE(trio_.ends().empty());
  Halt();
  EXPECT_EQ(trio_.RefusalOf(read), cairn::v1::REASON_LOG_HALTED);
  ASSERT_TRUE(trio_.ends().contains(100));
  EXPECT_EQ(trio_.ends().at(100).rejection->info.reason(), cairn::v1::REASON_LOG_HALTED);
}

TEST_F(HaltTest, WhoComesLaterIsToldAtOnce) {
  trio_.Elect(1);
  trio_.Tick(1);
  Halt();
  trio_.Post(3, TailOpen{.token = 100});
  ASSERT_TRUE(trio_.ends().contains(100));
  EXPECT_EQ(trio_.ends().at(100).rejection->info.reason(), cairn::v1::REASON_LOG_HALTED);
  EXPECT_EQ(trio_.RefusalOf(trio_.Ask(3, DescribeOp{.linearizable = true})),
            cairn::v1::REASON_LOG_HALTED);
  // What it can still say of itself.
  const Reply* reply = trio_.ReplyOf(trio_.Ask(3, DescribeOp{}));
  ASSERT_NE(reply, nullptr);
  const auto* described = std::get_if<Described>(reply);
  ASSERT_NE(described, nullptr) << MessageOf(reply);
  bool halted = false;
  for (const auto& replica : described->response.replicas()) halted |= replica.role() == "halted";
  EXPECT_TRUE(halted);
}

// ---- Settings -----------------------------------------------------------------------------------

TEST(SettingsTest, EachFieldReachesTheLogAtOnce) {
  GroupTrio trio;
  trio.Elect(1);
  cairn::v1::LogSettings settings;
  const auto expect = [&](const char* field) {
    trio.group(1).SetSettings(settings);
    trio.Ask(1, SyncOp{});  // Lets things happen, and no time pass.
    EXPECT_EQ(trio.group(1).state().applied().settings.SerializeAsString(),
              settings.SerializeAsString())
        << field;
  };
  settings.set_archive(cairn::v1::ARCHIVE_POLICY_ON);
  expect("archive on");
  settings.set_archive(cairn::v1::ARCHIVE_POLICY_OFF);
  expect("archive off");
  settings.set_append_bytes_per_second(4096);
  expect("append_bytes_per_second");
  settings.set_appends_per_second(7);
  expect("appends_per_second");
  settings.set_retention_ms(60'000);
  expect("retention_ms");
  settings.set_retention_bytes(1 << 20);
  expect("retention_bytes");
  settings.set_trim_guard("nightly");
  expect("trim_guard");
  settings.set_segment_bytes(1 << 20);
  expect("segment_bytes");
}

}  // namespace
}  // namespace cairn::server
