#include "server/runtime/peer_frames.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace cairn::server {
namespace {

// Room that is made for a frame before any of it is there: enough for all but huge entries.
constexpr size_t kTrustedBytes = 8 << 20;

}  // namespace

void AppendFrame(const google::protobuf::MessageLite& message, std::string& out) {
  const size_t length = message.ByteSizeLong();
  AppendFrameHeader(length, out);
  const size_t begin = out.size();
  out.resize(begin + length);
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(out.data() + begin));
}

void AppendFrameHeader(size_t length, std::string& out) {
  CHECK_LE(length, kMaxFrameBytes);
  for (size_t i = 0; i < kFrameHeaderBytes; ++i) {
    out.push_back(static_cast<char>(length >> (8 * i)));
  }
}

bool ReceiveFrame(SocketStream& stream, uint32_t max_bytes, MonoMicros deadline,
                  google::protobuf::MessageLite& message) {
  char header[kFrameHeaderBytes];
  if (!stream.ReceiveAll(header, deadline)) return false;
  const uint32_t length = FrameLength(header);
  if (length > max_bytes) return false;
  std::string bytes(length, '\0');
  return stream.ReceiveAll(bytes, deadline) && message.ParseFromString(bytes);
}

uint32_t FrameLength(const char* header) {
  uint32_t length = 0;
  for (size_t i = 0; i < kFrameHeaderBytes; ++i) {
    length |= static_cast<uint32_t>(static_cast<unsigned char>(header[i])) << (8 * i);
  }
  return length;
}

FrameReader::FrameReader(size_t kept_bytes) : kept_bytes_(kept_bytes), buffer_(kept_bytes) {}

std::optional<std::string_view> FrameReader::Next() {
  if (broken_ || end_ - begin_ < kFrameHeaderBytes) return std::nullopt;
  const size_t length = FrameLength(buffer_.data() + begin_);
  broken_ = length > kMaxFrameBytes;
  if (broken_ || end_ - begin_ < kFrameHeaderBytes + length) return std::nullopt;
  const std::string_view message(buffer_.data() + begin_ + kFrameHeaderBytes, length);
  begin_ += kFrameHeaderBytes + length;
  return message;
}

void FrameReader::Prepare() {
  const size_t rest = end_ - begin_;
  size_t want = kept_bytes_;
  if (rest >= kFrameHeaderBytes && !broken_) {
    const size_t frame = kFrameHeaderBytes + FrameLength(buffer_.data() + begin_);
    // Beyond some size what has arrived decides, not what a length claims.
    const size_t may = rest == buffer_.size() ? 2 * rest : buffer_.size();
    want = std::max(want, std::min(frame, std::max(kTrustedBytes, may)));
  }
  if (buffer_.size() == want && begin_ == 0 && rest < want) return;
  if (rest > 0 && buffer_.size() == want) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, rest);
  } else if (buffer_.size() != want) {
    std::vector<char> other(want);
    std::memcpy(other.data(), buffer_.data() + begin_, rest);
    buffer_.swap(other);
  }
  begin_ = 0;
  end_ = rest;
}

}  // namespace cairn::server
