// The stream of bytes that a peer sends (server/runtime/peer_frames.h), and the messages in it
// (server/runtime/wire_codec.h).
//
// The first two bytes say in how large pieces the stream arrives. Beyond "no crash": where the
// pieces end makes no difference; a reader's memory follows what has arrived, not what a length
// claims; what decodes is encoded to a message that decodes to the same; a refusal has words.
#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "cairn/v1/peer.pb.h"
#include "server/runtime/peer_frames.h"
#include "server/runtime/wire_codec.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

using namespace server;  // The whole subject.

// What a reader may hold beside twice what has arrived.
constexpr size_t kReaderBytes = 8 << 20;

struct Arrived {
  std::vector<std::string> frames;
  bool broken = false;
  bool operator==(const Arrived&) const = default;
};

Arrived Receive(std::string_view stream, size_t piece) {
  Arrived arrived;
  FrameReader reader;
  const size_t total = stream.size();
  while (!stream.empty() && !reader.broken()) {
    CHECK_GT(reader.space_bytes(), 0u);
    CHECK_LE(reader.space_bytes(), kReaderBytes + 2 * total);
    const size_t bytes = std::min({piece, stream.size(), reader.space_bytes()});
    std::memcpy(reader.space(), stream.data(), bytes);
    reader.Filled(bytes);
    stream.remove_prefix(bytes);
    while (const auto frame = reader.Next()) arrived.frames.emplace_back(*frame);
    reader.Prepare();
  }
  arrived.broken = reader.broken();
  return arrived;
}

void CheckMessage(v1::WireMessage wire) {
  const absl::StatusOr<OutMessage> decoded = DecodeMessage(std::move(wire));
  if (!decoded.ok()) {
    CHECK(decoded.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(!decoded.status().message().empty());
    return;
  }
  CHECK(!consensus::ToString(decoded->message).empty());
  const absl::StatusOr<OutMessage> again = DecodeMessage(EncodeMessage(*decoded));
  CHECK(again.ok());
  CHECK_EQ(again->group, decoded->group);
  CHECK(again->message == decoded->message);
  CHECK_GT(WireBytes(decoded->message), 0u);
}

void Run(std::string_view bytes) {
  Input input(bytes);
  const size_t piece = input.Number(2) + 1;
  const std::string_view stream = input.Rest();
  const Arrived arrived = Receive(stream, piece);
  CHECK(arrived == Receive(stream, stream.size() + 1));
  v1::ExchangeRequest request;
  for (const std::string& frame : arrived.frames) {
    if (!request.ParseFromString(frame)) continue;
    for (v1::WireMessage& wire : *request.mutable_messages()) CheckMessage(std::move(wire));
  }
}

std::vector<consensus::Body> Bodies() {
  using namespace consensus;
  return {VoteRequest{.pre_vote = true, .last = {Term(2), Index(9)}, .ballot = 5},
          VoteResponse{.granted = true, .last = {Term(2), Index(9)}, .ballot = 5},
          AppendRequest{.prev = {Term(2), Index(9)},
                        .last = Index(10),
                        .commit = Index(9),
                        .entries = {{.index = Index(10),
                                     .term = Term(3),
                                     .kind = EntryKind::kData,
                                     .payload = Bytes("payload")}}},
          AppendResponse{.accepted = true, .match = Index(10)},
          AppendResponse{.rejected_prev = Index(10), .hint = {Term(1), Index(4)}, .doubt = 6},
          Heartbeat{.commit = Index(9), .context = 4},
          HeartbeatResponse{.context = 4, .wall_us = 1'795'262'400'000'000},
          SnapshotRequest{.position = {Term(2), Index(8)}, .snapshot = Bytes("snapshot")},
          TimeoutNow{},
          ReadIndexRequest{.context = 4},
          ReadIndexResponse{.context = 4, .confirmed = true, .index = Index(9)},
          CommitNotice{.commit = Index(10)},
          RunOffer{.prev = {Term(1), Index(4)},
                   .through = {Term(2), Index(8)},
                   .snapshot = Bytes("snapshot"),
                   .free_bytes = 5,
                   .open = true,
                   .ahead = {Term(2), Index(9)}}};
}

std::vector<Seed> Seeds() {
  v1::ExchangeRequest hello;
  hello.mutable_hello()->set_cluster_id("0123456789abcdef0123456789abcdef");
  hello.mutable_hello()->set_from_node_id(2);
  hello.mutable_hello()->set_to_node_id(1);
  hello.mutable_hello()->set_protocol(1);
  std::string stream;
  AppendFrame(hello, stream);
  std::vector<Seed> seeds = {{"hello", Number(1000, 2) + stream}};
  for (const consensus::Body& body : Bodies()) {
    v1::ExchangeRequest request;
    *request.add_messages() = EncodeMessage(
        {GroupId(7), {.from = NodeId(2), .to = NodeId(1), .term = Term(3), .body = body}});
    AppendFrame(request, stream);
    std::string alone;
    AppendFrame(request, alone);
    seeds.push_back({"message-" + std::to_string(seeds.size()), Number(1000, 2) + alone});
  }
  seeds.push_back({"stream-in-pieces", Number(6, 2) + stream});
  seeds.push_back({"large-length", Number(1000, 2) + Number(400 << 20, 4) + "x"});
  return seeds;
}

const Registered registered({.name = "peer_frames", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
