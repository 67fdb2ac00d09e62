// Messages of peers that decode, stepped through a whole group: wire_codec, then the Raft core, the
// group, the log state and a store in memory, as one of three voters.
//
// The input is steps of one byte: a message (a WireMessage's bytes, addressed to this node), an
// honest answer to the oldest message that this node sent, a client's append, time, a broken link.
// So the node is a leader as well as a follower when garbage arrives. Beyond "no crash": invariants
// hold after each turn (FuzzNode), and what was applied stays applied.
//
// Two promises are taken as kept by peers, since Raft itself rests on them and the core stops the
// process on purpose when they are broken: a term has one leader, and no leader contradicts what is
// committed. Messages that break them are left out here (BreaksRaft).
#include <algorithm>

#include "base/check.h"
#include "cairn/v1/peer.pb.h"
#include "server/runtime/wire_codec.h"
#include "storage/entry_codec.h"
#include "tests/fuzz/fuzz_node.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

using consensus::Message;
using server::OutMessage;

constexpr GroupId kLog{7};
constexpr NodeId kSelf{1};
constexpr int kVoters = 3;
constexpr size_t kMaxSteps = 100;

enum Op : uint8_t { kMessage, kAnswer, kAppend, kTick, kLink };
constexpr uint8_t kOps = kLink + 1;

// Replies are judged by the service's target.
class Nobody : public server::ReplySink {
 public:
  void OnReply(uint64_t, server::Reply) override {}
};

bool FromLeader(const Message& message) {
  return std::holds_alternative<consensus::AppendRequest>(message.body) ||
         std::holds_alternative<consensus::Heartbeat>(message.body) ||
         std::holds_alternative<consensus::CommitNotice>(message.body) ||
         std::holds_alternative<consensus::SnapshotRequest>(message.body) ||
         std::holds_alternative<consensus::RunOffer>(message.body);
}

// Whether the terms that a message shows differ from those of committed entries.
bool Contradicts(const consensus::RaftCore& core, const Message& message) {
  const auto* append = std::get_if<consensus::AppendRequest>(&message.body);
  if (append == nullptr || !core.terms().Matches(append->prev)) return false;
  return std::any_of(append->entries.begin(), append->entries.end(), [&](const auto& entry) {
    return entry.index <= core.commit() && entry.index > core.terms().Before().index &&
           !core.terms().Matches({entry.term, entry.index});
  });
}

bool BreaksRaft(const consensus::RaftCore& core, const Message& message) {
  if (!FromLeader(message) || message.term < core.term()) return false;
  if (message.term == core.term()) {
    const bool other = core.leader() && core.leader() != message.from;
    if (other || core.role() == consensus::Role::kLeader) return true;
  }
  return Contradicts(core, message);
}

// What a peer that has everything and agrees would say; nullopt: nothing.
std::optional<consensus::Body> HonestAnswer(const Message& message) {
  using namespace consensus;
  if (const auto* vote = std::get_if<VoteRequest>(&message.body)) {
    return VoteResponse{.pre_vote = vote->pre_vote, .granted = true, .ballot = vote->ballot};
  }
  if (const auto* append = std::get_if<AppendRequest>(&message.body)) {
    return AppendResponse{.accepted = true,
                          .match = append->prev.index + append->entries.size(),
                          .absolved = append->absolves};
  }
  if (const auto* beat = std::get_if<Heartbeat>(&message.body)) {
    return HeartbeatResponse{.context = beat->context};
  }
  if (const auto* read = std::get_if<ReadIndexRequest>(&message.body)) {
    return ReadIndexResponse{.context = read->context, .confirmed = true, .index = Index(1)};
  }
  return std::nullopt;
}

class PeerRun {
 public:
  PeerRun() : node_(kVoters) {
    node_.AddGroup(kLog, "orders");
    node_.AddGroup(kCatalogGroup, "catalog");
  }

  void Run(Input& input) {
    for (size_t step = 0; step < kMaxSteps && !input.empty(); ++step) {
      Step(static_cast<Op>(input.Byte() % kOps), input);
      const Index applied = core(kLog).applied();
      CHECK_GE(core(kLog).commit(), applied);
    }
    node_.Tick(30);
  }

 private:
  [[nodiscard]] const consensus::RaftCore& core(GroupId group) const {
    return node_.group(group)->core();
  }

  void Step(Op op, Input& input) {
    switch (op) {
      case kMessage:
        return Receive(input.Piece());
      case kAnswer:
        return Answer();
      case kAppend:
        return Append(input.Byte() % 3 + 1);
      case kTick:
        return node_.Tick(input.Byte() % 32);
      case kLink: {
        const uint8_t bits = input.Byte();
        node_.Post(kLog, server::LinkChange{
                             .peer = NodeId(bits % 4 + 1),
                             .state = static_cast<server::LinkChange::State>(bits / 4 % 3)});
        return node_.Run();
      }
    }
  }

  // Only the address is put right: what goes to others never comes here.
  void Receive(std::string_view bytes) {
    v1::WireMessage wire;
    if (!wire.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
    wire.set_to(kSelf.value());
    if (wire.group() != kCatalogGroup.value()) wire.set_group(kLog.value());
    absl::StatusOr<OutMessage> decoded = server::DecodeMessage(std::move(wire));
    if (decoded.ok()) Deliver(decoded->group, std::move(decoded->message));
  }

  void Deliver(GroupId group, Message message) {
    if (BreaksRaft(core(group), message)) return;
    node_.Post(group, server::PeerMessage{std::move(message)});
    node_.Run();
  }

  void Answer() {
    const std::optional<OutMessage> sent = node_.TakeSent();
    if (!sent) return;
    if (std::optional<consensus::Body> body = HonestAnswer(sent->message)) {
      Deliver(sent->group, {sent->message.to, kSelf, sent->message.term, *std::move(body)});
    }
  }

  void Append(uint32_t count) {
    server::AppendOp op;
    for (uint32_t i = 0; i < count; ++i) storage::AppendRecordTo(op.records, "");
    op.count = count;
    op.lease_name = "primary";
    node_.Post(kLog, server::Request{.reply_to = {&nobody_, 1},
                                     .body = std::move(op),
                                     .deadline = node_.now_us() + kMicrosPerSecond});
    node_.Run();
  }

  Nobody nobody_;
  FuzzNode node_;
};

void Run(std::string_view bytes) {
  Input input(bytes);
  PeerRun().Run(input);
}

// ---- Seeds ------------------------------------------------------------------------------------

std::string Step(Op op) { return Number(op, 1); }
std::string Step(Op op, uint8_t number) { return Number(op, 1) + Number(number, 1); }

std::string Of(NodeId from, Term term, const consensus::Body& body, GroupId group = kLog) {
  const v1::WireMessage wire =
      server::EncodeMessage({group, {.from = from, .to = kSelf, .term = term, .body = body}});
  return Step(kMessage) + Piece(wire.SerializeAsString());
}

consensus::Entry Noop(uint64_t index, uint64_t term) {
  return {.index = Index(index),
          .term = Term(term),
          .kind = consensus::EntryKind::kNoop,
          .payload = Bytes()};
}

consensus::Entry Data(uint64_t index, uint64_t term) {
  storage::EntryBuilder builder(Seq(), storage::ChainSeed(kLog), 1'795'262'400'000'000);
  builder.AddRecord("");
  return {.index = Index(index),
          .term = Term(term),
          .kind = consensus::EntryKind::kData,
          .payload = builder.Finish()};
}

// It follows, holds two entries, hears that they are committed, is asked for votes.
std::string Follows() {
  using namespace consensus;
  return Of(NodeId(2), Term(1), VoteRequest{.pre_vote = true, .ballot = 4}) +
         Of(NodeId(2), Term(1), VoteRequest{.ballot = 4}) +
         Of(NodeId(2), Term(1),
            AppendRequest{.prev = {}, .last = Index(2), .entries = {Noop(1, 1), Data(2, 1)}}) +
         Of(NodeId(2), Term(1), Heartbeat{.commit = Index(2), .context = 3}) +
         Of(NodeId(2), Term(1), CommitNotice{.commit = Index(2)}) + Step(kTick, 3) +
         Of(NodeId(3), Term(2), VoteRequest{.last = {Term(1), Index(2)}, .transfer = true}) +
         Of(NodeId(3), Term(2),
            AppendRequest{.prev = {Term(1), Index(2)}, .last = Index(3), .entries = {Noop(3, 2)}}) +
         Of(NodeId(3), Term(2), TimeoutNow{}) + Step(kTick, 20);
}

// It campaigns, wins, commits, and is told that it is refused.
std::string Leads() {
  using namespace consensus;
  std::string steps = Step(kTick, 31);
  for (int i = 0; i < 12; ++i) steps += Step(kAnswer);
  steps += Step(kAppend, 1);
  for (int i = 0; i < 8; ++i) steps += Step(kAnswer);
  return steps + Step(kTick, 2) + Step(kAnswer) +
         Of(NodeId(3), Term(1),
            AppendResponse{.rejected_prev = Index(1), .hint = {Term(), Index()}}) +
         Of(NodeId(2), Term(1),
            AppendResponse{.hint = {Term(1), Index(2)}, .doubt = 7, .contradicts = true}) +
         Of(NodeId(2), Term(1), HeartbeatResponse{.context = 1, .doubt = 7, .wall_us = 5}) +
         Of(NodeId(3), Term(1), ReadIndexRequest{.context = 9}) + Step(kLink, 4 + 1);
}

std::string Installs() {
  using namespace consensus;
  v1::GroupSnapshot snapshot;
  snapshot.set_index(9);
  snapshot.set_term(2);
  snapshot.set_membership(EncodeMembership(
      {.voters = {NodeId(1), NodeId(2), NodeId(3)}, .outgoing = {}, .learners = {}}));
  *snapshot.mutable_state() = server::LogFacts::Empty(kLog, {}).ToSnapshot();
  return Of(NodeId(2), Term(2),
            SnapshotRequest{.position = {Term(2), Index(9)},
                            .snapshot = Bytes(snapshot.SerializeAsString())}) +
         Of(NodeId(2), Term(2),
            AppendRequest{.prev = {Term(2), Index(9)},
                          .last = Index(10),
                          .commit = Index(10),
                          .entries = {Data(10, 2)}}) +
         Step(kTick, 2);
}

// The catalog is never trimmed, so nobody has a snapshot of it.
std::string SnapshotOfCatalog() {
  return Of(NodeId(2), Term(2),
            consensus::SnapshotRequest{.position = {Term(2), Index(9)}, .snapshot = Bytes("x")},
            kCatalogGroup) +
         Step(kTick, 2);
}

// An entry that does not follow from what is held.
std::string Refuses() {
  using namespace consensus;
  return Of(NodeId(2), Term(1),
            AppendRequest{.prev = {}, .last = Index(2), .entries = {Data(1, 1), Data(2, 1)}}) +
         Of(NodeId(2), Term(1), Heartbeat{.commit = Index(1)}) + Step(kTick, 1);
}

std::string Changes() {
  using namespace consensus;
  const Membership joint{.voters = {NodeId(1), NodeId(4)},
                         .outgoing = {NodeId(1), NodeId(2), NodeId(3)},
                         .learners = {}};
  return Of(NodeId(2), Term(1),
            AppendRequest{.prev = {},
                          .last = Index(1),
                          .commit = Index(1),
                          .entries = {{.index = Index(1),
                                       .term = Term(1),
                                       .kind = EntryKind::kConfig,
                                       .payload = Bytes(EncodeMembership(joint))}}}) +
         Step(kTick, 31) + Step(kAnswer) + Step(kAnswer) + Step(kAnswer);
}

std::vector<Seed> Seeds() {
  return {{"follows", Follows()},   {"leads", Leads()},
          {"installs", Installs()}, {"snapshot-of-catalog", SnapshotOfCatalog()},
          {"refuses", Refuses()},   {"changes", Changes()}};
}

const Registered registered({.name = "peer_messages", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
