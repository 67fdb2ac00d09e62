// wire_codec: Raft messages as they travel between nodes (proto/cairn/v1/peer.proto).
//
// Encoding cannot fail. Decoding trusts nothing: unknown types and kinds, bits that have no
// meaning, and entries that are not consecutive are refused, so that the core only ever
// sees messages that its own kind could have sent. A receiver drops and counts what does
// not decode; the sender's core repeats what mattered.
//
// Entries carry no checksum here: the transport has its own, and the follower compares the
// records with the chain before it acknowledges (design 5.6).
//
// Threads: none; free functions.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "cairn/v1/peer.pb.h"
#include "consensus/message.h"
#include "server/group_events.h"

namespace cairn::server {

// WireMessage.type. Values are for ever.
enum class WireType : uint32_t {
  kVoteRequest = 1,
  kVoteResponse = 2,
  kAppendRequest = 3,
  kAppendResponse = 4,
  kHeartbeat = 5,
  kHeartbeatResponse = 6,
  kSnapshotRequest = 7,
  kTimeoutNow = 8,
  kReadIndexRequest = 9,
  kReadIndexResponse = 10,
  kCommitNotice = 11,
  kRunOffer = 12,
};

// An AppendRequest's `last` is not sent: it is where its entries end.
cairn::v1::WireMessage EncodeMessage(const OutMessage& message);

// Takes entry payloads out of `wire` without copying them.
// Errors: kInvalidArgument, naming the field and its value.
absl::StatusOr<OutMessage> DecodeMessage(cairn::v1::WireMessage&& wire);

// Roughly the bytes that `message` will take on the wire; what send queues are bounded by.
uint64_t WireBytes(const consensus::Message& message);

}  // namespace cairn::server
