// EngineConnection with a peer that the test plays.
#include "adapter/memcache/engine_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/write.hpp>
#include <optional>

#include "base/check.h"
#include "base/random.h"
#include "tests/support/temp_dir.h"

namespace cairn::adapter::memcache {
namespace {

using Socket = asio::local::stream_protocol::socket;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::chrono::seconds kPatience{20};

// Writes down what it hears: "tag=reply" when it is whole, "tag broken".
class Recorder : public ReplyReceiver {
 public:
  void OnReply(uint64_t tag, const ReplyPiece& piece) override {
    reply_.append(piece.bytes);
    if (!piece.ends) return;
    heard.push_back(std::to_string(tag) + "=" + std::exchange(reply_, ""));
    if (then) then();
  }
  void OnBroken(uint64_t tag) override {
    heard.push_back(std::to_string(tag) + " broken");
    if (then) then();
  }
  void OnUnsent(uint64_t tag) override { heard.push_back(std::to_string(tag) + " unsent"); }

  std::vector<std::string> heard;
  std::function<void()> then;  // Within each call that ends a reply.

 private:
  std::string reply_;
};

class EngineConnectionTest : public ::testing::Test {
 protected:
  EngineConnectionTest()
      : acceptor_(io_, asio::local::stream_protocol::endpoint(directory_.File("s"))), peer_(io_) {
    address_.unix_path = directory_.File("s");
  }

  template <class Condition>
  void RunUntil(Condition done) {
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), give_up);
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(10));
    }
  }

  // What is ready to happen happens.
  void Settle() {
    io_.restart();
    io_.poll();
  }

  std::unique_ptr<EngineConnection> Connect() {
    auto connection = std::make_unique<EngineConnection>(io_.get_executor());
    std::optional<absl::Status> connected;
    Spawn(io_.get_executor(), Join(connection.get(), &connected));
    RunUntil([&] { return connected.has_value(); });
    CHECK(connected->ok());
    acceptor_.accept(peer_);
    return connection;
  }

  asio::awaitable<void> Join(EngineConnection* connection, std::optional<absl::Status>* status) {
    auto on_end = [this](const absl::Status& why) { ends_.push_back(why); };
    *status = co_await connection->Connect(address_, Millis(5'000), std::move(on_end));
  }

  static asio::awaitable<void> Ask(EngineConnection* connection, Millis timeout,
                                   std::function<bool()> wait_on,
                                   std::optional<absl::StatusOr<std::string>>* answer) {
    *answer =
        co_await connection->Call("version\r\n", ReplyKind::kLine, timeout, std::move(wait_on));
  }
  void SpawnCall(EngineConnection* connection, Millis timeout = Millis(20'000),
                 std::function<bool()> wait_on = nullptr) {
    Spawn(io_.get_executor(), Ask(connection, timeout, std::move(wait_on), &answer_));
    Settle();
  }

  void Say(std::string_view bytes) { asio::write(peer_, asio::buffer(bytes)); }
  // All that has come so far.
  std::string Heard() {
    std::string heard;
    peer_.non_blocking(true);
    std::error_code error;
    while (true) {
      char room[64 << 10];
      const size_t bytes = peer_.read_some(asio::buffer(room), error);
      if (error) return heard;
      heard.append(room, bytes);
    }
  }

  testing::TempDir directory_;
  asio::io_context io_{1};
  EngineAddress address_;
  asio::local::stream_protocol::acceptor acceptor_;
  Socket peer_;
  Recorder recorder_;
  std::vector<absl::Status> ends_;
  std::optional<absl::StatusOr<std::string>> answer_;
};

TEST_F(EngineConnectionTest, WhatNeverLeftWasCertainlyNotDone) {
  const auto connection = Connect();
  connection->Send("delete a\r\n", ReplyKind::kLine, &recorder_, 1);
  connection->Flush();
  connection->Send("delete b\r\n", ReplyKind::kLine, &recorder_, 2);
  connection->Send("delete c\r\n", ReplyKind::kLine, &recorder_, 3);
  peer_.close();
  RunUntil([&] { return !connection->connected(); });
  EXPECT_THAT(recorder_.heard, ElementsAre("1 broken", "2 unsent", "3 unsent"));
}

TEST_F(EngineConnectionTest, WhatIsGatheredLeavesWithTheFlush) {
  const auto connection = Connect();
  connection->Send("get a\r\n", ReplyKind::kValues, &recorder_, 1);
  connection->out()->append("mn\r\n");
  connection->Expect(ReplyKind::kMetaGroup, &recorder_, 2);
  Settle();
  EXPECT_EQ(Heard(), "");
  EXPECT_EQ(connection->bytes(), 11u);
  EXPECT_EQ(connection->due(), 2u);
  connection->Flush();
  EXPECT_EQ(Heard(), "get a\r\nmn\r\n");
  EXPECT_EQ(connection->bytes(), 0u);
  Say("END\r\nMN\r\n");
  RunUntil([&] { return connection->due() == 0; });
  EXPECT_THAT(recorder_.heard, ElementsAre("1=END\r\n", "2=MN\r\n"));
}

TEST_F(EngineConnectionTest, RepliesReachTheirReceiversHoweverTheyAreCut) {
  const auto connection = Connect();
  Random random(1);
  const std::string value(3'000, 'v');
  std::string all;
  std::vector<std::string> want;
  for (uint64_t tag = 1; tag <= 60; ++tag) {
    const std::string replies[] = {"STORED\r\n",
                                   "VALUE k 0 3000\r\n" + value + "\r\nVALUE l 1 0\r\n\r\nEND\r\n",
                                   "VA 3000 c1\r\n" + value + "\r\n"};
    const ReplyKind kinds[] = {ReplyKind::kLine, ReplyKind::kValues, ReplyKind::kMeta};
    const uint64_t which = random.Below(3);
    connection->Send("x\r\n", kinds[which], &recorder_, tag);
    all += replies[which];
    want.push_back(std::to_string(tag) + "=" + replies[which]);
  }
  connection->Flush();
  while (!all.empty()) {
    const size_t bytes = std::min<size_t>(all.size(), random.Between(1, 700));
    Say(all.substr(0, bytes));
    all.erase(0, bytes);
    Settle();
  }
  RunUntil([&] { return connection->due() == 0; });
  EXPECT_EQ(recorder_.heard, want);
}

TEST_F(EngineConnectionTest, MoreThanThePeerTakesAtOnceArrivesInOrder) {
  const auto connection = Connect();
  std::string sent;
  for (char letter = 'a'; letter <= 'h'; ++letter) {
    const std::string command(size_t{1} << 20, letter);
    connection->Send(command, ReplyKind::kLine, &recorder_, 1);
    connection->Flush();
    sent += command;
  }
  EXPECT_GT(connection->bytes(), 0u) << "the peer reads nothing yet";
  std::string heard;
  RunUntil([&] {
    heard += Heard();
    return heard.size() >= sent.size();
  });
  EXPECT_TRUE(heard == sent);
  RunUntil([&] { return connection->bytes() == 0; });
}

// ---- Ends ---------------------------------------------------------------------------------------

TEST_F(EngineConnectionTest, APeerThatGoesBreaksAllThatIsDueAndTheOwnerHearsOnce) {
  const auto connection = Connect();
  for (uint64_t tag = 1; tag <= 3; ++tag) {
    connection->Send("get a\r\n", ReplyKind::kValues, &recorder_, tag);
  }
  connection->Flush();
  Say("END\r\nVALUE a 0 4\r\nha");
  peer_.close();
  RunUntil([&] { return !connection->connected(); });
  EXPECT_THAT(recorder_.heard, ElementsAre("1=END\r\n", "2 broken", "3 broken"));
  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_TRUE(absl::IsUnavailable(ends_[0])) << ends_[0];
  EXPECT_EQ(connection->due(), 0u);
  connection->Close();
  EXPECT_EQ(ends_.size(), 1u);
}

TEST_F(EngineConnectionTest, WhatNobodyAskedForEndsIt) {
  const auto connection = Connect();
  connection->Send("version\r\n", ReplyKind::kLine, &recorder_, 1);
  connection->Flush();
  Say("VERSION 1\r\nSTORED\r\n");
  RunUntil([&] { return !connection->connected(); });
  EXPECT_THAT(recorder_.heard, ElementsAre("1=VERSION 1\r\n"));
  EXPECT_EQ(ends_.size(), 1u);
}

TEST_F(EngineConnectionTest, WhatIsNoReplyEndsIt) {
  const auto connection = Connect();
  connection->Send("get a\r\n", ReplyKind::kValues, &recorder_, 1);
  connection->Send("get b\r\n", ReplyKind::kValues, &recorder_, 2);
  connection->Flush();
  Say("VALUE a 0 many\r\n");
  RunUntil([&] { return !connection->connected(); });
  EXPECT_THAT(recorder_.heard, ElementsAre("1 broken", "2 broken"));
  EXPECT_EQ(ends_.size(), 1u);
}

TEST_F(EngineConnectionTest, NobodyIsToldOfAClose) {
  const auto connection = Connect();
  connection->Send("get a\r\n", ReplyKind::kValues, &recorder_, 1);
  connection->Flush();
  SpawnCall(connection.get());
  connection->Close();
  RunUntil([&] { return answer_.has_value(); });
  EXPECT_TRUE(absl::IsCancelled(answer_->status())) << answer_->status();
  EXPECT_THAT(recorder_.heard, IsEmpty());
  EXPECT_THAT(ends_, IsEmpty());
}

TEST_F(EngineConnectionTest, ABreakIsToldToReceiversOnly) {
  const auto connection = Connect();
  connection->Send("get a\r\n", ReplyKind::kValues, &recorder_, 1);
  SpawnCall(connection.get());
  connection->Break();
  RunUntil([&] { return answer_.has_value(); });
  EXPECT_TRUE(absl::IsUnavailable(answer_->status())) << answer_->status();
  EXPECT_THAT(recorder_.heard, ElementsAre("1 broken"));
  EXPECT_THAT(ends_, IsEmpty());
}

TEST_F(EngineConnectionTest, AReceiverMayCloseItWithinItsReply) {
  auto connection = Connect();
  recorder_.then = [&] { connection.reset(); };
  connection->Send("version\r\n", ReplyKind::kLine, &recorder_, 1);
  connection->Send("version\r\n", ReplyKind::kLine, &recorder_, 2);
  connection->Flush();
  Say("VERSION 1\r\nVERSION 1\r\n");
  RunUntil([&] { return connection == nullptr; });
  Settle();
  EXPECT_THAT(recorder_.heard, ElementsAre("1=VERSION 1\r\n"));
  EXPECT_THAT(ends_, IsEmpty());
}

TEST_F(EngineConnectionTest, AReceiverMayCloseItWhenItBreaksAndThenNobodyElseIsTold) {
  auto connection = Connect();
  recorder_.then = [&] { connection->Close(); };
  connection->Send("version\r\n", ReplyKind::kLine, &recorder_, 1);
  connection->Send("version\r\n", ReplyKind::kLine, &recorder_, 2);
  connection->Flush();
  peer_.close();
  RunUntil([&] { return !connection->connected(); });
  Settle();
  EXPECT_THAT(recorder_.heard, ElementsAre("1 broken"));
  EXPECT_THAT(ends_, IsEmpty());
}

// At whatever step the connecting coroutine is, the connection may go.
TEST_F(EngineConnectionTest, ItMayBeDestroyedWhileItConnects) {
  constexpr int kSteps = 8;
  int cancelled = 0;
  for (int step = 0; step < kSteps; ++step) {
    auto connection = std::make_unique<EngineConnection>(io_.get_executor());
    EngineConnection* const raw = connection.get();
    std::optional<absl::Status> connected;
    auto begin = [&]() -> asio::awaitable<void> { co_await Join(raw, &connected); };
    asio::awaitable<void> joining = begin();
    bool begun = false;
    asio::post(io_, [&] { begun = true; });
    Spawn(io_.get_executor(), std::move(joining));
    RunUntil([&] { return begun; });
    // The coroutine begins with the next handler that runs.
    io_.restart();
    for (int i = 0; i <= step; ++i) io_.poll_one();
    const bool done = connected.has_value();
    connection.reset();
    RunUntil([&] { return connected.has_value(); });
    EXPECT_EQ(connected->code(), done ? absl::StatusCode::kOk : absl::StatusCode::kCancelled);
    EXPECT_THAT(ends_, IsEmpty());
    if (!done) ++cancelled;
  }
  EXPECT_GT(cancelled, 0);
}

// ---- Calls --------------------------------------------------------------------------------------

TEST_F(EngineConnectionTest, ACallIsAnsweredAmongOthers) {
  const auto connection = Connect();
  connection->Send("get a\r\n", ReplyKind::kValues, &recorder_, 1);
  SpawnCall(connection.get());
  EXPECT_EQ(Heard(), "get a\r\nversion\r\n");
  Say("END\r\nVERSION 1\r\n");
  RunUntil([&] { return answer_.has_value(); });
  ASSERT_TRUE(answer_->ok()) << answer_->status();
  EXPECT_EQ(**answer_, "VERSION 1\r\n");
  EXPECT_TRUE(connection->connected());
}

TEST_F(EngineConnectionTest, ACallWithoutAnAnswerEndsTheConnection) {
  const auto connection = Connect();
  connection->Send("get a\r\n", ReplyKind::kValues, &recorder_, 1);
  SpawnCall(connection.get(), Millis(20));
  RunUntil([&] { return answer_.has_value(); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(answer_->status())) << answer_->status();
  EXPECT_FALSE(connection->connected());
  EXPECT_THAT(recorder_.heard, ElementsAre("1 broken"));
  EXPECT_EQ(ends_.size(), 1u);
}

TEST_F(EngineConnectionTest, ACallWaitsOnForAPeerThatIsBusy) {
  const auto connection = Connect();
  int asked = 0;
  SpawnCall(connection.get(), Millis(10), [&] { return ++asked > 0; });
  RunUntil([&] { return asked >= 3; });
  EXPECT_FALSE(answer_.has_value());
  Say("VERSION 1\r\n");
  RunUntil([&] { return answer_.has_value(); });
  EXPECT_TRUE(answer_->ok()) << answer_->status();
}

TEST_F(EngineConnectionTest, ACallWithoutAConnectionFailsAtOnce) {
  EngineConnection connection(io_.get_executor());
  EXPECT_FALSE(connection.connected());
  EXPECT_EQ(connection.due(), 0u);
  SpawnCall(&connection);
  RunUntil([&] { return answer_.has_value(); });
  EXPECT_TRUE(absl::IsUnavailable(answer_->status())) << answer_->status();
}

}  // namespace
}  // namespace cairn::adapter::memcache
