// Two ends in one process: a PeerTransport, and a server that plays the peer's service.

#include "server/runtime/peer_transport.h"

#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "cairn/v1/peer.grpc.pb.h"
#include "server/runtime/tcp_probe.h"
#include "server/runtime/wire_codec.h"

namespace cairn::server {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

// A peer that notes what it is sent.
class FakePeer : public cairn::v1::PeerService::Service {
 public:
  explicit FakePeer(std::string refusal = "") : refusal_(std::move(refusal)) {}
  ~FakePeer() override { Stop(); }

  void Listen(int port) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:" + std::to_string(port),
                             grpc::InsecureServerCredentials());
    AllowPeerStreams(builder);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      paused_ = false;
    }
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  // Stops reading, so that the sender's pipe fills up; and goes on.
  void Pause(bool paused) {
    absl::MutexLock lock(&mutex_);
    paused_ = paused;
  }

  grpc::Status Exchange(grpc::ServerContext*,
                        grpc::ServerReaderWriter<cairn::v1::ExchangeResponse,
                                                 cairn::v1::ExchangeRequest>* stream) override {
    cairn::v1::ExchangeRequest request;
    while (stream->Read(&request)) {
      if (request.has_hello()) {
        SetHello(request.hello());  // First, since the answer brings the link up.
        cairn::v1::ExchangeResponse response;
        response.set_refusal(refusal_);
        stream->Write(response);
      }
      absl::MutexLock lock(&mutex_);
      if (request.messages_size() > 0) batches_.push_back(request.messages_size());
      for (cairn::v1::WireMessage& wire : *request.mutable_messages()) {
        auto message = DecodeMessage(std::move(wire));
        if (message.ok()) received_.push_back(*std::move(message));
      }
      mutex_.Await(absl::Condition(
          +[](bool* paused) { return !*paused; }, &paused_));
    }
    return grpc::Status::OK;
  }

  bool WaitFor(size_t messages) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&] { return received_.size() >= messages; };
    return mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
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
    return hello_;
  }

 private:
  void SetHello(const cairn::v1::PeerHello& hello) {
    absl::MutexLock lock(&mutex_);
    hello_ = hello;
  }

  const std::string refusal_;
  std::unique_ptr<grpc::Server> server_;
  absl::Mutex mutex_;
  std::vector<OutMessage> received_ ABSL_GUARDED_BY(mutex_);
  std::vector<int> batches_ ABSL_GUARDED_BY(mutex_);
  cairn::v1::PeerHello hello_ ABSL_GUARDED_BY(mutex_);
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
};

// Notes what is said of links.
class Listener : public LinkListener {
 public:
  using State = LinkChange::State;
  void OnLink(LinkChange change) override {
    absl::MutexLock lock(&mutex_);
    states_.push_back(change.state);
  }
  bool WaitForLast(State state) {
    absl::MutexLock lock(&mutex_);
    const auto is_last = [&] { return !states_.empty() && states_.back() == state; };
    return mutex_.AwaitWithTimeout(absl::Condition(&is_last), kPatience);
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

class PeerTransportTest : public ::testing::Test {
 protected:
  void Open(int port, uint64_t queue_bytes = 64ull << 20) {
    PeerLinkOptions options;
    options.hello.set_cluster_id("c");
    options.hello.set_from_node_id(1);
    options.hello.set_from_incarnation(11);
    options.hello.set_protocol(1);
    options.queue_bytes = queue_bytes;
    transport_ = std::make_unique<PeerTransport>(options, &SystemClock(), &listener_, &metrics_);
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
  peer.Listen(21011);
  Open(21011);
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
  peer.Listen(21012);
  Open(21012);
  ASSERT_TRUE(listener_.WaitForLast(State::kUp));
  transport_->Send({MakeAppend(1, 9 << 20), MakeAppend(2, 3 << 20), MakeAppend(3, 3 << 20)});
  ASSERT_TRUE(peer.WaitFor(3));
  EXPECT_EQ(peer.received()[0].message, MakeAppend(1, 9 << 20).message);
  EXPECT_THAT(peer.batches(), ::testing::ElementsAre(1, 1, 1)) << "4 MiB a request, or one message";
}

TEST_F(PeerTransportTest, NobodyListensMeansGone) {
  Open(21013);
  ASSERT_TRUE(listener_.WaitForLast(State::kGone));
  transport_->Send({MakeHeartbeat(1, 1)});
  EXPECT_EQ(metrics_.peer_dropped_link_total.Value(), 1);
}

TEST_F(PeerTransportTest, ADeadProcessIsGoneAndComesBack) {
  auto peer = std::make_unique<FakePeer>();
  peer->Listen(21014);
  Open(21014);
  ASSERT_TRUE(listener_.WaitForLast(State::kUp));
  peer.reset();
  ASSERT_TRUE(listener_.WaitForLast(State::kGone));
  EXPECT_THAT(listener_.states(), ::testing::ElementsAre(State::kUp, State::kDown, State::kGone));
  EXPECT_EQ(transport_->connected(), 0u);

  peer = std::make_unique<FakePeer>();
  peer->Listen(21014);
  ASSERT_TRUE(listener_.WaitForLast(State::kUp));
  transport_->Send({MakeHeartbeat(1, 99)});
  ASSERT_TRUE(peer->WaitFor(1));
  EXPECT_EQ(peer->received()[0].message, MakeHeartbeat(1, 99).message);
}

TEST_F(PeerTransportTest, ARefusalIsNotALink) {
  FakePeer peer("unknown incarnation");
  peer.Listen(21015);
  Open(21015);
  // Seen twice at least, so that the link was not merely slow to come up.
  const MonoMicros until = SystemClock().Mono() + 20 * kMicrosPerSecond;
  while (peer.hello().cluster_id().empty() && SystemClock().Mono() < until) {
  }
  EXPECT_EQ(peer.hello().cluster_id(), "c");
  transport_->Stop();
  EXPECT_THAT(listener_.states(), ::testing::Not(::testing::Contains(State::kUp)));
  transport_.reset();
}

TEST_F(PeerTransportTest, AFullQueueDropsAndTellsTheCores) {
  FakePeer peer;
  peer.Listen(21016);
  Open(21016, /*queue_bytes=*/1 << 20);
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
  Open(21017);
  OutMessage message = MakeHeartbeat(1, 1);
  message.message.to = NodeId(9);
  transport_->Send({message});
  EXPECT_EQ(metrics_.peer_dropped_link_total.Value(), 1);
}

TEST(TcpProbeTest, TellsListeningRefusedAndUnreachableApart) {
  FakePeer peer;
  peer.Listen(21018);
  EXPECT_EQ(ProbeTcp("127.0.0.1:21018", 200), ProbeResult::kListening);
  EXPECT_EQ(ProbeTcp("127.0.0.1:21019", 200), ProbeResult::kRefused);
  EXPECT_EQ(ProbeTcp("no-such-host.invalid:1", 200), ProbeResult::kUnreachable);
  EXPECT_EQ(ProbeTcp("nonsense", 200), ProbeResult::kUnreachable);
}

}  // namespace
}  // namespace cairn::server
