// ProducerTest: a producer over a scripted transport, which the test answers, refuses or breaks.
//
// Threads: the test's, in virtual time.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cairn/producer.h"
#include "cairn/v1/log.pb.h"
#include "tests/client/scripted_stub.h"

namespace cairn::client {

class ProducerTest : public testing::Test {
 protected:
  static constexpr uint64_t kProducerId = 77;

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

  ScriptedStreamPtr TakeStream() { return client_.TakeStream(); }
  [[nodiscard]] bool HasStream() { return client_.HasStream(); }

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
  void Refuse(const ScriptedStreamPtr& stream, v1::Reason reason, absl::StatusCode code,
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
  // So that a test has several requests in flight without filling them.
  int in_flight_partial_ = 4;
  std::vector<Delivery> deliveries_;
};

}  // namespace cairn::client
