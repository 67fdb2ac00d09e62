// What stands in a store beside entries' payloads: keys (storage/key_codec.h), rows
// (storage/rocks_rows.h), memberships, and segment rows' snapshots, which peers send too.
//
// The first byte picks the decoder. Beyond "no crash": what decodes is encoded to the same bytes
// again; what does not is refused with kDataLoss and words; and a group that starts from a snapshot
// either holds its invariants or was refused.
#include "base/check.h"
#include "consensus/membership.h"
#include "server/group.h"
#include "server/log_facts.h"
#include "storage/key_codec.h"
#include "storage/rocks_rows.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

using namespace storage;  // The whole subject.

constexpr GroupId kGroup{7};
constexpr Index kIndex{9};

enum Form : uint8_t { kKey, kEntry, kSeq, kHardState, kSegment, kNumber, kMembership, kSnapshot };
constexpr uint8_t kForms = kSnapshot + 1;

void CheckRefusal(const absl::Status& status) {
  CHECK(status.code() == absl::StatusCode::kDataLoss);
  CHECK(!status.message().empty());
}

void CheckKey(std::string_view key) {
  const auto group = GroupOfKey(key);
  if (const auto position = PositionOfKey(key)) CHECK_EQ(EntryKey(*group, Index(*position)), key);
  const auto state = ParseStateKey(key);
  if (!state) return;
  CHECK(group == state->group);
  switch (state->tag) {
    case KeyTag::kHardState:
      CHECK_EQ(HardStateKey(state->group), key);
      return;
    case KeyTag::kTerm:
      CHECK_EQ(TermKey(state->group, state->position), key);
      return;
    case KeyTag::kSegment:
      CHECK_EQ(SegmentKey(state->group, state->position), key);
      return;
    case KeyTag::kTrash:
      CHECK_EQ(TrashKey(state->group), key);
      return;
    case KeyTag::kDamage:
      CHECK_EQ(DamageKey(state->group), key);
      return;
    case KeyTag::kRun:
      CHECK_EQ(RunKey(state->group), key);
      return;
    case KeyTag::kTurn:
    case KeyTag::kIdentity:
    case KeyTag::kFormed:
      CHECK_UNREACHABLE();  // Not of the state family.
  }
}

void CheckEntry(std::string_view value) {
  const auto bytes_through = DecodeBytesThrough(kGroup, kIndex, value);
  const auto entry = DecodeEntryRow(kGroup, kIndex, value);
  if (!entry.ok()) return CheckRefusal(entry.status());
  CHECK(bytes_through.ok());
  CHECK_EQ(EncodeEntryRowHeader(kGroup, RefTo(*entry), *bytes_through) +
               std::string(entry->payload.view()),
           value);
}

// Decode, encode, compare.
template <class Decoded, class Encode>
void CheckRow(const Decoded& decoded, Encode encode, std::string_view value) {
  if (!decoded.ok()) return CheckRefusal(decoded.status());
  CHECK_EQ(encode(*decoded), value);
}

void CheckMembership(std::string_view value) {
  const auto membership = consensus::DecodeMembership(value);
  if (!membership.ok()) return CheckRefusal(membership.status());
  CHECK_EQ(consensus::EncodeMembership(*membership), value);
  for (const NodeId node : membership->All()) CHECK(membership->Contains(node));
}

void CheckSnapshot(std::string_view value) {
  v1::GroupSnapshot snapshot;
  if (!snapshot.ParseFromArray(value.data(), static_cast<int>(value.size()))) return;
  const auto facts = server::LogFacts::FromSnapshot(snapshot.state());
  if (facts.ok()) {
    const auto again = server::LogFacts::FromSnapshot(facts->ToSnapshot());
    CHECK(again.ok());
    CHECK_EQ(again->ToSnapshot().SerializeAsString(), facts->ToSnapshot().SerializeAsString());
  }
  server::GroupConfig config;
  config.raft.self = NodeId(1);
  server::GroupStart start;
  start.group = kGroup;
  start.stored = StoredGroup{
      .group = kGroup, .before_index = kIndex, .before_term = Term(1), .last_index = kIndex};
  start.stored->hard_state.term = Term(1);
  start.stored->segments.push_back(
      {.before_index = kIndex, .before_term = Term(1), .state = std::string(value)});
  server::CacheBudget budget;
  Random random(1);
  const auto group =
      server::Group::Create(config, std::move(start), &budget, &random, nullptr, {1, 1});
  if (!group.ok()) return CheckRefusal(group.status());
  (*group)->CheckInvariants();
}

void Run(std::string_view bytes) {
  Input input(bytes);
  const uint8_t form = input.Byte() % kForms;
  const std::string_view value = input.Rest();
  switch (form) {
    case kKey:
      return CheckKey(value);
    case kEntry:
      return CheckEntry(value);
    case kSeq:
      return CheckRow(DecodeSeqRow(value), EncodeSeqRow, value);
    case kHardState:
      return CheckRow(DecodeHardState(value), EncodeHardState, value);
    case kSegment:
      return CheckRow(DecodeSegment(kIndex, value), EncodeSegment, value);
    case kNumber:
      return CheckRow(DecodeNumber(value), EncodeNumber, value);
    case kMembership:
      return CheckMembership(value);
    case kSnapshot:
      return CheckSnapshot(value);
  }
}

std::string Of(Form form, const std::string& value) { return Number(form, 1) + value; }

v1::GroupSnapshot SmallSnapshot() {
  v1::GroupSnapshot snapshot;
  snapshot.set_index(kIndex.value());
  snapshot.set_term(1);
  snapshot.set_membership(consensus::EncodeMembership(
      {.voters = {NodeId(1), NodeId(2), NodeId(3)}, .outgoing = {}, .learners = {NodeId(4)}}));
  v1::LogStateSnapshot& state = *snapshot.mutable_state();
  state = server::LogFacts::Empty(kGroup, {}).ToSnapshot();
  state.set_last_seq(20);
  state.set_first_seq(5);
  state.set_timestamp_us(1'795'262'400'000'000);
  v1::StoredLease& lease = *state.add_leases();
  lease.set_name("primary");
  lease.set_holder("a");
  lease.set_epoch(6);
  lease.set_ttl_ms(1000);
  lease.set_last_renewal_index(8);
  v1::StoredProducer& producer = *state.add_producers();
  producer.set_id(3);
  producer.set_last_sequence(1);
  v1::StoredProducerResult& result = *producer.add_results();
  result.set_sequence(1);
  result.set_first_seq(10);
  result.set_last_seq(12);
  v1::RegisteredSnapshot& registered = *state.add_snapshots();
  registered.set_name("s");
  registered.set_seq(10);
  return snapshot;
}

std::vector<Seed> Seeds() {
  const StoredEntry entry{.index = kIndex,
                          .term = Term(2),
                          .kind = 1,
                          .payload = Bytes("payload"),
                          .first_seq = Seq(4),
                          .record_count = 1,
                          .timestamp_us = 5};
  const consensus::Membership joint{.voters = {NodeId(1), NodeId(2)},
                                    .outgoing = {NodeId(1), NodeId(3)},
                                    .learners = {NodeId(4)}};
  const std::string snapshot = SmallSnapshot().SerializeAsString();
  return {
      {"key-entry", Of(kKey, EntryKey(kGroup, kIndex))},
      {"key-hard-state", Of(kKey, HardStateKey(kGroup))},
      {"key-term", Of(kKey, TermKey(kGroup, kIndex))},
      {"key-segment", Of(kKey, SegmentKey(kGroup, kIndex))},
      {"key-trash", Of(kKey, TrashKey(kGroup))},
      {"entry", Of(kEntry, EncodeEntryRowHeader(kGroup, RefTo(entry), 70) + "payload")},
      {"seq", Of(kSeq, EncodeSeqRow({kIndex, 5, 2}))},
      {"hard-state", Of(kHardState, EncodeHardState({Term(3), NodeId(2), Index(8)}))},
      {"segment", Of(kSegment, EncodeSegment({{kIndex, Term(2), Seq(4), 5, 6, "state"}, 70}))},
      {"number", Of(kNumber, EncodeNumber(12))},
      {"membership", Of(kMembership, consensus::EncodeMembership(joint))},
      {"snapshot", Of(kSnapshot, snapshot)},
  };
}

const Registered registered({.name = "store_rows", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
