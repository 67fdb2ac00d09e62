// Peer frames: how messages between nodes lie in a TCP stream.
//
//   opener:   kPeerMagic, frame(ExchangeRequest with hello), frame(ExchangeRequest)...
//   receiver:             frame(ExchangeResponse), then nothing more
//   frame:    length of the message in bytes (4, little-endian), the message (peer.proto)
//
// The magic is what tells a peer from a gRPC client on the one port of a node; HTTP/2 begins with
// "PRI * HTTP/2.0".
//
// Threads: none of its own; a reader belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/socket_stream.h"
#include "google/protobuf/message_lite.h"

namespace cairn::server {

inline constexpr std::string_view kPeerMagic = "CAIRN-P1";
inline constexpr size_t kFrameHeaderBytes = 4;
// A frame holds up to PeerLinkOptions::request_bytes, or one entry. What claims to be larger is
// garbage.
inline constexpr size_t kMaxFrameBytes = size_t{512} << 20;

// Puts `message` behind what `out` holds.
void AppendFrame(const google::protobuf::MessageLite& message, std::string& out);

// The header of a frame of that length, whose message the caller puts behind it.
void AppendFrameHeader(size_t length, std::string& out);

// What a frame's header says.
uint32_t FrameLength(const char* header);

// Reads one frame, and nothing behind it. False: too late, broken, longer than `max_bytes` or
// undecodable.
bool ReceiveFrame(SocketStream& stream, uint32_t max_bytes, MonoMicros deadline,
                  google::protobuf::MessageLite& message);

// Cuts a stream of bytes into frames: read into space(), say how much it was, take the frames.
// Bound: 8 MiB, or twice what has arrived of a frame.
class FrameReader {
 public:
  // `kept_bytes`: what is read at once, and kept when a larger frame is through. More saves those
  // that read nothing but large frames an allocation for each.
  explicit FrameReader(size_t kept_bytes = 256 << 10);

  // Where the next bytes go: at least one.
  [[nodiscard]] char* space() { return buffer_.data() + end_; }
  [[nodiscard]] size_t space_bytes() const { return buffer_.size() - end_; }
  void Filled(size_t bytes) { end_ += bytes; }

  // The message of the next whole frame; valid until Filled. Nullopt: there is none (yet).
  std::optional<std::string_view> Next();
  // Makes room; to be called when Next has returned nullopt.
  void Prepare();
  // A frame's length is beyond the bound: the stream is useless from here on.
  [[nodiscard]] bool broken() const { return broken_; }

 private:
  const size_t kept_bytes_;
  std::vector<char> buffer_;
  size_t begin_ = 0;  // Of the frame at the front.
  size_t end_ = 0;    // Of what was read.
  bool broken_ = false;
};

}  // namespace cairn::server
