// BackendPool against an engine that breaks its connections at chosen moments. The test's own
// thread runs the io_context, so that nothing is noticed before the test lets it be.
#include "adapter/redis/front/backend_pool.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace cairn::adapter::redis {
namespace {

using asio::ip::tcp;

constexpr std::string_view kEcho = "*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n";
constexpr MonoMicros kDeadlineUs = 20 * kMicrosPerSecond;

// Connections are numbered in the order in which they came.
class FakeEngine {
 public:
  explicit FakeEngine(asio::io_context* io)
      : acceptor_(*io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    acceptor_.non_blocking(true);
  }

  [[nodiscard]] EngineAddress address() const {
    EngineAddress address;
    address.host = "127.0.0.1";
    address.port = acceptor_.local_endpoint().port();
    return address;
  }
  // Takes what has come, and answers greetings.
  void Work() {
    asio::error_code error;
    tcp::socket socket = acceptor_.accept(error);
    if (!error) {
      socket.non_blocking(true);
      connections_.push_back({std::move(socket), ""});
    }
    for (Connection& one : connections_) Serve(one);
  }
  void Break(size_t number) {
    connections_[number].socket.set_option(asio::socket_base::linger(true, 0));
    connections_[number].socket.close();
  }
  // It ends whoever asks for an id, in place of an answer.
  void EndThoseWhoAsk() { ends_ = true; }
  [[nodiscard]] size_t size() const { return connections_.size(); }
  [[nodiscard]] const std::string& received(size_t number) const {
    return connections_[number].received;
  }

 private:
  struct Connection {
    tcp::socket socket;
    std::string received;
  };

  void Serve(Connection& one) {
    char bytes[1024];
    asio::error_code error;
    if (!one.socket.is_open()) return;
    const size_t got = one.socket.receive(asio::buffer(bytes), 0, error);
    if (error) return;
    const std::string_view text(bytes, got);
    one.received += text;
    const bool asks = text.find("CLIENT") != std::string_view::npos;
    if (asks && ends_) return one.socket.close();
    if (asks) one.socket.send(asio::buffer(std::string_view(":5\r\n")));
    if (text.find("SELECT") != std::string_view::npos) {
      one.socket.send(asio::buffer(std::string_view("+OK\r\n")));
    }
  }

  tcp::acceptor acceptor_;
  std::deque<Connection> connections_;
  bool ends_ = false;
};

class BackendPoolTest : public ::testing::Test, public BackendOwner, public ReplyReceiver {
 protected:
  // What is freed is overwritten: a walk through it ends there, in every build. (Sanitizers have
  // allocators of their own, which do not know this, and notice by themselves.)
  static void SetUpTestSuite() { mallopt(M_PERTURB, 0xa5); }
  static void TearDownTestSuite() { mallopt(M_PERTURB, 0); }

  // BackendOwner and ReplyReceiver.
  BatchId NewBatch() override { return BatchId(++batches_); }
  void OnOffset(BatchId, StreamOffset) override {}
  void OnOffsetUnknown(BatchId) override {}
  void OnBackendBroken(Backend* backend, const absl::Status&) override {
    ++broken_;
    pool_.Forget(backend);
  }
  void OnReply(uint64_t, BatchId, const ReplyPiece&) override {}
  void OnBroken(uint64_t) override { ++unanswered_; }

  static Identity Of(uint32_t database) { return {.database = database}; }
  bool Until(const std::function<bool()>& condition) {
    const MonoMicros give_up_us = SystemClock().Mono() + kDeadlineUs;
    while (!condition()) {
      if (SystemClock().Mono() > give_up_us) return false;
      io_.restart();
      io_.poll();
      engine_.Work();
    }
    return true;
  }
  Backend* Open(uint32_t database) {
    pool_.Open(Of(database), [](const absl::StatusOr<Backend*>&) {});
    EXPECT_TRUE(Until([&] { return pool_.Shared(Of(database)) != nullptr; }));
    const size_t accepted = ++opened_;
    EXPECT_TRUE(Until([&] { return engine_.size() == accepted; }));
    return pool_.Shared(Of(database));
  }

  asio::io_context io_;
  FakeEngine engine_{&io_};
  BackendPool pool_{&io_, engine_.address(), this};
  uint64_t batches_ = 0;
  size_t opened_ = 0;
  int broken_ = 0;
  int unanswered_ = 0;
};

// The failover drill lost an agent with its engine by this.
TEST_F(BackendPoolTest, ThoseThatBreakWhileAllAreFlushedHoldUpNobody) {
  for (uint32_t database = 0; database < 4; ++database) {
    Open(database)->Send(kEcho, this, 1);
  }
  engine_.Break(0);
  engine_.Break(2);
  pool_.Flush();
  EXPECT_EQ(broken_, 2);
  EXPECT_EQ(unanswered_, 2);
  EXPECT_EQ(pool_.size(), 2u);
  EXPECT_TRUE(Until([&] {
    return engine_.received(1).ends_with(kEcho) && engine_.received(3).ends_with(kEcho);
  }));
}

TEST_F(BackendPoolTest, AllAreClosed) {
  for (uint32_t database = 0; database < 4; ++database) {
    Open(database)->Send(kEcho, this, 1);
  }
  pool_.Clear();
  EXPECT_EQ(broken_, 4);
  EXPECT_EQ(unanswered_, 4);
  EXPECT_EQ(pool_.size(), 0u);
}

// It is asked for while it is there, and freed before the answer.
TEST_F(BackendPoolTest, OneThatBreaksBeforeItIsHandedOutIsNot) {
  Backend* const other = Open(0);
  Backend* const asked = Open(1);
  absl::Status told;
  bool called = false;
  other->Close();  // What is retired in this turn is freed at once.
  pool_.Open(Of(1), [&](const absl::StatusOr<Backend*>& backend) {
    called = true;
    told = backend.status();
  });
  asked->Close();
  EXPECT_TRUE(Until([&] { return called; }));
  EXPECT_TRUE(absl::IsUnavailable(told)) << told;
}

TEST_F(BackendPoolTest, IdleOnesThatBreakAreForgotten) {
  Backend* own = nullptr;
  pool_.TakeOwn(Of(0), [&](const absl::StatusOr<Backend*>& backend) { own = backend.value(); });
  ASSERT_TRUE(Until([&] { return own != nullptr; }));
  EXPECT_EQ(own->engine_id(), 5);
  pool_.GiveBack(Of(0), own, /*clean=*/true);
  EXPECT_EQ(pool_.size(), 1u);
  engine_.Break(0);
  EXPECT_TRUE(Until([&] { return pool_.size() == 0; }));
}

// Its end has been read with the greeting, and would not be noticed a second time.
TEST_F(BackendPoolTest, OneThatEndsWhileItIsGreetedIsNotHandedOut) {
  engine_.EndThoseWhoAsk();
  absl::StatusOr<Backend*> taken = nullptr;
  bool called = false;
  pool_.TakeOwn(Of(0), [&](absl::StatusOr<Backend*> backend) {
    called = true;
    taken = std::move(backend);
  });
  ASSERT_TRUE(Until([&] { return called; }));
  EXPECT_TRUE(absl::IsUnavailable(taken.status())) << taken.status();
  EXPECT_EQ(pool_.size(), 0u);
}

}  // namespace
}  // namespace cairn::adapter::redis
