// Bytes that are no protocol at all, on both ports of a node: they cost their sender the connection
// and nobody else anything.

#include <sys/time.h>

#include <memory>
#include <string>
#include <vector>

#include "base/http_server.h"
#include "base/random.h"
#include "server/runtime/peer_frames.h"
#include "tests/rpc/test_node.h"
#include "tests/support/random_bytes.h"

namespace cairn::rpc {
namespace {

// A client of one TCP connection.
class RawSocket {
 public:
  explicit RawSocket(int port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const timeval patience = {.tv_sec = 2, .tv_usec = 0};
    CHECK_EQ(setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
  }
  ~RawSocket() { close(fd_); }
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  // The peer may have closed already.
  void Send(const std::string& bytes) const {
    for (size_t at = 0; at < bytes.size();) {
      const ssize_t n = send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (n <= 0) return;
      at += static_cast<size_t>(n);
    }
  }
  // What the peer says before it closes or falls silent.
  [[nodiscard]] std::string ReceiveSome() const {
    char buffer[4096];
    const ssize_t n = recv(fd_, buffer, sizeof(buffer), 0);
    return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : std::string();
  }

 private:
  const int fd_;
};

std::vector<std::string> Garbage() {
  std::vector<std::string> cases = {
      "",
      "\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "*1\r\n$4\r\nPING\r\n",
      std::string(1 << 20, '\0'),
      std::string(1 << 20, '\xff'),
      // A regular opening of HTTP/2, followed by frames that are not: an unknown type, a length of
      // 16 MiB, headers that do not decompress.
      std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string("\0\0\4\xfa\0\0\0\0\0abcd", 13),
      std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string("\xff\xff\xff\4\0\0\0\0\0", 9),
      std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string("\0\0\0\4\0\0\0\0\0", 9) +
          std::string("\0\0\10\1\4\0\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff", 17),
  };
  Random random(7);
  for (int i = 0; i < 40; ++i) {
    const std::string bytes = testing::RandomBytes(random, random.Below(3000));
    cases.push_back(i % 2 == 0 ? bytes : "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes);
  }
  return cases;
}

int PortOf(const std::string& address) { return std::stoi(address.substr(address.rfind(':') + 1)); }

class GarbageTest : public ::testing::Test {
 protected:
  void SetUp() override { cluster_.Create("orders"); }
  TestNode& node() { return cluster_[0]; }

  void ExpectServes() {
    v1::AppendRequest request;
    request.set_log("orders");
    request.add_records()->set_payload("p");
    const grpc::Status status = Call(*node().log, &v1::LogService::Stub::Append, request);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  TestCluster cluster_{1};
};

TEST_F(GarbageTest, OnTheServicePort) {
  for (const std::string& bytes : Garbage()) {
    const RawSocket socket(PortOf(node().address()));
    socket.Send(bytes);
  }
  ExpectServes();
}

TEST_F(GarbageTest, OnTheHttpPort) {
  auto http =
      HttpServer::Start("127.0.0.1:0", {.metrics = [this] { return node().node().MetricsText(); },
                                        .not_ready = [this] { return node().node().NotReady(); }});
  ASSERT_TRUE(http.ok());
  for (const std::string& bytes : Garbage()) {
    const RawSocket socket((*http)->port());
    socket.Send(bytes);
  }
  const RawSocket socket((*http)->port());
  socket.Send("GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(socket.ReceiveSome().rfind("HTTP/1.1 200", 0), 0u);
  ExpectServes();
}

// Well-formed calls whose messages are not: by the raw methods' names.
TEST_F(GarbageTest, InsideCalls) {
  struct Case {
    const char* method;
    bool ours;  // Parsed by the service itself, so the refusal is ours.
  };
  const Case cases[] = {
      {"/cairn.v1.LogService/Append", false},    {"/cairn.v1.LogService/CreateLog", false},
      {"/cairn.v1.LeaseService/Acquire", false}, {"/cairn.v1.LogService/Read", true},
      {"/cairn.v1.LogService/Tail", true},       {"/cairn.v1.PeerService/Introduce", false},
      {"/cairn.v1.PeerService/Form", false},     {"/cairn.v1.LogService/NoSuchMethod", false},
  };
  Random random(11);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.method);
    for (int i = 0; i < 20; ++i) {
      std::string bytes(1 + random.Below(200), '\xff');
      for (size_t at = 1; at < bytes.size(); ++at) bytes[at] = static_cast<char>(random.Next());
      const grpc::Status status = RawCall(node().channel(), c.method, bytes);
      EXPECT_FALSE(status.ok());
      if (c.ours) {
        EXPECT_EQ(ReasonOf(status), v1::REASON_INVALID) << status.error_message();
      }
    }
  }
  ExpectServes();
}

// What a connection of peers is answered; empty when it is cut instead.
std::string AnswerTo(int port, const std::string& opening) {
  const RawSocket socket(port);
  socket.Send(opening);
  std::string got;
  for (std::string some = socket.ReceiveSome(); !some.empty(); some = socket.ReceiveSome()) {
    got += some;
  }
  if (got.size() < server::kFrameHeaderBytes) return "";
  v1::ExchangeResponse answer;
  EXPECT_TRUE(answer.ParseFromString(got.substr(server::kFrameHeaderBytes)));
  return answer.refusal();
}

TEST_F(GarbageTest, AStrangerIsNoPeer) {
  const int port = node().rpc().port();
  v1::ExchangeRequest request;
  std::string no_hello(server::kPeerMagic);
  server::AppendFrame(request, no_hello);
  EXPECT_NE(AnswerTo(port, no_hello), "");

  request.mutable_hello()->set_protocol(1);
  request.mutable_hello()->set_cluster_id("00000000000000000000000000000000");
  request.mutable_hello()->set_from_node_id(1);
  std::string hello(server::kPeerMagic);
  server::AppendFrame(request, hello);
  EXPECT_THAT(AnswerTo(port, hello), ::testing::HasSubstr("this node belongs to cluster"));

  const std::string magic(server::kPeerMagic);
  EXPECT_EQ(AnswerTo(port, magic + std::string(100, '\xff')), "") << "a hello of 4 GiB";
  EXPECT_EQ(AnswerTo(port, magic + std::string("\x04\0\0\0", 4) + "junk"), "");
  const RawSocket undecided(port);
  undecided.Send(magic.substr(0, 5));  // No peer; gRPC will be rid of it.
  ExpectServes();
}

}  // namespace
}  // namespace cairn::rpc
