// The library's threads: blocking calls, callbacks and destructors against each other, over the
// real executor and a node that answers from another thread. Meant for the thread sanitizer as
// well.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "cairn/lease_keeper.h"
#include "cairn/producer.h"
#include "cairn/tailer.h"
#include "cairn/v1/lease.pb.h"
#include "cairn/v1/log.pb.h"
#include "client/src/thread_executor.h"
#include "tests/client/scripted_stub.h"

namespace cairn::client {
namespace {

// One node that does at once whatever it is asked; it answers on the executor's thread.
class EagerStub : public Stub {
 public:
  explicit EagerStub(Executor& executor) : executor_(executor) {}

  void Call(const std::string&, Method method, const EncodedMessage&, int64_t,
            UnaryDone done) override {
    auto response = NewResponse(method);
    if (auto* grant = dynamic_cast<v1::AcquireResponse*>(response.get())) grant->set_epoch(5);
    if (auto* renewed = dynamic_cast<v1::RenewResponse*>(response.get())) renewed->set_ttl_ms(1000);
    if (auto* registered = dynamic_cast<v1::RegisterProducerResponse*>(response.get())) {
      registered->set_producer_id(3);
    }
    auto box = std::make_shared<std::unique_ptr<google::protobuf::Message>>(std::move(response));
    executor_.Post([done = std::move(done), box] { done(absl::OkStatus(), std::move(*box)); });
  }

  std::unique_ptr<Stream> Open(const std::string&, Method method, StreamHandler handler) override {
    return std::make_unique<EagerStream>(*this, method, std::move(handler));
  }

  void Shutdown() override {}

 private:
  struct Shared {
    StreamHandler handler;
    bool gone = false;
  };

  class EagerStream : public Stream {
   public:
    EagerStream(EagerStub& stub, Method method, StreamHandler handler)
        : stub_(stub), method_(method), shared_(std::make_shared<Shared>()) {
      shared_->handler = std::move(handler);
    }
    ~EagerStream() override { shared_->gone = true; }

    void Write(EncodedMessage message) override {
      if (method_ != Method::kAppendStream) return;
      v1::AppendStreamRequest request;
      CHECK(request.ParseFromString(message.Joined()));
      v1::AppendStreamResponse response;
      response.mutable_appended()->set_first_seq(stub_.last_seq_ + 1);
      stub_.last_seq_ += static_cast<uint64_t>(request.append().records_size());
      response.mutable_appended()->set_last_seq(stub_.last_seq_);
      Send(response);
    }
    void FinishWrites() override {}
    void AddReadCredit(int messages) override {
      if (method_ != Method::kTail) return;
      for (int i = 0; i < messages; ++i) {
        v1::TailResponse response;
        v1::RecordBatch* batch = response.add_batches();
        batch->set_first_seq(++tailed_seq_);
        batch->add_records()->set_payload("p");
        Send(response);
      }
    }

   private:
    template <class Response>
    void Send(const Response& response) {
      stub_.executor_.Post([shared = shared_, response] {
        if (!shared->gone) shared->handler.on_message(std::make_unique<Response>(response));
      });
    }

    EagerStub& stub_;
    const Method method_;
    const std::shared_ptr<Shared> shared_;
    uint64_t tailed_seq_ = 0;
  };

  Executor& executor_;
  uint64_t last_seq_ = 0;  // The executor's thread.
};

std::unique_ptr<Client> EagerClient() {
  ClientOptions options;
  options.endpoints = {"a:1"};
  auto executor = std::make_unique<ThreadExecutor>(SystemClock());
  auto stub = std::make_unique<EagerStub>(*executor);
  return std::make_unique<Client>(std::make_unique<Core>(std::move(options), std::move(stub),
                                                         std::move(executor), SystemClock(), 1));
}

TEST(ThreadExecutorTest, RunsTasksInOrderAndTimersWhenDue) {
  ThreadExecutor executor(SystemClock());
  std::vector<int> ran;  // The executor's thread.
  executor.PostAfter(20'000, [&] { ran.push_back(4); });
  executor.PostAfter(10'000, [&] { ran.push_back(3); });
  executor.Post([&] { ran.push_back(1); });
  executor.RunAndWait([&] { ran.push_back(2); });
  std::vector<int> seen;
  while (seen.size() < 4) executor.RunAndWait([&] { seen = ran; });
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3, 4}));
}

TEST(ThreadExecutorTest, ShutdownDropsWhatWaits) {
  std::atomic<bool> ran{false};
  auto held = std::make_shared<int>(1);
  ThreadExecutor executor(SystemClock());
  executor.PostAfter(3'600'000'000, [held, &ran] { ran = true; });
  executor.Shutdown();
  executor.Post([held, &ran] { ran = true; });
  EXPECT_EQ(held.use_count(), 1) << "a dropped task is still held";
  EXPECT_FALSE(ran);
  executor.Shutdown();
}

TEST(ClientThreadsTest, ManySendersShareAProducer) {
  constexpr int kSenders = 4;
  constexpr int kEach = 20'000;
  const auto client = EagerClient();
  std::atomic<uint64_t> delivered{0};  // Only the client thread adds.
  ProducerOptions options;
  options.max_buffer_bytes = 4000;  // Senders have to wait for each other.
  options.on_delivery = [&](const Delivery& delivery) {
    EXPECT_TRUE(delivery.status.ok());
    EXPECT_EQ(delivery.first_ticket, delivered + 1);
    EXPECT_EQ(delivery.result.first_seq, Seq{delivery.first_ticket});
    delivered = delivery.last_ticket;
  };
  auto producer = Producer::Open(client->LogWithId("orders", LogId{7}), std::move(options));
  ASSERT_TRUE(producer.ok());
  std::vector<std::thread> senders;
  for (int t = 0; t < kSenders; ++t) {
    senders.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) ASSERT_TRUE((*producer)->Send("0123456789").ok());
      ASSERT_TRUE((*producer)->Flush().ok());
    });
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(delivered, uint64_t{kSenders} * kEach);
  EXPECT_EQ((*producer)->pending_bytes(), 0u);
}

TEST(ClientThreadsTest, CloseWakesASenderThatWaits) {
  const auto client = EagerClient();
  ProducerOptions options;
  options.max_buffer_bytes = 16;
  options.linger = absl::Hours(1);  // The first record stays in the buffer.
  auto producer = *Producer::Open(client->LogWithId("orders", LogId{7}), std::move(options));
  ASSERT_TRUE(producer->Send("0123456789").ok());
  std::thread sender([&] {
    EXPECT_EQ(producer->Send("0123456789").status().code(), absl::StatusCode::kCancelled);
  });
  std::thread flusher([&] { EXPECT_EQ(producer->Flush().code(), absl::StatusCode::kCancelled); });
  producer->Close();
  sender.join();
  flusher.join();
}

TEST(ClientThreadsTest, DestructorsRaceWithCallbacks) {
  const auto client = EagerClient();
  const Log log = client->LogWithId("orders", LogId{7});
  for (int i = 0; i < 200; ++i) {
    auto alive = std::make_shared<std::atomic<bool>>(true);
    ProducerOptions produce;
    produce.on_delivery = [alive](const Delivery&) { EXPECT_TRUE(*alive); };
    auto producer = *Producer::Start(log, std::move(produce));
    TailerOptions follow;
    follow.on_event = [alive](const TailEvent&) { EXPECT_TRUE(*alive); };
    auto tailer = *Tailer::Open(log, std::move(follow));
    LeaseOptions hold;
    hold.holder = "me";
    hold.on_granted = [alive](const absl::Status&) { EXPECT_TRUE(*alive); };
    hold.on_lost = [alive](const absl::Status&) { EXPECT_TRUE(*alive); };
    auto keeper = *LeaseKeeper::Start(log, std::move(hold));
    for (int n = 0; n < i; ++n) (void)producer->TrySend("payload");
    producer.reset();
    tailer.reset();
    keeper.reset();
    *alive = false;  // From here on no callback may run.
  }
}

TEST(ClientThreadsTest, ALeaseIsReleasedAndLookedAtFromManyThreads) {
  const auto client = EagerClient();
  LeaseOptions options;
  options.holder = "me";
  options.ttl = absl::Seconds(1);
  auto keeper = *LeaseKeeper::Acquire(client->LogWithId("orders", LogId{7}), std::move(options));
  EXPECT_EQ(keeper->epoch(), Epoch{5});
  EXPECT_TRUE(keeper->IsSafe());
  std::atomic<bool> released{false};
  std::thread looker([&] {
    while (!keeper->WaitLost(absl::ZeroDuration())) {
      const bool was_released = released;
      EXPECT_FALSE(was_released && keeper->IsSafe());
      (void)keeper->SafeFor();
    }
  });
  std::thread second([&] { (void)keeper->Release(); });
  const absl::Status first = keeper->Release();
  released = true;
  second.join();
  looker.join();
  EXPECT_FALSE(keeper->IsSafe());
  // One of the two was first; the other was told that it came too late, or that all is done.
  EXPECT_TRUE(first.ok() || absl::IsFailedPrecondition(first)) << first;
}

TEST(ClientThreadsTest, ATailIsReadWhileItRuns) {
  const auto client = EagerClient();
  TailerOptions options;
  options.start = TailStart::AtSeq(Seq{1});
  options.max_buffer_bytes = 10'000;
  auto tailer = *Tailer::Open(client->LogWithId("orders", LogId{7}), std::move(options));
  std::atomic<bool> done{false};
  std::thread looker([&] {
    while (!done) {
      (void)tailer->next_seq();
      (void)tailer->Disconnected();
    }
  });
  uint64_t next = 1;
  while (next <= 50'000) {
    const auto event = tailer->Next();
    ASSERT_TRUE(event.ok());
    for (const RecordBatch& batch : event->batches) {
      ASSERT_EQ(batch.first_seq, Seq{next});
      next += batch.records.size();
    }
  }
  done = true;
  looker.join();
}

}  // namespace
}  // namespace cairn::client
