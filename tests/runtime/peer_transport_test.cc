// Two ends in one process: a PeerTransport, and a thread that plays the peer.

#include "server/runtime/peer_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/socket_stream.h"
#include "server/runtime/peer_frames.h"
#include "server/runtime/sockets.h"
#include "server/runtime/wire_codec.h"

namespace cairn::server {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

MonoMicros Deadline() { return SystemClock().Mono() + absl::ToInt64Microseconds(kPatience); }

// A peer that notes what it is sent. Takes one connection after the other.
class FakePeer {
 public:
  explicit FakePeer(std::string refusal = "") : refusal_(std::move(refusal)) {}
  ~FakePeer() { Stop(); }

  // On a port of the kernel's choice, or on `port`.
  void Listen(int port = 0) {
    auto listening = ListenTcp("127.0.0.1:" + std::to_string(port));
    ASSERT_TRUE(listening.ok()) << listening.status();
    listening_ = *std::move(listening);
    thread_ = std::thread([this] { Run(); });
  }
  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      paused_ = false;
      stopping_ = true;
      if (connection_ >= 0) shutdown(connection_, SHUT_RDWR);
    }
    wake_.Signal();
    if (thread_.joinable()) thread_.join();
    listening_.sockets.clear();
  }
  [[nodiscard]] int port() const { return listening_.port; }
  // Ends the connection, as a process does that dies; the next one is taken at once.
  void Cut() {
    absl::MutexLock lock(&mutex_);
    if (connection_ >= 0) shutdown(connection_, SHUT_RDWR);
  }
  // How long it thinks before it answers a hello. Before Listen.
  void AnswerAfter(absl::Duration delay) { answer_after_ = delay; }
  // Stops reading, so that the sender's pipe fills up; and goes on.
  void Pause(bool paused) {
    absl::MutexLock lock(&mutex_);
    paused_ = paused;
  }

  bool WaitFor(size_t messages) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&] { return received_.size() >= messages; };
    return mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
  }
  bool WaitForHellos(size_t hellos) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&] { return hellos_.size() >= hellos; };
    return mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
  }
  size_t hellos() {
    absl::MutexLock lock(&mutex_);
    return hellos_.size();
  }
  std::vector<OutMessage> received() {
    absl::MutexLock lock(&mutex_);
    return received_;
  }
  std::vector<int> batches() {
    absl::MutexLock lock(&mutex_);
    return batches_;
  }
  cairn::v1::PeerHello hello() {
    absl::MutexLock lock(&mutex_);
    return hellos_.back();
  }

 private:
  void Run() {
    while (true) {
      pollfd polled[] = {{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                         {.fd = listening_.sockets.front().get(), .events = POLLIN, .revents = 0}};
      poll(polled, std::size(polled), -1);
      if (polled[0].revents != 0) return;
      SocketStream connection{Fd(accept4(polled[1].fd, nullptr, nullptr, SOCK_NONBLOCK))};
      {
        absl::MutexLock lock(&mutex_);
        if (stopping_) return;
        connection_ = connection.socket();
      }
      Serve(connection);
      absl::MutexLock lock(&mutex_);
      connection_ = -1;
    }
  }

  void Serve(SocketStream& stream) {
    char magic[kPeerMagic.size()];
    if (!stream.ReceiveAll(magic, Deadline())) return;
    EXPECT_EQ(std::string_view(magic, sizeof magic), kPeerMagic);
    FrameReader reader;
    bool greeted = false;
    while (true) {
      size_t got = 0;
      const Progress progress = stream.Receive({reader.space(), reader.space_bytes()}, &got);
      if (progress == Progress::kBroken) return;
      if (progress != Progress::kDone) AwaitSocket(stream.socket(), false, /*timeout_ms=*/-1);
      reader.Filled(got);
      while (const auto frame = reader.Next()) {
        cairn::v1::ExchangeRequest request;
        ASSERT_TRUE(request.ParseFromArray(frame->data(), static_cast<int>(frame->size())));
        EXPECT_EQ(request.has_hello(), !std::exchange(greeted, true));
        if (request.has_hello() && !Answer(stream, request.hello())) return;
        Note(request);
      }
      ASSERT_FALSE(reader.broken());
      reader.Prepare();
    }
  }

  bool Answer(SocketStream& stream, const cairn::v1::PeerHello& hello) {
    {
      absl::MutexLock lock(&mutex_);
      hellos_.push_back(hello);  // First, since the answer brings the link up.
    }
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&stopping_), answer_after_);
    }
    cairn::v1::ExchangeResponse response;
    response.set_refusal(refusal_);
    std::string bytes;
    AppendFrame(response, bytes);
    return stream.SendAll(bytes, Deadline()) && refusal_.empty();
  }

  void Note(cairn::v1::ExchangeRequest& request) {
    absl::MutexLock lock(&mutex_);
    if (request.messages_size() > 0) batches_.push_back(request.messages_size());
    for (cairn::v1::WireMessage& wire : *request.mutable_messages()) {
      auto message = DecodeMessage(std::move(wire));
      if (message.ok()) received_.push_back(*std::move(message));
    }
    mutex_.Await(absl::Condition(
        +[](bool* paused) { return !*paused; }, &paused_));
  }

  const std::string refusal_;
  absl::Duration answer_after_;
  Listening listening_;
  WakeFd wake_;
  absl::Mutex mutex_;
  std::vector<OutMessage> received_ ABSL_GUARDED_BY(mutex_);
  std::vector<int> batches_ ABSL_GUARDED_BY(mutex_);
  std::vector<cairn::v1::PeerHello> hellos_ ABSL_GUARDED_BY(mutex_);
  int connection_ ABSL_GUARDED_BY(mutex_) = -1;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// Notes what is said of links.
class Listener : public LinkListener {
 public:
  using State = LinkChange::State;
  void OnLink(LinkChange change) override {
    absl::MutexLock lock(&mutex_);
    states_.push_back(change.state);
  }
  void OnRemoved(const std::string&) override {}
  bool WaitForLast(State state) {
    absl::MutexLock lock(&mutex_);
    const auto is_last = [&] { return !states_.empty() && states_.back() == state; };
    return mutex_.AwaitWithTimeout(absl::Condition(&is_last), kPatience);
  }
  bool WaitForUps(size_t ups) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&] {
      return static_cast<size_t>(std::count(states_.begin(), states_.end(), State::kUp)) >= ups;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
  }
  std::vector<State> states() {
    absl::MutexLock lock(&mutex_);
    return states_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<State> states_ ABSL_GUARDED_BY(mutex_);
};

OutMessage MakeHeartbeat(uint64_t group, uint64_t context) {
  return {.group = GroupId(group),
          .message = {.from = NodeId(1),
                      .to = NodeId(2),
                      .term = Term(3),
                      .body = consensus::Heartbeat{Index(4), context}}};
}

OutMessage MakeAppend(uint64_t index, size_t bytes) {
  consensus::AppendRequest append{.prev = {Term(1), Index(index - 1)}, .last = Index(index)};
  append.entries = {{Index(index), Term(1), consensus::EntryKind::kData,
                     Bytes(std::string(bytes, static_cast<char>('a' + index % 26)))}};
  return {.group = GroupId(1),
          .message = {.from = NodeId(1), .to = NodeId(2), .term = Term(1), .body = append}};
}

// Nobody listens there, or did a moment ago.
int UnusedPort() {
  auto listening = ListenTcp("127.0.0.1:0");
  return listening.ok() ? listening->port : 0;
}

class PeerTransportTest : public ::testing::Test {
 protected:
  void Open(int port, uint64_t queue_bytes = 64ull << 20) {
    PeerLinkOptions options;
    options.hello.set_cluster_id("c");
    options.hello.set_from_node_id(1);
    options.hello.set_from_incarnation(11);
    options.hello.set_protocol(1);
    options.queue_bytes = queue_bytes;
    transport_ = std::make_unique<PeerTransport>(options, &listener_, &metrics_);
    transport_->SetPeers({{NodeId(2), "n2", "127.0.0.1:" + std::to_string(port)}});
  }
  void TearDown() override {
    if (transport_ != nullptr) transport_->Stop();
  }

  using State = LinkChange::State;
  Listener listener_;
  Metrics metrics_;
  std::unique_ptr<PeerTransport> transport_;
};

TEST_F(PeerTransportTest, SaysHelloThenCarriesMessagesOfAllGroupsInOrder) {
  FakePeer peer;
  peer.Listen();
  Open(peer.port());
  ASSERT_TRUE(listener_.WaitForLast(State::kUp));
  EXPECT_EQ(transport_->connected(), 1u);
  EXPECT_EQ(peer.hello().cluster_id(), "c");
  EXPECT_EQ(peer.hello().from_node_id(), 1u);
  EXPECT_EQ(peer.hello().from_incarnation(), 11u);
  EXPECT_EQ(peer.hello().to_node_id(), 2u);

  std::vector<OutMessage> sent;
  for (uint64_t i = 0; i < 1000; ++i) {
    std::vector<OutMessage> turn = {MakeHeartbeat(i % 7, 2 * i), MakeHeartbeat(i % 5, 2 * i + 1)};
    sent.insert(sent.end(), turn.begin(), turn.end());
    transport_->Send(std::move(turn));
  }
  ASSERT_TRUE(peer.WaitFor(sent.size()));
  const std::vector<OutMessage> received = peer.received();
  ASSERT_EQ(received.size(), sent.size());
  for (size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(received[i].group, sent[i].group);
    EXPECT_EQ(received[i].message, sent[i].message);
  }
  EXPECT_LT(peer.batches().size(), sent.size()) << "messages of a turn share requests";
}

TEST_F(PeerTransportTest, LargeMessagesTravelAloneAndWhole) {
  FakePeer peer;
  peer.Listen();
  Open(peer.port());
  ASSERT_TRUE(listener_.WaitForLast(State::kUp));
  transport_->Send({MakeAppend(1, 9 << 20), MakeAppend(2, 3 << 20), MakeAppend(3, 3 << 20)});
  ASSERT_TRUE(peer.WaitFor(3));
  EXPECT_EQ(peer.received()[0].message, MakeAppend(1, 9 << 20).message);
  EXPECT_THAT(peer.batches(), ::testing::ElementsAre(1, 1, 1)) << "4 MiB a request, or one message";
}

TEST_F(PeerTransportTest, NobodyListensMeansGone) {
  Open(UnusedPort());
  ASSERT_TRUE(listener_.WaitForLast(State::kGone));
  transport_->Send({MakeHeartbeat(1, 1)});
  EXPECT_EQ(metrics_.peer_dropped_link_total.Value(), 1);
}

TEST_F(PeerTransportTest, ADeadProcessIsGoneAndComesBack) {
  auto peer = std::make_unique<FakePeer>();
  peer->Listen();
  const int port = peer->port();
  Open(port);
  ASSERT_TRUE(listener_.WaitForLast(State::kUp));
  peer.reset();
  ASSERT_TRUE(listener_.WaitForLast(State::kGone));
  EXPECT_THAT(listener_.states(), ::testing::ElementsAre(State::kUp, State::kDown, State::kGone));
  EXPECT_EQ(transport_->connected(), 0u);

  peer = std::make_unique<FakePeer>();
  peer->Listen(port);
  ASSERT_TRUE(listener_.WaitForLast(State::kUp));
  transport_->Send({MakeHeartbeat(1, 99)});
  ASSERT_TRUE(peer->WaitFor(1));
  EXPECT_EQ(peer->received()[0].message, MakeHeartbeat(1, 99).message);
}

// Whoever was sending when the connection broke has woken the link's thread, which may not take
// that for an order to stop while it waits for the answer of the next one.
TEST_F(PeerTransportTest, AConnectionThatBreaksUnderLoadIsMadeAnewAtTheFirstTry) {
  constexpr size_t kCuts = 30;
  FakePeer peer;
  peer.AnswerAfter(absl::Milliseconds(5));
  peer.Listen();
  Open(peer.port());
  std::atomic<bool> done{false};
  std::thread sender([&] {
    while (!done) transport_->Send({MakeHeartbeat(1, 1)});
  });
  for (size_t connections = 1; connections <= kCuts; ++connections) {
    EXPECT_TRUE(listener_.WaitForUps(connections));
    EXPECT_EQ(peer.hellos(), connections);
    peer.Cut();
  }
  done = true;
  sender.join();
}

TEST_F(PeerTransportTest, ARefusalIsNotALink) {
  FakePeer peer("unknown incarnation");
  peer.Listen();
  Open(peer.port());
  ASSERT_TRUE(peer.WaitForHellos(2)) << "it tries again";
  transport_->Stop();
  EXPECT_THAT(listener_.states(), ::testing::Not(::testing::Contains(State::kUp)));
  transport_.reset();
}

TEST_F(PeerTransportTest, AFullQueueDropsAndTellsTheCores) {
  FakePeer peer;
  peer.Listen();
  Open(peer.port(), /*queue_bytes=*/1 << 20);
  ASSERT_TRUE(listener_.WaitForLast(State::kUp));
  peer.Pause(true);
  // More than the pipe's windows and the queue can take.
  for (uint64_t i = 1; i <= 200; ++i) transport_->Send({MakeAppend(i, 1 << 20)});
  EXPECT_GT(metrics_.peer_dropped_full_total.Value(), 100);
  // Once per overflow, not per message; the windows let a few messages through in between.
  const std::vector<State> states = listener_.states();
  ASSERT_GE(states.size(), 3u);
  EXPECT_LT(static_cast<double>(states.size()), metrics_.peer_dropped_full_total.Value() / 2);
  for (size_t i = 0; i < states.size(); ++i) {
    EXPECT_EQ(states[i], i % 2 == 0 ? State::kUp : State::kDown) << i;
  }
  peer.Pause(false);
  EXPECT_TRUE(peer.WaitFor(1));
}

TEST_F(PeerTransportTest, StrangersAreDropped) {
  Open(UnusedPort());
  OutMessage message = MakeHeartbeat(1, 1);
  message.message.to = NodeId(9);
  transport_->Send({message});
  EXPECT_EQ(metrics_.peer_dropped_link_total.Value(), 1);
}

TEST_F(PeerTransportTest, WhatTheSocketDoesNotTakeFollowsWhenItDoes) {
  FakePeer peer;
  peer.Listen();
  Open(peer.port());
  ASSERT_TRUE(listener_.WaitForLast(State::kUp));
  peer.Pause(true);
  for (uint64_t i = 1; i <= 40; ++i) transport_->Send({MakeAppend(i, 1 << 20)});
  peer.Pause(false);
  ASSERT_TRUE(peer.WaitFor(40));
  for (uint64_t i = 1; i <= 40; ++i) {
    EXPECT_EQ(peer.received()[i - 1].message, MakeAppend(i, 1 << 20).message);
  }
}

TEST_F(PeerTransportTest, ManyThreadsShareALink) {
  FakePeer peer;
  peer.Listen();
  Open(peer.port());
  ASSERT_TRUE(listener_.WaitForLast(State::kUp));
  constexpr uint64_t kThreads = 4;
  constexpr uint64_t kMessages = 500;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < kMessages; ++i) transport_->Send({MakeHeartbeat(t, i)});
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(peer.WaitFor(kThreads * kMessages));
  // Each group's are in order.
  std::vector<uint64_t> next(kThreads, 0);
  for (const OutMessage& message : peer.received()) {
    const auto& heartbeat = std::get<consensus::Heartbeat>(message.message.body);
    EXPECT_EQ(heartbeat.context, next[message.group.value()]++);
  }
}

}  // namespace
}  // namespace cairn::server
