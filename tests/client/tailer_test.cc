// Tailer over a scripted transport: records in order, none missing, none twice, whatever happens to
// its streams; flow control; and which answers are final.

#include "cairn/tailer.h"

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

constexpr int64_t kSecond = kMicrosPerSecond;

// The chain that the test's log has at `seq`.
uint64_t ChainAt(uint64_t seq) { return 1000 + seq; }

v1::TailResponse Records(uint64_t first_seq, uint64_t count, size_t payload_bytes = 1) {
  v1::TailResponse response;
  v1::RecordBatch* batch = response.add_batches();
  batch->set_first_seq(first_seq);
  batch->set_chain(ChainAt(first_seq + count - 1));
  for (uint64_t i = 0; i < count; ++i) {
    batch->add_records()->set_payload(std::string(payload_bytes, 'p'));
  }
  return response;
}

v1::TailResponse Heartbeat(uint64_t last_seq, bool stale = false) {
  v1::TailResponse response;
  response.mutable_heartbeat()->set_last_seq(last_seq);
  response.mutable_heartbeat()->set_stale(stale);
  return response;
}

v1::TailResponse CaughtUpAt(uint64_t seq) {
  v1::TailResponse response;
  response.mutable_caught_up()->set_seq(seq);
  response.mutable_caught_up()->set_chain(ChainAt(seq));
  return response;
}

class TailerTest : public testing::Test {
 protected:
  void Open(TailStart start, size_t max_buffer_bytes = 16u << 20) {
    TailerOptions options;
    options.start = start;
    options.max_buffer_bytes = max_buffer_bytes;
    tailer_ = *Tailer::Open(client_.log(), std::move(options));
  }
  ScriptedStreamPtr TakeStream() { return client_.TakeStream(); }
  [[nodiscard]] bool HasStream() { return client_.HasStream(); }
  static v1::TailRequest Request(const ScriptedStreamPtr& stream) {
    EXPECT_EQ(stream->writes.size(), 1u);
    EXPECT_TRUE(stream->writes_finished);
    return stream->Written<v1::TailRequest>(0);
  }
  void Send(const ScriptedStreamPtr& stream, const v1::TailResponse& response) {
    ScriptedStream::Send(stream, response);
    client_.time().Run();
  }
  void Break(const ScriptedStreamPtr& stream, const absl::Status& status) {
    ScriptedStream::Close(stream, status);
    client_.time().Run();
  }
  // Seqs that the consumer finds waiting.
  std::vector<uint64_t> TakeSeqs() {
    std::vector<uint64_t> seqs;
    for (;;) {
      absl::StatusOr<TailEvent> event = tailer_->Next(absl::ZeroDuration());
      if (!event.ok()) return seqs;
      for (const RecordBatch& batch : event->batches) {
        for (const Record& record : batch.records) seqs.push_back(record.seq.value());
      }
    }
  }
  absl::Status End() { return tailer_->Next(absl::ZeroDuration()).status(); }

  ScriptedClient client_;
  std::unique_ptr<Tailer> tailer_;
};

TEST_F(TailerTest, ResumesBehindTheLastRecordOnAnotherNode) {
  Open(TailStart::AtSeq(Seq{5}));
  const ScriptedStreamPtr first = TakeStream();
  EXPECT_EQ(Request(first).log(), "orders");
  EXPECT_EQ(Request(first).log_id(), 7u);
  EXPECT_EQ(Request(first).start_seq(), 5u);
  EXPECT_EQ(Request(first).heartbeat_ms(), 1000u);
  Send(first, Records(5, 3));
  Break(first, absl::UnavailableError("connection reset"));
  const ScriptedStreamPtr second = TakeStream();
  EXPECT_NE(second->endpoint, first->endpoint);
  EXPECT_EQ(Request(second).start_seq(), 8u);
  EXPECT_EQ(Request(second).log_id(), 7u);
  Send(second, Records(8, 2));
  EXPECT_THAT(TakeSeqs(), ElementsAre(5, 6, 7, 8, 9));
  EXPECT_EQ(tailer_->next_seq(), Seq{10});
  EXPECT_EQ(tailer_->chain(), ChainAt(9)) << "the chain of what was taken";
}

TEST_F(TailerTest, PositionAndChainFollowTheConsumerNotTheStream) {
  Open(TailStart::AtSeq(Seq{1}));
  const ScriptedStreamPtr stream = TakeStream();
  Send(stream, Records(1, 2));
  Send(stream, Records(3, 2));
  EXPECT_EQ(tailer_->next_seq(), Seq{1});
  EXPECT_EQ(tailer_->chain(), 0u);
  ASSERT_TRUE(tailer_->Next().ok());
  EXPECT_EQ(tailer_->next_seq(), Seq{3});
  EXPECT_EQ(tailer_->chain(), ChainAt(2));
}

TEST_F(TailerTest, ARecordThatDoesNotContinueTheTailIsDataLoss) {
  for (uint64_t wrong_seq : {3u, 5u, 100u}) {
    Open(TailStart::AtSeq(Seq{3}));
    const ScriptedStreamPtr stream = TakeStream();
    Send(stream, Records(3, 1));
    Send(stream, Records(wrong_seq, 1));
    EXPECT_THAT(TakeSeqs(), ElementsAre(3)) << "what came before it stands";
    EXPECT_EQ(End().code(), StatusCode::kDataLoss);
    EXPECT_TRUE(stream->destroyed);
    EXPECT_FALSE(HasStream());
  }
}

TEST_F(TailerTest, EachStartIsAskedForUntilAPlaceIsKnown) {
  struct Case {
    const char* name;
    TailStart start;
    v1::TailRequest::StartCase asked;
    uint64_t after_caught_up;  // start_seq asked for after a mark at 41; 0: asked as before.
  };
  const Case cases[] = {
      {"first", TailStart::AtFirst(), v1::TailRequest::kFromFirst, 42},
      {"next", TailStart::AtNext(), v1::TailRequest::kFromNext, 42},
      {"timestamp", TailStart::AtTimestamp(77), v1::TailRequest::kStartTimestampUs, 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Open(c.start);
    ScriptedStreamPtr stream = TakeStream();
    EXPECT_EQ(Request(stream).start_case(), c.asked);
    Break(stream, absl::UnavailableError(""));
    stream = TakeStream();
    EXPECT_EQ(Request(stream).start_case(), c.asked);
    Send(stream, CaughtUpAt(41));
    Break(stream, absl::UnavailableError(""));
    stream = TakeStream();
    EXPECT_EQ(Request(stream).start_seq(), c.after_caught_up);
    EXPECT_EQ(Request(stream).start_case(),
              c.after_caught_up == 0 ? c.asked : v1::TailRequest::kStartSeq);
    Send(stream, Records(42, 1));
    Break(stream, absl::UnavailableError(""));
    EXPECT_EQ(Request(TakeStream()).start_seq(), 43u);
  }
}

TEST_F(TailerTest, MarksReachTheConsumer) {
  Open(TailStart::AtSeq(Seq{1}));
  const ScriptedStreamPtr stream = TakeStream();
  v1::TailResponse message = Records(1, 1);
  message.mutable_caught_up()->set_seq(1);
  message.mutable_caught_up()->set_chain(ChainAt(1));
  message.mutable_caught_up()->set_age_us(700);
  message.add_renewed()->set_epoch(9);
  Send(stream, message);
  const TailEvent event = *tailer_->Next();
  ASSERT_TRUE(event.caught_up.has_value());
  EXPECT_EQ(event.caught_up->age, absl::Microseconds(700));
  ASSERT_EQ(event.renewed.size(), 1u);
  ASSERT_TRUE(tailer_->caught_up().has_value());
  EXPECT_EQ(tailer_->caught_up()->seq, Seq{1});
  // A message that only says who the log is, is no event.
  v1::TailResponse first;
  first.set_log_id(7);
  Send(stream, first);
  EXPECT_EQ(End().code(), StatusCode::kDeadlineExceeded);
}

TEST_F(TailerTest, ASilentStreamIsReplaced) {
  Open(TailStart::AtSeq(Seq{1}));
  const ScriptedStreamPtr first = TakeStream();
  for (int i = 0; i < 10; ++i) {
    client_.time().Advance(4 * kSecond);
    Send(first, Heartbeat(0));
  }
  EXPECT_EQ(tailer_->Disconnected(), absl::ZeroDuration());
  TakeSeqs();
  client_.time().Advance(5 * kSecond - 1);
  EXPECT_FALSE(HasStream());
  client_.time().Advance(1);
  EXPECT_TRUE(first->destroyed);
  const ScriptedStreamPtr second = TakeStream();
  EXPECT_NE(second->endpoint, first->endpoint);
  client_.time().Advance(kSecond);
  EXPECT_EQ(tailer_->Disconnected(), absl::Seconds(1));
  Send(second, Heartbeat(0));
  EXPECT_EQ(tailer_->Disconnected(), absl::ZeroDuration());
}

TEST_F(TailerTest, AReplicaWithoutAQuorumIsLeftForAnother) {
  Open(TailStart::AtSeq(Seq{1}));
  const ScriptedStreamPtr first = TakeStream();
  Send(first, Heartbeat(0, /*stale=*/true));
  client_.time().Advance(2 * kSecond);
  Send(first, Heartbeat(0, /*stale=*/true));
  EXPECT_FALSE(HasStream());
  client_.time().Advance(kSecond);
  const ScriptedStreamPtr second = TakeStream();
  EXPECT_NE(second->endpoint, first->endpoint);
  // One that hears its leader again stays.
  Send(second, Heartbeat(0, /*stale=*/true));
  client_.time().Advance(2 * kSecond);
  Send(second, Heartbeat(0));
  client_.time().Advance(4 * kSecond);
  EXPECT_FALSE(HasStream());
}

TEST_F(TailerTest, ASlowConsumerHoldsTheServerBack) {
  Open(TailStart::AtSeq(Seq{1}), /*max_buffer_bytes=*/20'000);
  const ScriptedStreamPtr stream = TakeStream();
  uint64_t sent = 0;
  while (stream->credit > 0) {
    ASSERT_LT(sent, 50u) << "the stream is read without a bound";
    Send(stream, Records(++sent, 1, /*payload_bytes=*/5'000));
  }
  EXPECT_GE(sent, 4u);
  EXPECT_LE(sent, 4u + 4u) << "the bound, and what was under way";
  // Silence means nothing while it is the consumer who is slow.
  client_.time().Advance(60 * kSecond);
  EXPECT_FALSE(HasStream());
  ASSERT_TRUE(tailer_->Next().ok());
  client_.time().Run();
  EXPECT_EQ(stream->credit, 0) << "not on and off at each event";
  while (tailer_->Next(absl::ZeroDuration()).ok()) {
  }
  client_.time().Run();
  EXPECT_GT(stream->credit, 0);
  // And from here on silence counts again.
  client_.time().Advance(5 * kSecond);
  EXPECT_TRUE(HasStream());
}

TEST_F(TailerTest, WhatIsFinalAndWhatIsNot) {
  struct Case {
    v1::Reason reason;
    StatusCode code;
    bool final;
  };
  const Case cases[] = {
      {v1::REASON_TRIMMED, StatusCode::kOutOfRange, true},
      {v1::REASON_LOG_RECREATED, StatusCode::kFailedPrecondition, true},
      {v1::REASON_PERMISSION_DENIED, StatusCode::kPermissionDenied, true},
      {v1::REASON_UNAUTHENTICATED, StatusCode::kUnauthenticated, true},
      {v1::REASON_INVALID, StatusCode::kInvalidArgument, true},
      {v1::REASON_SHUTTING_DOWN, StatusCode::kUnavailable, false},
      {v1::REASON_NOT_READY, StatusCode::kUnavailable, false},
      {v1::REASON_OVERLOADED, StatusCode::kResourceExhausted, false},
      {v1::REASON_LOG_NOT_FOUND, StatusCode::kNotFound, false},
      {v1::REASON_SEQ_IN_FUTURE, StatusCode::kOutOfRange, false},
      {v1::REASON_LOG_HALTED, StatusCode::kDataLoss, false},
      {v1::REASON_UNSPECIFIED, StatusCode::kUnavailable, false},
      {v1::REASON_UNSPECIFIED, StatusCode::kOk, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(v1::Reason_Name(c.reason));
    Open(TailStart::AtSeq(Seq{1}));
    const ScriptedStreamPtr stream = TakeStream();
    Break(stream, c.reason == v1::REASON_UNSPECIFIED ? absl::Status(c.code, "")
                                                     : Refusal(c.reason, c.code));
    client_.time().Advance(kSecond / 10);
    EXPECT_EQ(HasStream(), !c.final);
    const auto reason = c.final ? static_cast<Reason>(c.reason) : Reason::kUnspecified;
    EXPECT_EQ(GetReason(End()), reason);
    client_.script().streams.clear();
  }
}

TEST_F(TailerTest, WhoAsksForItOutlivesDenials) {
  std::vector<Reason> denied;
  TailerOptions options;
  options.start = TailStart::AtSeq(Seq{5});
  options.on_denied = [&](const absl::Status& why) { denied.push_back(GetReason(why)); };
  tailer_ = *Tailer::Open(client_.log(), std::move(options));
  const ScriptedStreamPtr first = TakeStream();
  Send(first, Records(5, 2));
  Break(first, Refusal(v1::REASON_UNAUTHENTICATED, StatusCode::kUnauthenticated));
  for (int i = 0; i < 20; ++i) {
    client_.time().Advance(kSecond);
    Break(TakeStream(), Refusal(v1::REASON_PERMISSION_DENIED, StatusCode::kPermissionDenied));
  }
  EXPECT_EQ(denied.size(), 21u);
  EXPECT_EQ(denied.front(), Reason::kUnauthenticated);
  EXPECT_EQ(denied.back(), Reason::kPermissionDenied);
  client_.time().Advance(kSecond);
  const ScriptedStreamPtr last = TakeStream();
  EXPECT_EQ(Request(last).start_seq(), 7u) << "it goes on where it was";
  Send(last, Records(7, 1));
  EXPECT_THAT(TakeSeqs(), ElementsAre(5, 6, 7));
  Break(last, Refusal(v1::REASON_TRIMMED, StatusCode::kOutOfRange));
  EXPECT_EQ(GetReason(End()), Reason::kTrimmed);
}

TEST_F(TailerTest, ASeqPastTheEndIsBelievedOnlyAtTheStart) {
  const auto refuse_for_long = [&](ScriptedStreamPtr stream) {
    for (int i = 0; i < 400 && tailer_->Next(absl::ZeroDuration()).status().code() ==
                                   StatusCode::kDeadlineExceeded;
         ++i) {
      Break(stream, Refusal(v1::REASON_SEQ_IN_FUTURE, StatusCode::kOutOfRange));
      client_.time().Advance(20'000);
      if (HasStream()) stream = TakeStream();
    }
  };
  // Every replica says so, again and again: the consumer's state is not of this log.
  Open(TailStart::AtSeq(Seq{1000}));
  refuse_for_long(TakeStream());
  EXPECT_EQ(GetReason(End()), Reason::kSeqInFuture);
  // What was once delivered exists: then it is the replicas that lag.
  Open(TailStart::AtSeq(Seq{1000}));
  const ScriptedStreamPtr stream = TakeStream();
  Send(stream, Records(1000, 1));
  TakeSeqs();
  refuse_for_long(stream);
  EXPECT_EQ(End().code(), StatusCode::kDeadlineExceeded) << "it goes on trying";
}

TEST_F(TailerTest, CloseEndsItBehindWhatWaits) {
  Open(TailStart::AtSeq(Seq{1}));
  const ScriptedStreamPtr stream = TakeStream();
  Send(stream, Records(1, 2));
  tailer_->Close();
  client_.time().Run();
  EXPECT_TRUE(stream->destroyed);
  EXPECT_THAT(TakeSeqs(), ElementsAre(1, 2));
  EXPECT_EQ(End().code(), StatusCode::kCancelled);
  client_.time().Advance(60 * kSecond);
  EXPECT_FALSE(HasStream());
}

TEST_F(TailerTest, CallbacksComeInOrderAndEndWithTheError) {
  std::vector<std::string> told;
  TailerOptions options;
  options.start = TailStart::AtSeq(Seq{1});
  options.on_event = [&](const TailEvent& event) {
    told.push_back(std::to_string(event.batches.at(0).first_seq.value()));
  };
  options.on_error = [&](const absl::Status& status) {
    told.push_back(std::string(ReasonName(GetReason(status))));
  };
  tailer_ = *Tailer::Open(client_.log(), std::move(options));
  const ScriptedStreamPtr stream = TakeStream();
  Send(stream, Records(1, 2));
  Send(stream, Records(3, 1));
  EXPECT_EQ(tailer_->next_seq(), Seq{4});
  Break(stream, Refusal(v1::REASON_LOG_RECREATED, StatusCode::kFailedPrecondition));
  EXPECT_THAT(told, ElementsAre("1", "3", "LOG_RECREATED"));
  tailer_.reset();
  EXPECT_EQ(told.size(), 3u);
}

TEST_F(TailerTest, TheDestructorSilencesCallbacks) {
  std::vector<std::string> told;
  TailerOptions options;
  options.on_event = [&](const TailEvent&) { told.emplace_back("event"); };
  options.on_error = [&](const absl::Status&) { told.emplace_back("error"); };
  tailer_ = *Tailer::Open(client_.log(), std::move(options));
  const ScriptedStreamPtr stream = TakeStream();
  ScriptedStream::Send(stream, Records(1, 1));
  // The message is on its way to the client thread when the owner goes.
  stream->destroyed = true;
  tailer_.reset();
  client_.time().Run();
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(TailerTest, BadOptionsAreRefused) {
  const auto code = [&](auto change) {
    TailerOptions options;
    change(options);
    return Tailer::Open(client_.log(), std::move(options)).status().code();
  };
  using Options = TailerOptions;
  EXPECT_EQ(code([](Options& o) { o.heartbeat = absl::Milliseconds(9); }),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Options& o) { o.heartbeat = absl::Seconds(61); }),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Options& o) { o.start = TailStart::AtSeq(Seq{}); }),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](Options& o) { o.max_buffer_bytes = 0; }), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace cairn::client
