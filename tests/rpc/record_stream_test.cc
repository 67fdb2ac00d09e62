// Read and Tail on a real node: raw bytes as they were appended, exact ranges, marks, and flow
// control towards a caller that is slow or gone.

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/rpc/test_node.h"

namespace cairn::rpc {
namespace {

class RecordStreamTest : public ::testing::Test {
 protected:
  void SetUp() override { id_ = cluster_.Create("orders"); }
  TestNode& node() { return cluster_[0]; }

  v1::AppendResponse Append(const v1::AppendRequest& request) {
    v1::AppendResponse response;
    const grpc::Status status =
        Call(*node().log, &v1::LogService::Stub::Append, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  // Appends `count` records of `bytes` each, in batches.
  v1::AppendResponse Fill(uint64_t count, size_t bytes, uint64_t per_batch = 10) {
    v1::AppendResponse last;
    for (uint64_t done = 0; done < count;) {
      v1::AppendRequest request;
      request.set_log("orders");
      for (uint64_t i = 0; i < per_batch && done < count; ++i, ++done) {
        request.add_records()->set_payload(std::to_string(done) + std::string(bytes, 'x'));
      }
      last = Append(request);
    }
    return last;
  }
  v1::ReadRequest Read(uint64_t start_seq = 0, uint64_t end_seq = 0) const {
    v1::ReadRequest request;
    request.set_log("orders");
    request.set_log_id(id_);
    request.set_start_seq(start_seq);
    request.set_end_seq(end_seq);
    return request;
  }
  v1::TailRequest Tail(uint64_t start_seq) const {
    v1::TailRequest request;
    request.set_log("orders");
    request.set_start_seq(start_seq);
    request.set_heartbeat_ms(50);
    return request;
  }
  // First and last seq of what a read returns; checks that it has no holes.
  struct Range {
    uint64_t first = 0;
    uint64_t last = 0;
    uint64_t last_chain = 0;
    bool operator==(const Range&) const = default;
  };
  Range Ask(const v1::ReadRequest& request) {
    grpc::ClientContext context;
    auto reader = node().log->Read(&context, request);
    Range range;
    v1::ReadResponse response;
    while (reader->Read(&response)) {
      EXPECT_FALSE(response.stale());
      for (const v1::RecordBatch& batch : response.batches()) {
        if (range.first == 0) range.first = batch.first_seq();
        EXPECT_EQ(batch.first_seq(), range.last == 0 ? range.first : range.last + 1);
        EXPECT_GT(batch.records_size(), 0);
        range.last = batch.first_seq() + static_cast<uint64_t>(batch.records_size()) - 1;
        range.last_chain = batch.chain();
      }
    }
    const grpc::Status status = reader->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return range;
  }

  TestCluster cluster_{1};
  uint64_t id_ = 0;
};

TEST_F(RecordStreamTest, RangesAreExact) {
  const v1::AppendResponse end = Fill(100, 10);
  struct Case {
    const char* name;
    v1::ReadRequest request;
    uint64_t first;
    uint64_t last;
  };
  const auto limited = [](v1::ReadRequest request, uint64_t most) {
    request.set_max_records(most);
    return request;
  };
  const Case cases[] = {
      {"all", Read(), 1, 100},
      {"from the middle of a batch", Read(35), 35, 100},
      {"to the middle of a batch", Read(1, 37), 1, 37},
      {"one record", Read(42, 42), 42, 42},
      {"the last record", Read(100), 100, 100},
      {"past the end is cut there", Read(95, 1000), 95, 100},
      {"just behind the end is empty", Read(101), 0, 0},
      {"by count", limited(Read(5), 13), 5, 17},
      {"by count and end", limited(Read(5, 8), 13), 5, 8},
  };
  for (const Case& c : cases) {
    for (const bool linearizable : {false, true}) {
      SCOPED_TRACE(c.name);
      v1::ReadRequest request = c.request;
      request.set_linearizable(linearizable);
      const Range range = Ask(request);
      EXPECT_EQ(range.first, c.first);
      EXPECT_EQ(range.last, c.last);
      // A batch that was cut has no chain to show.
      if (c.last == 100) {
        EXPECT_EQ(range.last_chain, end.chain());
      }
    }
  }
}

TEST_F(RecordStreamTest, TimestampsFindTheirPlace) {
  std::vector<v1::AppendResponse> appended;
  for (int i = 0; i < 5; ++i) appended.push_back(Fill(1, 1));
  for (const v1::AppendResponse& response : appended) {
    v1::ReadRequest request = Read();
    request.set_start_timestamp_us(response.timestamp_us());
    const Range range = Ask(request);
    // The first record at or after it: an equal timestamp may stand before.
    EXPECT_LE(range.first, response.first_seq());
    EXPECT_EQ(range.last, 5u);
  }
  v1::ReadRequest future = Read();
  future.set_start_timestamp_us(appended.back().timestamp_us() + 3'600'000'000);
  EXPECT_EQ(Ask(future), Range{});
}

TEST_F(RecordStreamTest, RecordsComeBackAsTheyWere) {
  v1::AppendRequest request;
  request.set_log("orders");
  request.add_records();  // Empty.
  request.add_records()->set_payload(std::string(100 << 10, '\0'));
  v1::Record* tagged = request.add_records();
  tagged->set_payload(std::string("\xff\0\x80", 3));
  (*tagged->mutable_metadata())["key"] = "value";
  const v1::AppendResponse appended = Append(request);
  grpc::ClientContext context;
  auto reader = node().log->Read(&context, Read());
  v1::ReadResponse response;
  ASSERT_TRUE(reader->Read(&response));
  ASSERT_EQ(response.batches_size(), 1);
  const v1::RecordBatch& batch = response.batches(0);
  EXPECT_EQ(batch.chain(), appended.chain());
  EXPECT_EQ(batch.timestamp_us(), appended.timestamp_us());
  ASSERT_EQ(batch.records_size(), 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(batch.records(i).SerializeAsString(), request.records(i).SerializeAsString());
  }
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(RecordStreamTest, ATailTellsItsLogItsRecordsAndThatItHasCaughtUp) {
  Fill(20, 10);
  grpc::ClientContext context;
  auto tail = node().log->Tail(&context, Tail(1));
  v1::TailResponse message;
  uint64_t next = 1;
  uint64_t chain = 0;
  bool first = true;
  bool caught_up = false;
  while (!caught_up) {
    ASSERT_TRUE(tail->Read(&message));
    EXPECT_EQ(message.log_id(), first ? id_ : 0u);
    first = false;
    for (const v1::RecordBatch& batch : message.batches()) {
      EXPECT_EQ(batch.first_seq(), next);
      next += static_cast<uint64_t>(batch.records_size());
      chain = batch.chain();
    }
    caught_up = message.has_caught_up();
  }
  EXPECT_EQ(next, 21u);
  EXPECT_EQ(message.caught_up().seq(), 20u);
  EXPECT_EQ(message.caught_up().chain(), chain);
  // Then heartbeats while nothing happens, and what is appended at once.
  while (!message.has_heartbeat()) ASSERT_TRUE(tail->Read(&message));
  EXPECT_EQ(message.heartbeat().last_seq(), 20u);
  EXPECT_FALSE(message.heartbeat().stale());
  const v1::AppendResponse appended = Fill(1, 1);
  do {
    ASSERT_TRUE(tail->Read(&message));
  } while (message.batches_size() == 0);
  EXPECT_EQ(message.batches(0).first_seq(), 21u);
  EXPECT_EQ(message.batches(0).chain(), appended.chain());
  context.TryCancel();
  while (tail->Read(&message)) {
  }
  EXPECT_EQ(tail->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return node().node().metrics().open_tails.Value() == 0; }));
}

TEST_F(RecordStreamTest, RenewalsAreMarksOfTheTail) {
  v1::AcquireRequest acquire;
  acquire.set_log("orders");
  acquire.set_log_id(id_);
  acquire.set_holder("me");
  acquire.set_ttl_ms(60'000);
  v1::AcquireResponse granted;
  ASSERT_TRUE(Call(*node().lease, &v1::LeaseService::Stub::Acquire, acquire, &granted).ok());
  grpc::ClientContext context;
  auto tail = node().log->Tail(&context, Tail(1));
  v1::RenewRequest renew;
  renew.set_log("orders");
  renew.set_log_id(id_);
  renew.set_epoch(granted.epoch());
  v1::TailResponse message;
  do {
    ASSERT_TRUE(tail->Read(&message));
  } while (!message.has_caught_up());
  ASSERT_TRUE(Call(*node().lease, &v1::LeaseService::Stub::Renew, renew).ok());
  do {
    ASSERT_TRUE(tail->Read(&message));
    EXPECT_EQ(message.batches_size(), 0) << "a renewal takes no seq";
  } while (message.renewed_size() == 0);
  EXPECT_EQ(message.renewed(0).name(), "primary");
  EXPECT_EQ(message.renewed(0).epoch(), granted.epoch());
  context.TryCancel();
}

TEST_F(RecordStreamTest, ASlowReaderIsNotSentMoreThanItTakes) {
  constexpr uint64_t kRecords = 640;
  Fill(kRecords, 100'000);  // 64 MB.
  grpc::ClientContext context;
  auto tail = node().log->Tail(&context, Tail(1));
  // Nobody reads. What leaves is bounded by the credit and by the transport's window.
  double sent = 0;
  int calm_polls = 0;
  ASSERT_TRUE(Eventually([&] {
    const double before = std::exchange(sent, node().node().metrics().tail_bytes_total.Value());
    calm_polls = sent > 0 && sent == before ? calm_polls + 1 : 0;
    return calm_polls == 100;
  }));
  EXPECT_LT(sent, 24e6);
  // Nothing was lost by the waiting.
  uint64_t next = 1;
  v1::TailResponse message;
  while (next <= kRecords) {
    ASSERT_TRUE(tail->Read(&message));
    for (const v1::RecordBatch& batch : message.batches()) {
      ASSERT_EQ(batch.first_seq(), next);
      next += static_cast<uint64_t>(batch.records_size());
    }
  }
  context.TryCancel();
}

// One has what the node may hold, the others a little at a time: records larger than that, too.
TEST(ReaderBudgetTest, WhoComesWhenItIsSpentGetsEverythingToo) {
  constexpr int kReaders = 12;
  TestCluster cluster(1, [](server::NodeConfig& config) { config.reader_bytes = 4 << 20; });
  cluster.Create("orders");
  v1::AppendRequest request;
  request.set_log("orders");
  for (int i = 0; i < 100; ++i) request.add_records()->set_payload(std::string(100'000, 'x'));
  v1::AppendResponse appended;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(Call(*cluster[0].log, &v1::LogService::Stub::Append, request, &appended).ok());
  }
  v1::TailRequest tail;
  tail.set_log("orders");
  tail.set_start_seq(1);
  std::vector<grpc::ClientContext> contexts(kReaders);
  std::vector<std::unique_ptr<grpc::ClientReader<v1::TailResponse>>> tails;
  std::vector<std::shared_ptr<grpc::Channel>> channels;  // Each with a window of its own.
  for (grpc::ClientContext& context : contexts) {
    channels.push_back(ChannelTo(cluster[0].address()));
    tails.push_back(v1::LogService::NewStub(channels.back())->Tail(&context, tail));
  }
  // Whoever reads gets all of it.
  for (const auto& reader : tails) {
    v1::TailResponse message;
    for (uint64_t next = 1; next <= 400;) {
      ASSERT_TRUE(reader->Read(&message));
      for (const v1::RecordBatch& batch : message.batches()) {
        ASSERT_EQ(batch.first_seq(), next);
        next += static_cast<uint64_t>(batch.records_size());
      }
    }
  }
  for (grpc::ClientContext& context : contexts) context.TryCancel();
}

TEST_F(RecordStreamTest, ManyTailsThatComeAndGo) {
  Fill(50, 1000);
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([this, t] {
      for (int i = 0; i < 50; ++i) {
        grpc::ClientContext context;
        auto tail = node().log->Tail(&context, Tail(1));
        v1::TailResponse message;
        // Some leave before the first message, some in the middle.
        for (int reads = (t + i) % 4; reads > 0 && tail->Read(&message); --reads) {
        }
        context.TryCancel();
        tail->Finish();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_TRUE(Eventually([&] { return node().node().metrics().open_tails.Value() == 0; }));
  EXPECT_EQ(Ask(Read()).last, 50u);
}

TEST_F(RecordStreamTest, AStoppingNodeEndsItsTailsWithAReason) {
  grpc::ClientContext context;
  auto tail = node().log->Tail(&context, Tail(1));
  v1::TailResponse message;
  ASSERT_TRUE(tail->Read(&message));
  std::thread stopper([&] { node().Stop(); });
  while (tail->Read(&message)) {
  }
  const grpc::Status status = tail->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), v1::REASON_SHUTTING_DOWN);
  stopper.join();
}

}  // namespace
}  // namespace cairn::rpc
