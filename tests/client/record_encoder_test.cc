// Records are encoded by hand; protobuf itself is the judge of the result.

#include "client/src/record_encoder.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "client/src/send_buffer.h"
#include "google/protobuf/util/message_differencer.h"

namespace cairn::client {
namespace {

std::vector<NewRecord> AwkwardRecords() {
  std::vector<NewRecord> records = {
      {"", {}}, {"a", {}}, {"", {{"k", "v"}}}, {"p", {{"", ""}, {"empty value", ""}}}};
  // Around each border of a length's varint.
  for (size_t size : {126u, 127u, 128u, 129u, 16'383u, 16'384u, 2'097'151u, 2'097'152u}) {
    records.push_back({std::string(size, '\x80'), {{"size", std::to_string(size)}}});
  }
  return records;
}

TEST(RecordEncoderTest, ProtobufReadsWhatWasWritten) {
  const std::vector<NewRecord> records = AwkwardRecords();
  auto region = std::make_shared<std::string>();
  for (const NewRecord& record : records) {
    const size_t before = region->size();
    EncodeRecord(record.payload, record.metadata, *region);
    EXPECT_EQ(region->size() - before, EncodedRecordSize(record.payload, record.metadata));
  }
  v1::AppendRequest head;
  head.set_log("orders");
  head.set_log_id(7);
  head.mutable_condition()->set_if_last_seq(0);
  v1::AppendRequest parsed;
  ASSERT_TRUE(parsed.ParseFromString(EncodeAppend(head, region).Joined()));
  EXPECT_EQ(parsed.log(), "orders");
  EXPECT_TRUE(parsed.condition().has_if_last_seq());
  ASSERT_EQ(parsed.records_size(), static_cast<int>(records.size()));
  for (size_t i = 0; i < records.size(); ++i) {
    const v1::Record& got = parsed.records(static_cast<int>(i));
    EXPECT_TRUE(got.payload() == records[i].payload) << "record " << i;
    const RecordMetadata metadata(got.metadata().begin(), got.metadata().end());
    EXPECT_EQ(metadata, records[i].metadata);
  }

  v1::AppendStreamRequest streamed;
  ASSERT_TRUE(streamed.ParseFromString(EncodeStreamAppend(head, region).Joined()));
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(streamed.append(), parsed));
}

TEST(RecordEncoderTest, ARequestMayHoldNoRecords) {
  v1::AppendRequest head;
  head.set_log("orders");
  v1::AppendStreamRequest streamed;
  ASSERT_TRUE(streamed.ParseFromString(EncodeStreamAppend(head, nullptr).Joined()));
  EXPECT_EQ(streamed.append().log(), "orders");
  EXPECT_EQ(streamed.append().records_size(), 0);
}

class SendBufferTest : public testing::Test {
 protected:
  static constexpr size_t kRecordBytes = 12;  // 8 of payload, two headers of 2.

  void Add(SendBuffer& buffer, size_t count = 1) {
    buffer.Reserve(count * kRecordBytes, count, /*now_us=*/5);
    for (size_t i = 0; i < count; ++i) buffer.Add("12345678", {});
  }
};

TEST_F(SendBufferTest, CutsAtBytesAndAtRecords) {
  SendBuffer by_bytes(/*max_request_bytes=*/3 * kRecordBytes, /*max_request_records=*/100);
  SendBuffer by_records(/*max_request_bytes=*/1000, /*max_request_records=*/3);
  for (SendBuffer* buffer : {&by_bytes, &by_records}) {
    for (int i = 0; i < 7; ++i) Add(*buffer);
    std::vector<uint64_t> counts;
    uint64_t next_ticket = 1;
    while (auto batch = buffer->Take(/*partial=*/true)) {
      EXPECT_EQ(batch->first_ticket, next_ticket);
      EXPECT_EQ(batch->region->size(), batch->count * kRecordBytes);
      next_ticket += batch->count;
      counts.push_back(batch->count);
    }
    EXPECT_EQ(counts, (std::vector<uint64_t>{3, 3, 1}));
    EXPECT_EQ(buffer->last_ticket(), 7u);
  }
}

TEST_F(SendBufferTest, NeverPartsWhatMustStayTogether) {
  SendBuffer buffer(/*max_request_bytes=*/3 * kRecordBytes, /*max_request_records=*/100);
  Add(buffer, 2);
  Add(buffer, 2);  // Does not fit behind the first two.
  Add(buffer, 5);  // Passes the bound by itself: one request all the same.
  std::vector<uint64_t> counts;
  while (auto batch = buffer.Take(/*partial=*/true)) counts.push_back(batch->count);
  EXPECT_EQ(counts, (std::vector<uint64_t>{2, 2, 5}));
}

TEST_F(SendBufferTest, AnOpenRegionLeavesOnlyWhenAskedFor) {
  SendBuffer buffer(/*max_request_bytes=*/2 * kRecordBytes, /*max_request_records=*/100);
  EXPECT_FALSE(buffer.Take(/*partial=*/true).has_value());
  Add(buffer);
  EXPECT_TRUE(buffer.has_open());
  EXPECT_EQ(buffer.open_since_us(), 5);
  EXPECT_FALSE(buffer.Take(/*partial=*/false).has_value());
  Add(buffer);
  Add(buffer);
  EXPECT_TRUE(buffer.has_sealed());
  EXPECT_EQ(buffer.Take(/*partial=*/false)->count, 2u);
  EXPECT_FALSE(buffer.Take(/*partial=*/false).has_value());
  EXPECT_EQ(buffer.Take(/*partial=*/true)->count, 1u);
}

}  // namespace
}  // namespace cairn::client
