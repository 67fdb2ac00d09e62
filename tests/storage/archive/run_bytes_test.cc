#include "storage/archive/run_bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/record_region.h"
#include "base/strings.h"
#include "cairn/v1/log.pb.h"

namespace cairn::archive {
namespace {

using ::testing::HasSubstr;

std::string Region(const std::vector<std::string>& payloads) {
  std::string region;
  for (const std::string& payload : payloads) {
    cairn::v1::Record record;
    record.set_payload(payload);
    AppendRecordTo(region, record.SerializeAsString());
  }
  return region;
}

RunBuilder Sample() {
  RunBuilder run(Seq(41), /*chain_before=*/7);
  EXPECT_TRUE(run.Add(1000, Region({"one", "two"})).ok());
  EXPECT_TRUE(run.Add(1000, Region({""})).ok());
  EXPECT_TRUE(run.Add(2000, Region({std::string(5000, 'x')})).ok());
  return run;
}

TEST(RunBytesTest, WhatIsBuiltIsVerified) {
  const RunBuilder built = Sample();
  EXPECT_EQ(built.name().first_seq, Seq(41));
  EXPECT_EQ(built.name().last_seq, Seq(44));
  EXPECT_EQ(built.name().timestamp_us, 2000);
  const auto run = Run::Verify(built.name(), built.bytes());
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_EQ(run->batches().size(), 3u);
  EXPECT_EQ(run->batches()[0].count, 2u);
  EXPECT_EQ(run->batches()[0].records, Region({"one", "two"}));
  EXPECT_EQ(run->batches()[1].first_seq, Seq(43));
  EXPECT_EQ(run->batches()[2].timestamp_us, 2000);
  EXPECT_EQ(run->batches()[2].chain, built.chain());
}

TEST(RunBytesTest, ABlockIsARecordBatch) {
  const RunBuilder built = Sample();
  cairn::v1::RecordBatch batch;
  uint32_t length = 0;
  built.bytes().copy(reinterpret_cast<char*>(&length), sizeof length);
  ASSERT_TRUE(batch.ParseFromString(built.bytes().substr(12, length)));
  EXPECT_EQ(batch.first_seq(), 41u);
  EXPECT_EQ(batch.records(1).payload(), "two");
}

TEST(RunBytesTest, EveryFlippedBitIsFound) {
  const RunBuilder built = Sample();
  for (size_t bit = 0; bit < built.bytes().size() * 8; bit += 3) {
    std::string bytes = built.bytes();
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    const auto run = Run::Verify(built.name(), bytes);
    EXPECT_TRUE(absl::IsDataLoss(run.status())) << "bit " << bit;
  }
}

TEST(RunBytesTest, EveryCutIsFound) {
  const RunBuilder built = Sample();
  for (size_t size = 0; size < built.bytes().size(); size += 7) {
    EXPECT_FALSE(Run::Verify(built.name(), built.bytes().substr(0, size)).ok()) << size;
  }
}

TEST(RunBytesTest, ARunUnderAnothersNameIsRefused) {
  const RunBuilder built = Sample();
  RunName name = built.name();
  name.chain_before ^= 1;
  const auto run = Run::Verify(name, built.bytes());
  ASSERT_FALSE(run.ok());
  EXPECT_THAT(std::string(ToStd(run.status().message())), HasSubstr("its name says"));
  name = built.name();
  name.last_seq = Seq(45);
  EXPECT_FALSE(Run::Verify(name, built.bytes()).ok());
  name = built.name();
  name.first_seq = Seq(40);
  EXPECT_FALSE(Run::Verify(name, built.bytes()).ok());
}

TEST(RunBytesTest, WhatIsNotWholeIsNotAdded) {
  RunBuilder run(Seq(1), 0);
  EXPECT_TRUE(absl::IsDataLoss(run.Add(1, "")));
  EXPECT_TRUE(absl::IsDataLoss(run.Add(1, Region({"a record"}).substr(0, 5))));
  EXPECT_TRUE(run.empty());
}

}  // namespace
}  // namespace cairn::archive
