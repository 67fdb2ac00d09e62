// Producer over a scripted transport: order, pipelining, exactly-once, and what it says when it
// fails. Everything runs on the test's thread, in virtual time.

#include "cairn/producer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "cairn/v1/log.pb.h"
#include "tests/client/scripted_stub.h"

namespace cairn::client {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint64_t kProducerId = 77;

class ProducerTest : public testing::Test {
 protected:
  // Starts a producer and lets it register.
  std::unique_ptr<Producer> Start(ProducerOptions options = {}) {
    options.on_delivery = [this, next = options.on_delivery](const Delivery& delivery) {
      deliveries_.push_back(delivery);
      if (next) next(delivery);
    };
    options.max_in_flight_partial = in_flight_partial_;
    auto producer = Producer::Start(client_.log(), std::move(options));
    EXPECT_TRUE(producer.ok()) << producer.status();
    client_.time().Run();
    v1::RegisterProducerResponse response;
    response.set_producer_id(kProducerId);
    TakeRegistration().Answer(response);
    client_.time().Run();
    return *std::move(producer);
  }
  ScriptedCall TakeRegistration() { return client_.script().TakeCall(Method::kRegisterProducer); }

  // Sends each payload as a request of its own, as long as four at most are in flight.
  void SendApart(Producer& producer, const std::vector<std::string>& payloads) {
    for (const std::string& payload : payloads) {
      EXPECT_TRUE(producer.Send(payload).ok());
      client_.time().Run();
    }
  }

  ScriptedStreamPtr TakeStream() {
    client_.time().Run();
    return client_.script().TakeStream();
  }
  [[nodiscard]] bool HasStream() {
    client_.time().Run();
    return !client_.script().streams.empty();
  }

  static v1::AppendRequest Request(const ScriptedStreamPtr& stream, size_t i) {
    return stream->Written<v1::AppendStreamRequest>(i).append();
  }
  static std::vector<uint64_t> Sequences(const ScriptedStreamPtr& stream) {
    std::vector<uint64_t> sequences;
    for (size_t i = 0; i < stream->writes.size(); ++i) {
      sequences.push_back(Request(stream, i).producer().sequence());
    }
    return sequences;
  }

  // Answers a request of `count` records as appended behind `after`.
  void Append(const ScriptedStreamPtr& stream, uint64_t after, uint64_t count = 1) {
    v1::AppendStreamResponse response;
    response.mutable_appended()->set_first_seq(after + 1);
    response.mutable_appended()->set_last_seq(after + count);
    ScriptedStream::Send(stream, response);
    client_.time().Run();
  }
  void Refuse(const ScriptedStreamPtr& stream, v1::Reason reason, StatusCode code,
              v1::ErrorInfo info = {}) {
    info.set_reason(reason);
    v1::AppendStreamResponse response;
    *response.mutable_refused() = info;
    response.set_code(static_cast<int>(code));
    response.set_message("no");
    ScriptedStream::Send(stream, response);
    client_.time().Run();
  }
  void Break(const ScriptedStreamPtr& stream, const absl::Status& status) {
    ScriptedStream::Close(stream, status);
    client_.time().Run();
  }
  void BreakOff(const ScriptedStreamPtr& stream) {
    Break(stream, absl::UnavailableError("connection reset"));
  }

  // Tickets of the deliveries so far, each once and in order.
  [[nodiscard]] uint64_t DeliveredInOrder() const {
    uint64_t last = 0;
    for (const Delivery& delivery : deliveries_) {
      EXPECT_EQ(delivery.first_ticket, last + 1);
      EXPECT_GE(delivery.last_ticket, delivery.first_ticket);
      last = delivery.last_ticket;
    }
    return last;
  }

  ScriptedClient client_;
  int in_flight_partial_ =
      4;  // So that a test has several requests in flight without filling them.
  std::vector<Delivery> deliveries_;
};

TEST_F(ProducerTest, RecordsSentTogetherLeaveInOneRequest) {
  auto producer = Start();
  EXPECT_EQ(*producer->Send("one"), 1u);
  EXPECT_EQ(*producer->Send("two"), 2u);
  EXPECT_EQ(*producer->Send(NewRecord{"three", {{"k", "v"}}}), 3u);
  const ScriptedStreamPtr stream = TakeStream();
  ASSERT_EQ(stream->writes.size(), 1u);
  const v1::AppendRequest request = Request(stream, 0);
  EXPECT_EQ(request.log(), "orders");
  EXPECT_EQ(request.log_id(), 7u);
  EXPECT_EQ(request.producer().id(), kProducerId);
  EXPECT_EQ(request.producer().sequence(), 1u);
  EXPECT_FALSE(request.has_condition());
  ASSERT_EQ(request.records_size(), 3);
  EXPECT_EQ(request.records(0).payload(), "one");
  EXPECT_EQ(request.records(2).metadata().at("k"), "v");
  EXPECT_EQ(producer->pending_records(), 3u);
  EXPECT_GT(producer->pending_bytes(), 0u);

  Append(stream, /*after=*/10, /*count=*/3);
  ASSERT_EQ(deliveries_.size(), 1u);
  EXPECT_TRUE(deliveries_[0].status.ok());
  EXPECT_EQ(deliveries_[0].result.first_seq, Seq{11});
  EXPECT_EQ(DeliveredInOrder(), 3u);
  EXPECT_EQ(producer->pending_records(), 0u);
  EXPECT_EQ(producer->pending_bytes(), 0u);
  EXPECT_EQ(producer->last_result().last_seq, Seq{13});
}

TEST_F(ProducerTest, UnlessToldOtherwiseABatchGrowsWhileARequestIsUnanswered) {
  in_flight_partial_ = ProducerOptions().max_in_flight_partial;
  auto producer = Start();
  SendApart(*producer, {"a", "b", "c"});
  const ScriptedStreamPtr stream = TakeStream();
  EXPECT_THAT(Sequences(stream), ElementsAre(1));
  Append(stream, 0);
  EXPECT_THAT(Sequences(stream), ElementsAre(1, 2));
  EXPECT_EQ(Request(stream, 1).records_size(), 2);
}

TEST_F(ProducerTest, OnlyTheFirstRequestOfAStreamNamesTheLog) {
  auto producer = Start();
  SendApart(*producer, {"a", "b"});
  const ScriptedStreamPtr stream = TakeStream();
  EXPECT_EQ(Request(stream, 0).log(), "orders");
  EXPECT_EQ(Request(stream, 1).log(), "");
  EXPECT_EQ(Request(stream, 1).log_id(), 0u);
}

TEST_F(ProducerTest, ManyRequestsAreInFlightAndNoMore) {
  ProducerOptions options;
  options.max_in_flight = 3;
  auto producer = Start(std::move(options));
  SendApart(*producer, {"a", "b", "c", "d", "e"});
  const ScriptedStreamPtr stream = TakeStream();
  EXPECT_THAT(Sequences(stream), ElementsAre(1, 2, 3));
  Append(stream, 0);
  // What waited has gathered meanwhile.
  EXPECT_THAT(Sequences(stream), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(Request(stream, 3).records_size(), 2);
  Append(stream, 1);
  Append(stream, 2);
  Append(stream, 3, /*count=*/2);
  EXPECT_EQ(DeliveredInOrder(), 5u);
}

TEST_F(ProducerTest, BehindAFullPipeOnlyWholeRequestsLeave) {
  ProducerOptions options;
  options.max_request_records = 2;
  auto producer = Start(std::move(options));
  SendApart(*producer, {"1", "2", "3", "4"});  // Four partial requests keep the pipe busy.
  const ScriptedStreamPtr stream = TakeStream();
  SendApart(*producer, {"5"});
  EXPECT_EQ(stream->writes.size(), 4u) << "5 waits for company";
  SendApart(*producer, {"6", "7"});  // 7 does not fit: 5 and 6 are a whole request.
  ASSERT_EQ(stream->writes.size(), 5u);
  EXPECT_EQ(Request(stream, 4).records_size(), 2);
}

TEST_F(ProducerTest, AHintLeadsToTheLeaderWithTheSameRequests) {
  auto producer = Start();
  SendApart(*producer, {"a", "b"});
  const ScriptedStreamPtr first = TakeStream();
  const std::string target = first->endpoint == "c:1" ? "a:1" : "c:1";
  v1::ErrorInfo info;
  info.set_leader_address(target);
  Refuse(first, v1::REASON_NOT_LEADER, StatusCode::kUnavailable, info);
  EXPECT_TRUE(first->destroyed);
  const ScriptedStreamPtr second = TakeStream();
  EXPECT_EQ(second->endpoint, target);
  // A request keeps its sequence and its bytes, whatever stream it is on.
  EXPECT_EQ(second->writes, first->writes);
  Append(second, 0);
  Append(second, 1);
  EXPECT_EQ(DeliveredInOrder(), 2u);
}

TEST_F(ProducerTest, AnswersMetBeforeTheBreakAreNotAskedForAgain) {
  auto producer = Start();
  SendApart(*producer, {"a", "b", "c"});
  const ScriptedStreamPtr first = TakeStream();
  Append(first, 0);
  BreakOff(first);  // b and c may have been appended.
  const ScriptedStreamPtr second = TakeStream();
  EXPECT_NE(second->endpoint, first->endpoint);
  EXPECT_THAT(Sequences(second), ElementsAre(2, 3));
  EXPECT_EQ(Request(second, 0).log(), "orders");
  SendApart(*producer, {"d"});
  EXPECT_THAT(Sequences(second), ElementsAre(2, 3, 4)) << "new requests go behind the old ones";
  Append(second, 1);  // The service says where the first try put it.
  Append(second, 2);
  Append(second, 3);
  EXPECT_EQ(DeliveredInOrder(), 4u);
  for (const Delivery& delivery : deliveries_) EXPECT_TRUE(delivery.status.ok());
}

TEST_F(ProducerTest, LateNewsOfAnAbandonedStreamChangeNothing) {
  auto producer = Start();
  SendApart(*producer, {"a"});
  const ScriptedStreamPtr first = TakeStream();
  // The answer and the end of the stream are posted together; the break is told first.
  ScriptedStream::Close(first, absl::UnavailableError("reset"));
  v1::AppendStreamResponse response;
  response.mutable_appended()->set_first_seq(1);
  response.mutable_appended()->set_last_seq(1);
  ScriptedStream::Send(first, response);
  client_.time().Run();
  EXPECT_THAT(deliveries_, IsEmpty());
  Append(TakeStream(), 0);
  EXPECT_EQ(DeliveredInOrder(), 1u);
}

TEST_F(ProducerTest, ASilentNodeIsLeftMoreAndMoreSlowly) {
  auto producer = Start();
  SendApart(*producer, {"a"});
  ScriptedStreamPtr stream = TakeStream();
  for (int64_t patience_ms : {1000, 2000, 4000, 8000, 8000}) {
    int64_t waited_ms = 0;
    while (!HasStream()) {
      ASSERT_LE(++waited_ms, 2 * patience_ms);
      client_.time().Advance(kMicrosPerMilli);
    }
    EXPECT_GE(waited_ms, patience_ms);
    EXPECT_LE(waited_ms, patience_ms + 25) << "a pause stands between two rounds, no more";
    const ScriptedStreamPtr next = TakeStream();
    EXPECT_THAT(Sequences(next), ElementsAre(1));
    EXPECT_NE(next->endpoint, stream->endpoint);
    EXPECT_TRUE(stream->destroyed);
    stream = next;
  }
  EXPECT_TRUE(producer->status().ok());
}

TEST_F(ProducerTest, OverloadIsWaitedOutAtTheSameNode) {
  auto producer = Start();
  SendApart(*producer, {"a"});
  const ScriptedStreamPtr first = TakeStream();
  v1::ErrorInfo info;
  info.set_retry_after_ms(300);
  Refuse(first, v1::REASON_OVERLOADED, StatusCode::kResourceExhausted, info);
  client_.time().Advance(299'000);
  EXPECT_FALSE(HasStream());
  client_.time().Advance(200'000);
  const ScriptedStreamPtr second = TakeStream();
  EXPECT_EQ(second->endpoint, first->endpoint);
  EXPECT_EQ(second->writes, first->writes);
}

TEST_F(ProducerTest, TheBufferPushesBackAndComesFreeAgain) {
  ProducerOptions options;
  options.max_buffer_bytes = 100;
  auto producer = Start(std::move(options));
  const std::string payload(36, 'x');  // 40 bytes encoded.
  EXPECT_TRUE(producer->TrySend(payload).ok());
  EXPECT_TRUE(producer->TrySend(payload).ok());
  EXPECT_EQ(producer->TrySend(payload).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(producer->Send(payload, absl::Milliseconds(1)).status().code(),
            StatusCode::kDeadlineExceeded);
  EXPECT_EQ(producer->pending_bytes(), 80u) << "what was refused does not count";
  Append(TakeStream(), 0, /*count=*/2);
  EXPECT_EQ(*producer->TrySend(payload), 3u) << "refused records take no ticket";
}

TEST_F(ProducerTest, AFullDiskPushesBackInsteadOfFailing) {
  ProducerOptions options;
  options.max_buffer_bytes = 10;
  auto producer = Start(std::move(options));
  EXPECT_TRUE(producer->TrySend("abcdef").ok());
  ScriptedStreamPtr stream = TakeStream();
  for (int i = 0; i < 100; ++i) {
    Refuse(stream, v1::REASON_STORAGE_FULL, StatusCode::kResourceExhausted);
    client_.time().Advance(100'000);
    stream = TakeStream();
  }
  EXPECT_EQ(producer->TrySend("x").status().code(), StatusCode::kResourceExhausted);
  Append(stream, 0);
  EXPECT_EQ(DeliveredInOrder(), 1u);
}

TEST_F(ProducerTest, ConditionsArePredictedForTheWholePipeline) {
  ProducerOptions options;
  options.if_last_seq = Seq{40};
  options.if_lease_epoch = Epoch{12};
  options.lease_name = "writer";
  auto producer = Start(std::move(options));
  EXPECT_TRUE(producer->SendBatch({{"a", {}}, {"b", {}}}).ok());
  client_.time().Run();
  SendApart(*producer, {"c", "d"});
  const ScriptedStreamPtr stream = TakeStream();
  const uint64_t predicted[] = {40, 42, 43};
  for (size_t i = 0; i < 3; ++i) {
    const v1::Condition condition = Request(stream, i).condition();
    EXPECT_EQ(condition.if_last_seq(), predicted[i]);
    EXPECT_EQ(condition.if_lease_epoch(), 12u);
    EXPECT_EQ(condition.lease_name(), "writer");
  }
}

// What each end of a producer says of what was unanswered. In every case: "a" was answered, "b"
// and "c" are in flight, "d" never left the buffer.
TEST_F(ProducerTest, TheEndTellsUnknownFromNotDone) {
  struct Case {
    const char* name;
    v1::Reason reason;
    StatusCode code;
    bool broken_before;  // b and c were sent once before, on a stream that broke.
    bool unknown;        // Of b and c.
  };
  const Case cases[] = {
      {"refused at its first try", v1::REASON_TOO_LARGE, StatusCode::kInvalidArgument, false,
       false},
      {"refused by the door, sent before", v1::REASON_PERMISSION_DENIED,
       StatusCode::kPermissionDenied, true, true},
      // The state machine looks for a duplicate first, so it knows of the earlier try.
      {"a lost condition proves that it was not done", v1::REASON_CONDITION_FAILED,
       StatusCode::kAborted, true, false},
      {"so does a lost lease", v1::REASON_LEASE_LOST, StatusCode::kFailedPrecondition, true, false},
      // The log forgot what it knew.
      {"an expired producer proves nothing", v1::REASON_PRODUCER_EXPIRED,
       StatusCode::kFailedPrecondition, true, true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    deliveries_.clear();
    ProducerOptions options;
    options.max_in_flight = 2;
    auto producer = Start(std::move(options));
    SendApart(*producer, {"a", "b"});
    ScriptedStreamPtr stream = TakeStream();
    Append(stream, 0);
    SendApart(*producer, {"c", "d"});
    if (c.broken_before) {
      BreakOff(stream);
      stream = TakeStream();
    }
    EXPECT_EQ(Request(stream, stream->writes.size() - 1).producer().sequence(), 3u);
    Refuse(stream, c.reason, c.code);

    EXPECT_EQ(DeliveredInOrder(), 4u);
    ASSERT_EQ(deliveries_.size(), 4u);
    EXPECT_TRUE(deliveries_[0].status.ok());
    for (size_t i : {1u, 2u}) EXPECT_EQ(IsUnknownOutcome(deliveries_[i].status), c.unknown);
    EXPECT_FALSE(IsUnknownOutcome(deliveries_[3].status)) << "it never left";
    for (size_t i : {1u, 2u, 3u}) {
      EXPECT_EQ(GetReason(deliveries_[i].status), static_cast<Reason>(c.reason));
    }
    EXPECT_EQ(GetReason(producer->status()), static_cast<Reason>(c.reason));
    EXPECT_EQ(GetReason(producer->TrySend("e").status()), static_cast<Reason>(c.reason));
    EXPECT_FALSE(HasStream()) << "a failed producer sends nothing";
    EXPECT_EQ(producer->pending_bytes(), 0u);
  }
}

TEST_F(ProducerTest, TheDeliveryTimeoutCountsFromTheCut) {
  ProducerOptions options;
  options.delivery_timeout = absl::Seconds(3);
  options.max_in_flight = 1;
  auto producer = Start(std::move(options));
  SendApart(*producer, {"sent", "kept back"});
  client_.time().Advance(3 * kMicrosPerSecond - 1);
  EXPECT_TRUE(producer->status().ok());
  client_.time().Advance(1);
  EXPECT_EQ(producer->status().code(), StatusCode::kDeadlineExceeded);
  ASSERT_EQ(deliveries_.size(), 2u);
  EXPECT_TRUE(IsUnknownOutcome(deliveries_[0].status));
  EXPECT_FALSE(IsUnknownOutcome(deliveries_[1].status));
}

TEST_F(ProducerTest, WhatFoundNoConnectionIsCertainlyNotDone) {
  ProducerOptions options;
  options.delivery_timeout = absl::Seconds(1);
  auto producer = Start(std::move(options));
  SendApart(*producer, {"a"});
  while (producer->status().ok()) {
    if (HasStream()) {
      Break(TakeStream(), MarkNeverSent(absl::UnavailableError("failed to connect")));
    } else {
      client_.time().Advance(5'000);
    }
  }
  ASSERT_EQ(deliveries_.size(), 1u);
  EXPECT_EQ(deliveries_[0].status.code(), StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(IsUnknownOutcome(deliveries_[0].status));
}

TEST_F(ProducerTest, ClosingFailsWhatIsUnanswered) {
  ProducerOptions options;
  options.max_in_flight = 1;
  auto producer = Start(std::move(options));
  SendApart(*producer, {"sent", "kept back"});
  producer->Close();
  producer->Close();
  client_.time().Run();
  ASSERT_EQ(deliveries_.size(), 2u);
  EXPECT_EQ(deliveries_[0].status.code(), StatusCode::kCancelled);
  EXPECT_TRUE(IsUnknownOutcome(deliveries_[0].status));
  EXPECT_FALSE(IsUnknownOutcome(deliveries_[1].status));
  EXPECT_EQ(producer->TrySend("x").status().code(), StatusCode::kCancelled);
  EXPECT_EQ(producer->Flush().code(), StatusCode::kCancelled);
}

TEST_F(ProducerTest, TheDestructorSilencesCallbacksAndFailsFutures) {
  auto producer = Start();
  auto future = producer->SendForResult("a");
  const ScriptedStreamPtr stream = TakeStream();
  producer.reset();
  EXPECT_THAT(deliveries_, IsEmpty());
  EXPECT_EQ(future.get().status().code(), StatusCode::kCancelled);
  EXPECT_TRUE(stream->destroyed);
}

TEST_F(ProducerTest, FuturesLearnTheirSeqs) {
  auto producer = Start();
  EXPECT_TRUE(producer->Send("before").ok());
  auto a = producer->SendForResult("a");
  auto b = producer->SendForResult("b");
  Append(TakeStream(), /*after=*/20, /*count=*/3);
  EXPECT_EQ(*a.get(), Seq{22});
  EXPECT_EQ(*b.get(), Seq{23});
}

TEST_F(ProducerTest, ACallbackMaySendOn) {
  Producer* running = nullptr;
  ProducerOptions options;
  options.on_delivery = [&](const Delivery& delivery) {
    if (delivery.status.ok() && delivery.last_ticket < 3) {
      EXPECT_TRUE(running->TrySend("more").ok());
    }
    if (!delivery.status.ok()) {
      EXPECT_FALSE(running->TrySend("too late").ok());
    }
  };
  auto producer = Start(std::move(options));
  running = producer.get();
  SendApart(*producer, {"first"});
  const ScriptedStreamPtr stream = TakeStream();
  for (uint64_t seq = 0; seq < 3; ++seq) Append(stream, seq);
  EXPECT_EQ(DeliveredInOrder(), 3u);
  SendApart(*producer, {"last"});
  Refuse(stream, v1::REASON_LOG_RECREATED, StatusCode::kFailedPrecondition);
  EXPECT_EQ(DeliveredInOrder(), 4u);
}

TEST_F(ProducerTest, LingerWaitsForCompanyOnceOnly) {
  ProducerOptions options;
  options.linger = absl::Milliseconds(5);
  auto producer = Start(std::move(options));
  SendApart(*producer, {"a"});
  client_.time().Advance(3'000);
  SendApart(*producer, {"b"});
  client_.time().Advance(1'999);
  EXPECT_FALSE(HasStream());
  client_.time().Advance(1);
  const ScriptedStreamPtr stream = TakeStream();
  ASSERT_EQ(stream->writes.size(), 1u);
  EXPECT_EQ(Request(stream, 0).records_size(), 2);
}

TEST_F(ProducerTest, LingerDoesNotDelayAFullRequest) {
  ProducerOptions options;
  options.linger = absl::Milliseconds(500);
  options.max_request_records = 2;
  auto producer = Start(std::move(options));
  SendApart(*producer, {"a", "b", "c"});
  const ScriptedStreamPtr stream = TakeStream();
  ASSERT_EQ(stream->writes.size(), 1u);
  EXPECT_EQ(Request(stream, 0).records_size(), 2);
  client_.time().Advance(500'000);
  EXPECT_EQ(stream->writes.size(), 2u);
}

TEST_F(ProducerTest, ABatchIsNeverCut) {
  ProducerOptions options;
  options.max_request_records = 2;
  auto producer = Start(std::move(options));
  EXPECT_EQ(*producer->Send("before"), 1u);
  EXPECT_EQ(*producer->SendBatch({{"a", {}}, {"b", {}}, {"c", {}}}), 4u);
  const ScriptedStreamPtr stream = TakeStream();
  ASSERT_EQ(stream->writes.size(), 2u);
  EXPECT_EQ(Request(stream, 1).records_size(), 3);
  EXPECT_EQ(producer->SendBatch({}).status().code(), StatusCode::kInvalidArgument);
  const std::vector<NewRecord> too_many(65'537);
  EXPECT_EQ(producer->SendBatch(too_many).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(producer->Send(std::string(17u << 20, 'x')).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(producer->status().ok()) << "a record that is refused alone does no harm";
}

TEST_F(ProducerTest, ARecordMayStandBeforeTheRegistration) {
  auto producer = *Producer::Start(client_.log(), {});
  EXPECT_TRUE(producer->Send("early").ok());
  client_.time().Run();
  EXPECT_TRUE(client_.script().streams.empty());
  const ScriptedCall call = TakeRegistration();
  EXPECT_EQ(call.As<v1::RegisterProducerRequest>().log_id(), 7u);
  v1::RegisterProducerResponse response;
  response.set_producer_id(5);
  call.Answer(response);
  EXPECT_EQ(Request(TakeStream(), 0).producer().id(), 5u);
}

TEST_F(ProducerTest, AFailedRegistrationFailsWhatWaits) {
  ProducerOptions options;
  options.on_delivery = [this](const Delivery& delivery) { deliveries_.push_back(delivery); };
  auto producer = *Producer::Start(client_.log(), std::move(options));
  EXPECT_TRUE(producer->Send("early").ok());
  client_.time().Run();
  TakeRegistration().Fail(Refusal(v1::REASON_TABLE_FULL, StatusCode::kResourceExhausted));
  client_.time().Run();
  EXPECT_EQ(GetReason(producer->status()), Reason::kTableFull);
  ASSERT_EQ(deliveries_.size(), 1u);
  EXPECT_FALSE(IsUnknownOutcome(deliveries_[0].status));
}

TEST_F(ProducerTest, ALogThatNobodyKnowsIsBelievedInTheEnd) {
  auto producer = Start();
  SendApart(*producer, {"a"});
  int refusals = 0;
  while (producer->status().ok()) {
    ASSERT_LT(++refusals, 1000);
    Refuse(TakeStream(), v1::REASON_LOG_NOT_FOUND, StatusCode::kNotFound);
    client_.time().Advance(20'000);
  }
  EXPECT_GT(refusals, 20) << "a replica that lags must not end it";
  EXPECT_EQ(GetReason(producer->status()), Reason::kLogNotFound);
  EXPECT_FALSE(IsUnknownOutcome(deliveries_.at(0).status));
}

TEST_F(ProducerTest, AnAnswerForAnotherNumberOfRecordsIsDataLoss) {
  auto producer = Start();
  SendApart(*producer, {"a"});
  Append(TakeStream(), 0, /*count=*/2);
  EXPECT_EQ(producer->status().code(), StatusCode::kDataLoss);
  EXPECT_TRUE(IsUnknownOutcome(deliveries_.at(0).status));
}

TEST_F(ProducerTest, AnIdleProducerWantsNoTimer) {
  auto producer = Start();
  SendApart(*producer, {"a"});
  const ScriptedStreamPtr stream = TakeStream();
  Append(stream, 0);
  client_.time().Advance(3600 * kMicrosPerSecond);
  EXPECT_FALSE(HasStream()) << "an idle stream is not silent";
  EXPECT_FALSE(stream->destroyed);
  // The node restarts while nothing is sent; the next record finds another stream.
  BreakOff(stream);
  EXPECT_FALSE(HasStream());
  SendApart(*producer, {"b"});
  EXPECT_THAT(Sequences(TakeStream()), ElementsAre(2));
}

TEST_F(ProducerTest, BadOptionsAreRefused) {
  const auto code = [&](auto change) {
    ProducerOptions options;
    change(options);
    return Producer::Start(client_.log(), std::move(options)).status().code();
  };
  using Options = ProducerOptions;
  EXPECT_EQ(code([](Options& o) { o.max_in_flight = 0; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Options& o) { o.max_in_flight = 17; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Options& o) { o.max_request_bytes = 0; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Options& o) { o.max_request_bytes = 17u << 20; }),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Options& o) { o.max_request_records = 65'537; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Options& o) { o.max_in_flight_partial = 0; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Options& o) { o.max_buffer_bytes = 0; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Options& o) { o.delivery_timeout = absl::ZeroDuration(); }),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace cairn::client
