// Bounded reads over a scripted transport: whole although streams break, and never longer than
// their time.

#include "client/src/read_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "cairn/log.h"
#include "cairn/v1/log.pb.h"
#include "tests/client/scripted_stub.h"

namespace cairn::client {
namespace {

using absl::StatusCode;
using testing::ElementsAre;

v1::ReadResponse Records(uint64_t first_seq, uint64_t count) {
  v1::ReadResponse response;
  v1::RecordBatch* batch = response.add_batches();
  batch->set_first_seq(first_seq);
  for (uint64_t i = 0; i < count; ++i) batch->add_records()->set_payload("p");
  return response;
}

class ReadStreamTest : public testing::Test {
 protected:
  // Destroyed before the client.
  struct Reading {
    std::optional<ReadStream> stream;
  };

  void Read(const ReadOptions& options) { reading_.stream.emplace(client_.log().Read(options)); }
  ScriptedStreamPtr TakeStream() { return client_.TakeStream(); }
  static v1::ReadRequest Request(const ScriptedStreamPtr& stream) {
    return stream->Written<v1::ReadRequest>(0);
  }
  void Send(const ScriptedStreamPtr& stream, const v1::ReadResponse& response) {
    ScriptedStream::Send(stream, response);
    client_.time().Run();
  }
  void Close(const ScriptedStreamPtr& stream, const absl::Status& status) {
    ScriptedStream::Close(stream, status);
    client_.time().Run();
  }
  // Takes the next batch, which must be there.
  uint64_t TakeFirstSeq() {
    const auto batch = reading_.stream->Next();
    client_.time().Run();
    EXPECT_TRUE(batch.ok() && batch->has_value());
    return batch.ok() && batch->has_value() ? (*batch)->first_seq.value() : 0;
  }
  void ExpectEnd() {
    const auto end = reading_.stream->Next();
    ASSERT_TRUE(end.ok()) << end.status();
    EXPECT_FALSE(end->has_value());
  }

  ScriptedClient client_;
  Reading reading_;
};

TEST_F(ReadStreamTest, ResumesBehindWhatWasHandedOut) {
  ReadOptions options;
  options.start_seq = Seq{3};
  options.end_seq = Seq{9};
  options.max_records = 6;
  options.linearizable = true;
  Read(options);
  const ScriptedStreamPtr first = TakeStream();
  EXPECT_EQ(Request(first).start_seq(), 3u);
  EXPECT_EQ(Request(first).end_seq(), 9u);
  EXPECT_EQ(Request(first).max_records(), 6u);
  EXPECT_TRUE(Request(first).linearizable());
  Send(first, Records(3, 2));
  Close(first, absl::UnavailableError("reset"));
  const ScriptedStreamPtr second = TakeStream();
  EXPECT_NE(second->endpoint, first->endpoint);
  EXPECT_EQ(Request(second).start_seq(), 5u);
  EXPECT_EQ(Request(second).max_records(), 4u);
  EXPECT_EQ(Request(second).end_seq(), 9u);
  Send(second, Records(5, 4));
  EXPECT_EQ(TakeFirstSeq(), 3u);
  EXPECT_EQ(TakeFirstSeq(), 5u);
  Close(second, absl::OkStatus());
  ExpectEnd();
  ExpectEnd();
}

TEST_F(ReadStreamTest, ABreakBehindTheLastRecordIsTheEnd) {
  for (const bool by_count : {true, false}) {
    ReadOptions options;
    options.start_seq = Seq{1};
    if (by_count) options.max_records = 2;
    if (!by_count) options.end_seq = Seq{2};
    Read(options);
    const ScriptedStreamPtr stream = TakeStream();
    Send(stream, Records(1, 2));
    Close(stream, absl::UnavailableError("reset"));
    EXPECT_EQ(TakeFirstSeq(), 1u);
    ExpectEnd();
  }
}

TEST_F(ReadStreamTest, AReplicaThatLagsIsNotTheLogsEnd) {
  ReadOptions options;
  options.start_seq = Seq{1};
  Read(options);
  ScriptedStreamPtr stream = TakeStream();
  Send(stream, Records(1, 5));
  Close(stream, absl::UnavailableError("reset"));
  // The next node has not heard of seq 5 yet.
  stream = TakeStream();
  EXPECT_EQ(Request(stream).start_seq(), 6u);
  Close(stream, Refusal(v1::REASON_SEQ_IN_FUTURE, StatusCode::kOutOfRange));
  client_.time().Advance(50'000);
  stream = TakeStream();
  Send(stream, Records(6, 1));
  Close(stream, absl::OkStatus());
  EXPECT_EQ(TakeFirstSeq(), 1u);
  EXPECT_EQ(TakeFirstSeq(), 6u);
  ExpectEnd();
}

TEST_F(ReadStreamTest, ASeqThatNobodyHasIsRefused) {
  ReadOptions options;
  options.start_seq = Seq{100};
  Read(options);
  int asked = 0;
  while (client_.time().Run(), !client_.script().streams.empty()) {
    ASSERT_LT(++asked, 100);
    Close(TakeStream(), Refusal(v1::REASON_SEQ_IN_FUTURE, StatusCode::kOutOfRange));
    client_.time().Advance(50'000);
  }
  EXPECT_EQ(GetReason(reading_.stream->Next().status()), Reason::kSeqInFuture);
}

TEST_F(ReadStreamTest, ReadsAheadWithinItsCredit) {
  Read({});
  const ScriptedStreamPtr stream = TakeStream();
  uint64_t seq = 0;
  while (stream->credit > 0) {
    ASSERT_LT(seq, 20u);
    Send(stream, Records(++seq, 1));
  }
  // A slow caller is no broken stream.
  client_.time().Advance(5 * kMicrosPerSecond);
  EXPECT_TRUE(client_.script().streams.empty());
  EXPECT_EQ(TakeFirstSeq(), 1u);
  EXPECT_EQ(stream->credit, 1);
}

TEST_F(ReadStreamTest, TimeAndRefusalsEndIt) {
  ReadOptions options;
  options.call.timeout = absl::Seconds(1);
  Read(options);
  ScriptedStreamPtr stream = TakeStream();
  client_.time().Advance(kMicrosPerSecond);
  EXPECT_EQ(reading_.stream->Next().status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(stream->destroyed);

  Read({});
  Close(TakeStream(), Refusal(v1::REASON_TRIMMED, StatusCode::kOutOfRange));
  EXPECT_EQ(GetReason(reading_.stream->Next().status()), Reason::kTrimmed);
}

TEST_F(ReadStreamTest, WrongRecordsAreDataLoss) {
  ReadOptions options;
  options.start_seq = Seq{3};
  options.max_records = 2;
  for (const v1::ReadResponse& wrong : {Records(4, 1), Records(3, 3), Records(3, 0)}) {
    Read(options);
    Send(TakeStream(), wrong);
    EXPECT_EQ(reading_.stream->Next().status().code(), StatusCode::kDataLoss);
  }
}

TEST_F(ReadStreamTest, StaleIsRemembered) {
  Read({});
  const ScriptedStreamPtr stream = TakeStream();
  EXPECT_FALSE(reading_.stream->stale());
  v1::ReadResponse response = Records(1, 1);
  response.set_stale(true);
  Send(stream, response);
  EXPECT_TRUE(reading_.stream->stale());
}

TEST_F(ReadStreamTest, AbandoningItCancelsTheStream) {
  Read({});
  const ScriptedStreamPtr stream = TakeStream();
  reading_.stream.reset();
  EXPECT_TRUE(stream->destroyed);
}

}  // namespace
}  // namespace cairn::client
