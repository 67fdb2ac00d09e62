// Producer over a scripted transport that fails: other leaders, breaks, silence and refusals;
// exactly once behind all of them, or what it says when it gives up.
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
using testing::IsEmpty;

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

}  // namespace
}  // namespace cairn::client
