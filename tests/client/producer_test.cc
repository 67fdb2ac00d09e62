// Producer over a scripted transport: how records become requests, what is in flight at once, and
// who learns their seqs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/client/producer_fixture.h"

namespace cairn::client {
namespace {

using absl::StatusCode;
using testing::ElementsAre;

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
