// A producer against a log whose nodes do everything that the protocol allows: leaders change,
// streams break before or after an append took effect, answers get lost, nodes fall silent or are
// overloaded. Whatever the seed, each record stands in the log exactly once, in the order of
// sending, and every acknowledgement names its true place.

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "cairn/producer.h"
#include "cairn/v1/log.pb.h"
#include "tests/client/scripted_stub.h"

namespace cairn::client {
namespace {

// One log on three nodes, as its clients see it: what was accepted is never lost.
class WildLog : public Stub {
 public:
  WildLog(uint64_t seed, VirtualTime& time) : random_(seed), time_(time) {}

  void Call(const std::string& endpoint, Method method, const EncodedMessage&, int64_t,
            UnaryDone done) override {
    CHECK(method == Method::kRegisterProducer);
    const bool leads = endpoint == leader_;
    time_.PostAfter(random_.Between(0, 2000), [leads, done = std::move(done)] {
      if (!leads) return done(NotLeader(), nullptr);
      auto response = std::make_unique<v1::RegisterProducerResponse>();
      response->set_producer_id(9);
      done(absl::OkStatus(), std::move(response));
    });
  }

  std::unique_ptr<Stream> Open(const std::string& endpoint, Method,
                               StreamHandler handler) override {
    auto state = std::make_shared<StreamState>();
    state->endpoint = endpoint;
    state->handler = std::move(handler);
    return std::make_unique<Handle>(*this, std::move(state));
  }

  void Shutdown() override {}

  // From here on nothing goes wrong any more.
  void Calm() { calm_ = true; }
  [[nodiscard]] const std::vector<std::string>& records() const { return records_; }
  [[nodiscard]] uint64_t repeated() const { return repeated_; }

 private:
  struct StreamState {
    std::string endpoint;
    StreamHandler handler;
    bool broken = false;  // Nothing more is taken or told, but perhaps the end.
    bool gone = false;    // The client gave it up.
    MonoMicros last_event_us = 0;
  };
  using StatePtr = std::shared_ptr<StreamState>;

  class Handle : public Stream {
   public:
    Handle(WildLog& log, StatePtr state) : log_(log), state_(std::move(state)) {}
    ~Handle() override { state_->gone = true; }
    void Write(EncodedMessage message) override {
      // On its way for a while; requests of one stream stay in order.
      log_.Later(state_, [this_log = &log_, state = state_, bytes = message.Joined()] {
        v1::AppendStreamRequest request;
        CHECK(request.ParseFromString(bytes));
        this_log->OnRequest(state, request.append());
      });
    }
    void FinishWrites() override {}
    void AddReadCredit(int) override {}

   private:
    WildLog& log_;
    const StatePtr state_;
  };

  // Runs `event` of the stream behind its earlier ones.
  void Later(const StatePtr& state, std::function<void()> event) {
    const MonoMicros at_us =
        std::max(time_.Mono() + random_.Between(0, 3000), state->last_event_us + 1);
    state->last_event_us = at_us;
    time_.PostAfter(at_us - time_.Mono(), std::move(event));
  }

  bool Happens(double chance) { return !calm_ && random_.Chance(chance); }

  void OnRequest(const StatePtr& state, const v1::AppendRequest& request) {
    if (state->broken) return;
    if (Happens(0.02)) leader_ = kEndpoints[random_.Below(3)];
    if (Happens(0.02)) return Break(state);
    if (state->endpoint != leader_) return Refuse(state, v1::REASON_NOT_LEADER, 14);
    if (Happens(0.02)) return Refuse(state, v1::REASON_OVERLOADED, 8);
    if (Happens(0.01)) {  // Stopped: it takes and tells nothing more, nor the end.
      state->broken = true;
      return;
    }
    v1::AppendStreamResponse response;
    *response.mutable_appended() = Append(request);
    if (Happens(0.03)) return Break(state);  // Done, and the answer is lost.
    Tell(state, response);
  }

  // What a log's state machine does with a sequenced append.
  v1::AppendResponse Append(const v1::AppendRequest& request) {
    const uint64_t sequence = request.producer().sequence();
    if (sequence < next_sequence_) {
      CHECK_GE(sequence + 16, next_sequence_);  // Beyond the window nobody could answer.
      ++repeated_;
      v1::AppendResponse again = results_.at(sequence);
      again.set_duplicate(true);
      return again;
    }
    CHECK_EQ(sequence, next_sequence_);  // A gap: the producer left one out.
    if (request.condition().has_if_last_seq()) {
      CHECK_EQ(request.condition().if_last_seq(), records_.size());
    }
    v1::AppendResponse& result = results_[next_sequence_++];
    result.set_first_seq(records_.size() + 1);
    for (const v1::Record& record : request.records()) records_.push_back(record.payload());
    result.set_last_seq(records_.size());
    return result;
  }

  void Tell(const StatePtr& state, const v1::AppendStreamResponse& response) {
    Later(state, [state, response] {
      if (state->gone) return;
      state->handler.on_message(std::make_unique<v1::AppendStreamResponse>(response));
    });
  }
  void Refuse(const StatePtr& state, v1::Reason reason, int code) {
    state->broken = true;
    v1::AppendStreamResponse response;
    response.mutable_refused()->set_reason(reason);
    // Hints may be stale: a follower names whom it heard last.
    if (reason == v1::REASON_NOT_LEADER && random_.Chance(0.5)) {
      response.mutable_refused()->set_leader_address(calm_ ? leader_
                                                           : kEndpoints[random_.Below(3)]);
    }
    response.set_code(code);
    Tell(state, response);
  }
  void Break(const StatePtr& state) {
    state->broken = true;
    Later(state, [state] {
      if (!state->gone) state->handler.on_closed(absl::UnavailableError("reset"));
    });
  }

  inline static const std::string kEndpoints[] = {"a:1", "b:1", "c:1"};
  Random random_;
  VirtualTime& time_;
  std::string leader_ = "a:1";
  bool calm_ = false;
  std::vector<std::string> records_;
  std::map<uint64_t, v1::AppendResponse> results_;
  uint64_t next_sequence_ = 1;
  uint64_t repeated_ = 0;
};

class ProducerRandomTest : public testing::TestWithParam<uint64_t> {};

TEST_P(ProducerRandomTest, EachRecordStandsInTheLogExactlyOnce) {
  const uint64_t seed = GetParam();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  auto owned_time = std::make_unique<VirtualTime>();
  VirtualTime& time = *owned_time;
  auto owned_log = std::make_unique<WildLog>(seed + 1, time);
  WildLog& log = *owned_log;
  ClientOptions client_options;
  client_options.endpoints = {"a:1", "b:1", "c:1"};
  Client client(std::make_unique<Core>(client_options, std::move(owned_log), std::move(owned_time),
                                       time, seed));

  std::map<uint64_t, Seq> placed;  // By ticket.
  uint64_t settled = 0;
  ProducerOptions options;
  options.max_in_flight = static_cast<int>(random.Between(1, 16));
  options.max_request_records = random.Below(8) + 1;
  options.max_buffer_bytes = 2000;
  options.delivery_timeout = absl::Hours(1);
  options.call.timeout = absl::Hours(1);
  if (random.Chance(0.5)) options.if_last_seq = Seq{0};
  options.on_delivery = [&](const Delivery& delivery) {
    ASSERT_TRUE(delivery.status.ok()) << delivery.status;
    ASSERT_EQ(delivery.first_ticket, settled + 1);
    settled = delivery.last_ticket;
    for (uint64_t ticket = delivery.first_ticket; ticket <= settled; ++ticket) {
      placed[ticket] = delivery.result.first_seq + (ticket - delivery.first_ticket);
    }
  };
  auto producer = *Producer::Start(client.LogWithId("orders", LogId{7}), std::move(options));
  std::vector<std::string> sent;
  while (sent.size() < 1500) {
    const std::string payload = "record " + std::to_string(sent.size());
    if (producer->TrySend(payload).ok()) sent.push_back(payload);
    if (random.Chance(0.3)) time.Advance(random.Between(1, 5000));
  }
  log.Calm();
  for (int i = 0; i < 1000 && settled < sent.size(); ++i) time.Advance(100'000);

  EXPECT_EQ(log.records(), sent);
  ASSERT_EQ(settled, sent.size());
  for (const auto& [ticket, seq] : placed) {
    ASSERT_EQ(log.records().at(seq.value() - 1), sent.at(ticket - 1));
  }
  EXPECT_GT(log.repeated(), 0u) << "nothing went wrong: the test tests nothing";
  EXPECT_EQ(producer->pending_bytes(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ProducerRandomTest, testing::Range<uint64_t>(1, 101));

}  // namespace
}  // namespace cairn::client
