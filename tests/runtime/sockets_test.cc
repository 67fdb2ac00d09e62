// Sockets and the frames between nodes.

#include "server/runtime/sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/socket_stream.h"
#include "base/strings.h"
#include "cairn/v1/peer.pb.h"
#include "server/runtime/peer_frames.h"

namespace cairn::server {
namespace {

constexpr int kTimeoutMs = 200;

std::string Local(int port) { return "127.0.0.1:" + std::to_string(port); }

TEST(ConnectTest, TellsListeningRefusedAndUnreachableApart) {
  auto listening = ListenTcp(Local(0));
  ASSERT_TRUE(listening.ok());
  const std::string address = Local(listening->port);
  const Connecting made = ConnectTcp(address, kTimeoutMs);
  EXPECT_TRUE(made.socket);
  EXPECT_FALSE(made.refused);
  listening->sockets.clear();
  const Connecting refused = ConnectTcp(address, kTimeoutMs);
  EXPECT_FALSE(refused.socket);
  EXPECT_TRUE(refused.refused);
  for (const char* nowhere : {"no-such-host.invalid:1", "nonsense", ""}) {
    const Connecting unreachable = ConnectTcp(nowhere, kTimeoutMs);
    EXPECT_FALSE(unreachable.socket) << nowhere;
    EXPECT_FALSE(unreachable.refused) << nowhere;
  }
}

TEST(ListenTest, SaysWhyNot) {
  auto first = ListenTcp(Local(0));
  ASSERT_TRUE(first.ok());
  const auto second = ListenTcp(Local(first->port));
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(ToStd(second.status().message()), ::testing::HasSubstr("Address already in use"));
  // Of a name's addresses one that is taken is enough, whichever comes first.
  const auto named = ListenTcp("localhost:" + std::to_string(first->port));
  ASSERT_FALSE(named.ok());
  EXPECT_THAT(ToStd(named.status().message()), ::testing::HasSubstr("Address already in use"));
  const auto nowhere = ListenTcp("no-such-host.invalid:1");
  ASSERT_FALSE(nowhere.ok());
  EXPECT_THAT(ToStd(nowhere.status().message()), ::testing::HasSubstr("does not resolve"));
}

TEST(FdTest, ClosesOnceAndMoves) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Fd left(ends[0]);
  Fd right(ends[1]);
  Fd moved = std::move(left);
  EXPECT_FALSE(left);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(moved.get(), ends[0]);
  moved.Reset();
  char byte = 0;
  EXPECT_EQ(recv(right.get(), &byte, 1, 0), 0) << "the other end is closed";
}

TEST(SocketStreamTest, GivesUpOnAPipeThatNobodyReads) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  SocketStream left{Fd(ends[0])};
  const Fd right(ends[1]);
  const auto soon = [] { return SystemClock().Mono() + 10 * kMicrosPerMilli; };
  EXPECT_FALSE(left.SendAll(std::string(16 << 20, 'x'), soon()));
  char byte[1];
  EXPECT_FALSE(left.ReceiveAll(byte, soon()));
}

// A frame whose message has about `bytes` bytes.
cairn::v1::ExchangeResponse Message(size_t bytes) {
  cairn::v1::ExchangeResponse message;
  message.set_refusal(std::string(bytes, static_cast<char>('a' + bytes % 26)));
  return message;
}

// Feeds `stream` to a reader in pieces of `piece` bytes; the messages that come out.
std::vector<std::string> Cut(std::string_view stream, size_t piece) {
  FrameReader reader;
  std::vector<std::string> messages;
  while (!stream.empty()) {
    const size_t size = std::min({piece, reader.space_bytes(), stream.size()});
    EXPECT_GT(size, 0u);
    std::memcpy(reader.space(), stream.data(), size);
    reader.Filled(size);
    stream.remove_prefix(size);
    while (const auto frame = reader.Next()) messages.emplace_back(*frame);
    if (reader.broken()) break;
    reader.Prepare();
  }
  return messages;
}

TEST(FrameReaderTest, CutsTheSameFramesHoweverTheBytesArrive) {
  std::string stream;
  std::vector<std::string> want;
  for (const size_t bytes : {0u, 1u, 100u, 300'000u, 7u, 2'000'000u, 5u}) {
    want.push_back(Message(bytes).SerializeAsString());
    AppendFrame(Message(bytes), stream);
  }
  for (const size_t piece : {1000u, 262'144u, 10'000'000u}) {
    EXPECT_EQ(Cut(stream, piece), want) << piece;
  }
  stream.clear();
  want.clear();
  for (const size_t bytes : {0u, 1u, 200u}) {
    want.push_back(Message(bytes).SerializeAsString());
    AppendFrame(Message(bytes), stream);
  }
  EXPECT_EQ(Cut(stream, 1), want);
}

TEST(FrameReaderTest, ALengthBeyondTheBoundBreaksTheStream) {
  std::string stream;
  AppendFrame(Message(5), stream);
  stream += std::string(8, '\xff');
  FrameReader reader;
  std::memcpy(reader.space(), stream.data(), stream.size());
  reader.Filled(stream.size());
  EXPECT_TRUE(reader.Next().has_value());
  EXPECT_FALSE(reader.broken());
  EXPECT_FALSE(reader.Next().has_value());
  EXPECT_TRUE(reader.broken());
}

}  // namespace
}  // namespace cairn::server
