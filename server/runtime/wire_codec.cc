#include "server/runtime/wire_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "base/overloaded.h"
#include "base/strings.h"

namespace cairn::server {
namespace {

using cairn::v1::WireMessage;

// WireMessage.flags; what a bit means depends on the type.
enum Flag : uint32_t {
  kPreVote = 1 << 0,
  kTransfer = 1 << 1,
  kLeaderGone = 1 << 2,
  kConditional = 1 << 3,
  kContradicts = 1 << 4,
};

constexpr uint64_t kMessageOverheadBytes = 64;
constexpr uint64_t kEntryOverheadBytes = 32;

// ---- Encoding ----------------------------------------------------------------------------

void SetType(WireMessage& wire, WireType type) { wire.set_type(static_cast<uint32_t>(type)); }

void SetPosition(WireMessage& wire, consensus::Position position) {
  wire.set_index(position.index.value());
  wire.set_log_term(position.term.value());
}

uint32_t If(bool set, Flag flag) { return set ? uint32_t{flag} : 0; }

void Encode(const consensus::VoteRequest& body, WireMessage& wire) {
  SetType(wire, WireType::kVoteRequest);
  SetPosition(wire, body.last);
  wire.set_flags(If(body.pre_vote, kPreVote) | If(body.transfer, kTransfer) |
                 If(body.leader_gone, kLeaderGone));
  wire.set_context(body.ballot);
}

void Encode(const consensus::VoteResponse& body, WireMessage& wire) {
  SetType(wire, WireType::kVoteResponse);
  SetPosition(wire, body.last);
  wire.set_reject(!body.granted);
  wire.set_flags(If(body.pre_vote, kPreVote) | If(body.conditional, kConditional));
  wire.set_context(body.ballot);
}

void Encode(const consensus::AppendRequest& body, WireMessage& wire) {
  SetType(wire, WireType::kAppendRequest);
  SetPosition(wire, body.prev);
  wire.set_commit(body.commit.value());
  wire.set_context(body.absolves);
  wire.mutable_entries()->Reserve(static_cast<int>(body.entries.size()));
  for (const consensus::Entry& entry : body.entries) {
    cairn::v1::WireEntry& out = *wire.add_entries();
    out.set_index(entry.index.value());
    out.set_term(entry.term.value());
    out.set_kind(static_cast<uint32_t>(entry.kind));
    out.set_payload(entry.payload.view().data(), entry.payload.size());
  }
}

void Encode(const consensus::AppendResponse& body, WireMessage& wire) {
  SetType(wire, WireType::kAppendResponse);
  wire.set_reject(!body.accepted);
  wire.set_index(body.accepted ? body.match.value() : body.rejected_prev.value());
  wire.set_hint_index(body.hint.index.value());
  wire.set_hint_term(body.hint.term.value());
  wire.set_flags(If(body.contradicts, kContradicts));
  wire.set_context(body.absolved);
  wire.set_doubt(body.doubt);
  wire.set_runs(body.takes_runs);
  wire.set_full(body.full);
  wire.set_no_room(body.no_room);
}

void Encode(const consensus::Heartbeat& body, WireMessage& wire) {
  SetType(wire, WireType::kHeartbeat);
  wire.set_commit(body.commit.value());
  wire.set_context(body.context);
  wire.set_sleep(body.sleep);
  wire.set_promise_us(body.promise_us);
}

void Encode(const consensus::HeartbeatResponse& body, WireMessage& wire) {
  SetType(wire, WireType::kHeartbeatResponse);
  wire.set_context(body.context);
  wire.set_doubt(body.doubt);
  wire.set_wall_us(body.wall_us);
  wire.set_sleep(body.asleep);
  wire.set_runs(body.fetching);
  wire.set_promise_us(body.promised ? 1 : 0);
  wire.set_full(body.full);
  wire.set_no_room(body.no_room);
}

void Encode(const consensus::CommitNotice& body, WireMessage& wire) {
  SetType(wire, WireType::kCommitNotice);
  wire.set_commit(body.commit.value());
}

void Encode(const consensus::SnapshotRequest& body, WireMessage& wire) {
  SetType(wire, WireType::kSnapshotRequest);
  SetPosition(wire, body.position);
  wire.set_snapshot(body.snapshot.view().data(), body.snapshot.size());
}

void Encode(const consensus::RunOffer& body, WireMessage& wire) {
  SetType(wire, WireType::kRunOffer);
  SetPosition(wire, body.prev);
  wire.set_through_index(body.through.index.value());
  wire.set_through_term(body.through.term.value());
  wire.set_snapshot(body.snapshot.view().data(), body.snapshot.size());
  wire.set_free_bytes(body.free_bytes);
  wire.set_open(body.open);
  wire.set_ahead_index(body.ahead.index.value());
  wire.set_ahead_term(body.ahead.term.value());
}

void Encode(const consensus::TimeoutNow&, WireMessage& wire) {
  SetType(wire, WireType::kTimeoutNow);
}

void Encode(const consensus::ReadIndexRequest& body, WireMessage& wire) {
  SetType(wire, WireType::kReadIndexRequest);
  wire.set_context(body.context);
}

void Encode(const consensus::ReadIndexResponse& body, WireMessage& wire) {
  SetType(wire, WireType::kReadIndexResponse);
  wire.set_context(body.context);
  wire.set_reject(!body.confirmed);
  wire.set_index(body.index.value());
}

// ---- Decoding ----------------------------------------------------------------------------

absl::Status Invalid(const std::string& message) {
  return absl::InvalidArgumentError(ToAbsl(message));
}

consensus::Position PositionOf(const WireMessage& wire) {
  return {.term = Term(wire.log_term()), .index = Index(wire.index())};
}

bool Has(const WireMessage& wire, Flag flag) { return (wire.flags() & flag) != 0; }

// The bits that a message of `type` may carry.
uint32_t KnownFlags(WireType type) {
  switch (type) {
    case WireType::kVoteRequest:
      return kPreVote | kTransfer | kLeaderGone;
    case WireType::kVoteResponse:
      return kPreVote | kConditional;
    case WireType::kAppendResponse:
      return kContradicts;
    case WireType::kAppendRequest:
    case WireType::kHeartbeat:
    case WireType::kHeartbeatResponse:
    case WireType::kSnapshotRequest:
    case WireType::kTimeoutNow:
    case WireType::kReadIndexRequest:
    case WireType::kReadIndexResponse:
    case WireType::kCommitNotice:
    case WireType::kRunOffer:
      return 0;
  }
  return 0;
}

// Whether `kind` is one that consensus/types.h has.
bool IsEntryKind(uint32_t kind) {
  return kind <= static_cast<uint32_t>(consensus::EntryKind::kConfig);
}

absl::StatusOr<consensus::Body> DecodeAppend(WireMessage& wire) {
  consensus::AppendRequest body;
  body.prev = PositionOf(wire);
  body.commit = Index(wire.commit());
  body.absolves = wire.context();
  body.entries.reserve(static_cast<size_t>(wire.entries_size()));
  consensus::Position last = body.prev;
  for (cairn::v1::WireEntry& in : *wire.mutable_entries()) {
    const consensus::Position at{.term = Term(in.term()), .index = Index(in.index())};
    // (The second half: an index that wrapped around.)
    if (at.index != last.index + 1 || !at.index) {
      return Invalid(fmt::format("append: entry {} follows {}", at.index, last.index));
    }
    if (at.term < last.term || at.term > Term(wire.term())) {
      return Invalid(fmt::format("append of term {}: entry {} has term {}, the one before {}",
                                 wire.term(), at.index, at.term, last.term));
    }
    if (!IsEntryKind(in.kind())) {
      return Invalid(fmt::format("append: entry {} has the unknown kind {}", at.index, in.kind()));
    }
    body.entries.push_back({.index = at.index,
                            .term = at.term,
                            .kind = static_cast<consensus::EntryKind>(in.kind()),
                            .payload = Bytes(std::move(*in.mutable_payload()))});
    last = at;
  }
  body.last = last.index;
  return body;
}

consensus::AppendResponse DecodeAppendResponse(const WireMessage& wire) {
  consensus::AppendResponse body;
  body.accepted = !wire.reject();
  (body.accepted ? body.match : body.rejected_prev) = Index(wire.index());
  body.hint = {.term = Term(wire.hint_term()), .index = Index(wire.hint_index())};
  body.doubt = wire.doubt();
  body.absolved = wire.context();
  body.contradicts = Has(wire, kContradicts);
  body.takes_runs = wire.runs();
  body.full = wire.full();
  body.no_room = wire.no_room();
  return body;
}

absl::StatusOr<consensus::Body> DecodeBody(WireMessage& wire) {
  switch (static_cast<WireType>(wire.type())) {
    case WireType::kVoteRequest:
      return consensus::VoteRequest{.pre_vote = Has(wire, kPreVote),
                                    .last = PositionOf(wire),
                                    .transfer = Has(wire, kTransfer),
                                    .leader_gone = Has(wire, kLeaderGone),
                                    .ballot = wire.context()};
    case WireType::kVoteResponse:
      return consensus::VoteResponse{.pre_vote = Has(wire, kPreVote),
                                     .granted = !wire.reject(),
                                     .conditional = Has(wire, kConditional),
                                     .last = PositionOf(wire),
                                     .ballot = wire.context()};
    case WireType::kAppendRequest:
      return DecodeAppend(wire);
    case WireType::kAppendResponse:
      return DecodeAppendResponse(wire);
    case WireType::kHeartbeat:
      return consensus::Heartbeat{.commit = Index(wire.commit()),
                                  .context = wire.context(),
                                  .sleep = wire.sleep(),
                                  .promise_us = std::max<int64_t>(0, wire.promise_us())};
    case WireType::kHeartbeatResponse:
      return consensus::HeartbeatResponse{.context = wire.context(),
                                          .doubt = wire.doubt(),
                                          .wall_us = wire.wall_us(),
                                          .asleep = wire.sleep(),
                                          .fetching = wire.runs(),
                                          .promised = wire.promise_us() != 0,
                                          .full = wire.full(),
                                          .no_room = wire.no_room()};
    case WireType::kCommitNotice:
      return consensus::CommitNotice{.commit = Index(wire.commit())};
    case WireType::kSnapshotRequest:
      return consensus::SnapshotRequest{.position = PositionOf(wire),
                                        .membership = {},  // Part of the bytes; the group reads it.
                                        .snapshot = Bytes(std::move(*wire.mutable_snapshot()))};
    case WireType::kRunOffer:
      return consensus::RunOffer{
          .prev = PositionOf(wire),
          .through = {.term = Term(wire.through_term()), .index = Index(wire.through_index())},
          .snapshot = Bytes(std::move(*wire.mutable_snapshot())),
          .free_bytes = wire.free_bytes(),
          .open = wire.open(),
          .ahead = {.term = Term(wire.ahead_term()), .index = Index(wire.ahead_index())}};
    case WireType::kTimeoutNow:
      return consensus::TimeoutNow{};
    case WireType::kReadIndexRequest:
      return consensus::ReadIndexRequest{.context = wire.context()};
    case WireType::kReadIndexResponse:
      return consensus::ReadIndexResponse{
          .context = wire.context(), .confirmed = !wire.reject(), .index = Index(wire.index())};
  }
  return Invalid(fmt::format("unknown message type {}", wire.type()));
}

}  // namespace

cairn::v1::WireMessage EncodeMessage(const OutMessage& message) {
  WireMessage wire;
  wire.set_group(message.group.value());
  wire.set_term(message.message.term.value());
  wire.set_from(message.message.from.value());
  wire.set_to(message.message.to.value());
  std::visit([&](const auto& body) { Encode(body, wire); }, message.message.body);
  return wire;
}

absl::StatusOr<OutMessage> DecodeMessage(cairn::v1::WireMessage&& wire) {
  if (wire.from() == 0 || wire.to() == 0 || wire.from() == wire.to()) {
    return Invalid(fmt::format("message from node {} to node {}", wire.from(), wire.to()));
  }
  const uint32_t unknown = wire.flags() & ~KnownFlags(static_cast<WireType>(wire.type()));
  absl::StatusOr<consensus::Body> body = DecodeBody(wire);
  if (!body.ok()) return body.status();
  if (unknown != 0) {
    return Invalid(fmt::format("message type {} has unknown flags {:#x}", wire.type(), unknown));
  }
  return OutMessage{.group = GroupId(wire.group()),
                    .message = {.from = NodeId(wire.from()),
                                .to = NodeId(wire.to()),
                                .term = Term(wire.term()),
                                .body = *std::move(body)}};
}

uint64_t WireBytes(const consensus::Message& message) {
  uint64_t bytes = kMessageOverheadBytes;
  std::visit(
      Overloaded{[&](const consensus::AppendRequest& body) {
                   for (const consensus::Entry& entry : body.entries) {
                     bytes += entry.payload.size() + kEntryOverheadBytes;
                   }
                 },
                 [&](const consensus::SnapshotRequest& body) { bytes += body.snapshot.size(); },
                 [&](const consensus::RunOffer& body) { bytes += body.snapshot.size(); },
                 [](const auto&) {}},
      message.body);
  return bytes;
}

}  // namespace cairn::server
