#include "server/runtime/wire_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "base/random.h"

namespace cairn::server {
namespace {

using consensus::AppendRequest;
using consensus::Entry;
using consensus::EntryKind;
using consensus::Position;
using ::testing::HasSubstr;

constexpr Position At(uint64_t term, uint64_t index) { return {Term(term), Index(index)}; }

OutMessage Wrap(consensus::Body body, uint64_t term = 9) {
  return {.group = GroupId(7),
          .message = {.from = NodeId(1), .to = NodeId(2), .term = Term(term), .body = body}};
}

AppendRequest ThreeEntries() {
  AppendRequest append{
      .prev = At(3, 10), .last = Index(13), .commit = Index(9), .absolves = 0x8000000000000001};
  append.entries = {{Index(11), Term(3), EntryKind::kData, Bytes(std::string("abc"))},
                    {Index(12), Term(9), EntryKind::kNoop, Bytes()},
                    {Index(13), Term(9), EntryKind::kConfig, Bytes(std::string("\0x", 2))}};
  return append;
}

// Every kind of message, with every field set away from its default.
std::vector<consensus::Body> AllBodies() {
  return {
      consensus::VoteRequest{true, At(4, 5), true, false},
      consensus::VoteRequest{false, At(4, 5), false, true},
      consensus::VoteResponse{true, true, true, At(4, 5), 7},
      consensus::VoteResponse{false, false, false, At(4, 6), 0},
      ThreeEntries(),
      AppendRequest{.prev = At(3, 10), .last = Index(10), .commit = Index(9)},
      consensus::AppendResponse{.accepted = true, .match = Index(12), .doubt = 91, .absolved = 92},
      consensus::AppendResponse{.accepted = false, .rejected_prev = Index(12), .hint = At(2, 8)},
      consensus::AppendResponse{.accepted = false, .hint = At(2, 8), .contradicts = true},
      consensus::AppendResponse{.accepted = true, .match = Index(12), .takes_runs = true},
      consensus::AppendResponse{.accepted = true, .match = Index(12), .full = true},
      consensus::AppendResponse{.accepted = true, .match = Index(12), .no_room = true},
      consensus::Heartbeat{Index(5), 77, true, 1'000'000},
      consensus::HeartbeatResponse{78, 93, -94, true},
      consensus::HeartbeatResponse{.context = 79, .fetching = true},
      consensus::HeartbeatResponse{.context = 80, .promised = true},
      consensus::HeartbeatResponse{.context = 81, .full = true},
      consensus::HeartbeatResponse{.context = 82, .no_room = true},
      consensus::CommitNotice{Index(6)},
      consensus::SnapshotRequest{
          .position = At(3, 30), .membership = {}, .snapshot = Bytes(std::string("state"))},
      consensus::RunOffer{.prev = At(2, 8),
                          .through = At(3, 30),
                          .snapshot = Bytes(std::string("state")),
                          .free_bytes = 95,
                          .open = true,
                          .ahead = At(3, 60)},
      consensus::TimeoutNow{},
      consensus::ReadIndexRequest{5},
      consensus::ReadIndexResponse{5, true, Index(8)},
      consensus::ReadIndexResponse{5, false, Index()},
  };
}

TEST(WireCodecTest, EveryMessageComesBackAsItWas) {
  for (const consensus::Body& body : AllBodies()) {
    const OutMessage sent = Wrap(body);
    SCOPED_TRACE(consensus::ToString(sent.message));
    // Through bytes, as on a real wire.
    const std::string bytes = EncodeMessage(sent).SerializeAsString();
    cairn::v1::WireMessage wire;
    ASSERT_TRUE(wire.ParseFromString(bytes));
    const auto received = DecodeMessage(std::move(wire));
    ASSERT_TRUE(received.ok()) << received.status();
    EXPECT_EQ(received->group, sent.group);
    EXPECT_EQ(received->message, sent.message);
  }
}

TEST(WireCodecTest, PayloadsAreTakenNotCopied) {
  AppendRequest append{.prev = At(3, 10), .last = Index(11), .commit = Index(9)};
  append.entries = {{Index(11), Term(3), EntryKind::kData, Bytes(std::string(100'000, 'x'))}};
  cairn::v1::WireMessage wire = EncodeMessage(Wrap(append));
  const char* const where = wire.entries(0).payload().data();
  const auto received = DecodeMessage(std::move(wire));
  ASSERT_TRUE(received.ok()) << received.status();
  const auto& entries = std::get<AppendRequest>(received->message.body).entries;
  EXPECT_EQ(entries[0].payload.view().data(), where);
}

TEST(WireCodecTest, WhatTheCoreCouldNotHaveSentIsRefused) {
  using Wire = cairn::v1::WireMessage;
  struct Case {
    const char* name;
    std::function<void(Wire&)> spoil;
    const char* says;
  };
  const Case cases[] = {
      {"type 0", [](Wire& w) { w.set_type(0); }, "type 0"},
      {"a type of the future", [](Wire& w) { w.set_type(99); }, "type 99"},
      {"from nobody", [](Wire& w) { w.set_from(0); }, "node 0"},
      {"to nobody", [](Wire& w) { w.set_to(0); }, "node 0"},
      {"to itself", [](Wire& w) { w.set_to(1); }, "node 1"},
      {"a flag of another type", [](Wire& w) { w.set_flags(1); }, "flags 0x1"},
      {"a flag of the future", [](Wire& w) { w.set_flags(1u << 31); }, "flags"},
      {"a gap", [](Wire& w) { w.mutable_entries(1)->set_index(14); }, "entry 14 follows 11"},
      {"not after prev", [](Wire& w) { w.set_index(11); }, "entry 11 follows 11"},
      {"a term that goes back", [](Wire& w) { w.mutable_entries(2)->set_term(2); }, "term 2"},
      {"a term of the future", [](Wire& w) { w.mutable_entries(2)->set_term(10); }, "term 10"},
      {"an unknown kind", [](Wire& w) { w.mutable_entries(0)->set_kind(3); }, "kind 3"},
      {"an index that wraps around",
       [](Wire& w) {
         w.mutable_entries()->DeleteSubrange(1, 2);
         w.set_index(UINT64_MAX);
         w.mutable_entries(0)->set_index(0);
       },
       "entry 0"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Wire wire = EncodeMessage(Wrap(ThreeEntries()));
    c.spoil(wire);
    const auto received = DecodeMessage(std::move(wire));
    ASSERT_FALSE(received.ok());
    EXPECT_EQ(received.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(received.status().message()), HasSubstr(c.says));
  }
}

// Flips bytes of real messages: whatever parses must either be refused or be a message that
// encodes to itself again.
TEST(WireCodecTest, GarbageIsRefusedOrHarmless) {
  Random random(20);
  for (const consensus::Body& body : AllBodies()) {
    const std::string good = EncodeMessage(Wrap(body)).SerializeAsString();
    for (int round = 0; round < 2000; ++round) {
      std::string bad = good;
      for (int flips = 0; flips < 3; ++flips) {
        bad[random.Below(bad.size())] = static_cast<char>(random.Next());
      }
      cairn::v1::WireMessage wire;
      if (!wire.ParseFromString(bad)) continue;
      const auto received = DecodeMessage(std::move(wire));
      if (!received.ok()) continue;
      const auto again = DecodeMessage(EncodeMessage(*received));
      ASSERT_TRUE(again.ok()) << again.status();
      EXPECT_EQ(again->message, received->message);
    }
  }
}

TEST(WireCodecTest, TheEstimateOfBytesIsNotBelowTheTruthByMuch) {
  const OutMessage message = Wrap(ThreeEntries());
  EXPECT_GE(WireBytes(message.message) + 16, EncodeMessage(message).ByteSizeLong());
  EXPECT_GE(WireBytes(Wrap(consensus::TimeoutNow{}).message), 32u);
}

}  // namespace
}  // namespace cairn::server
