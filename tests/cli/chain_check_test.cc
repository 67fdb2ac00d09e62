#include "cli/chain_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/record_region.h"
#include "base/strings.h"
#include "cli/checksum.h"

namespace cairn::cli {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kSeed = 42;

struct Sample {
  std::vector<std::string> records = {"a", "b", "c", "d"};
  std::vector<uint64_t> chains = {kSeed};  // chains[i]: before record i.
  std::vector<SegmentInfo> segments;

  // Seqs 11 … 14, the second segment begins at 13.
  Sample() {
    for (const std::string& record : records) chains.push_back(ChainNext(chains.back(), record));
    segments.resize(3);
    segments[0] = {.first_seq = Seq{11}, .last_seq = Seq{12}, .chain_before = chains[0]};
    segments[1] = {.first_seq = Seq{13}, .last_seq = Seq{}, .chain_before = 7};  // No records.
    segments[2] = {.first_seq = Seq{13}, .last_seq = Seq{14}, .chain_before = chains[2]};
  }
};

// The first error that the check finds in `sample`.
absl::Status Check(const Sample& sample, Seq last_seq = Seq{14}) {
  ChainCheck check(sample.segments, Seq{11});
  Seq seq{11};
  for (const std::string& record : sample.records) {
    if (const absl::Status status = check.Add(seq, record); !status.ok()) return status;
    ++seq;
  }
  return check.Finish(last_seq, sample.chains.back());
}

TEST(ChainCheckTest, AnIntactReplicaPasses) {
  EXPECT_TRUE(Check(Sample()).ok());
  EXPECT_TRUE(ChainCheck({}, Seq{1}).Finish(Seq{}, kSeed).ok());
}

TEST(ChainCheckTest, DamageIsFoundAtItsSegmentOrAtTheEnd) {
  Sample first;
  first.records[1] = "B";
  EXPECT_THAT(std::string(ToStd(Check(first).message())), HasSubstr("the segment at seq 13"));
  Sample last;
  last.records[3] = "D";
  EXPECT_THAT(std::string(ToStd(Check(last).message())), HasSubstr("the chain at seq 14"));
  Sample swapped;
  std::swap(swapped.records[2], swapped.records[3]);
  EXPECT_EQ(Check(swapped).code(), absl::StatusCode::kDataLoss);
}

TEST(ChainCheckTest, MissingRecordsAreFound) {
  EXPECT_THAT(std::string(ToStd(Check(Sample(), Seq{15}).message())), HasSubstr("15 … 15"));
  ChainCheck check(Sample().segments, Seq{11});
  EXPECT_THAT(std::string(ToStd(check.Add(Seq{12}, "b").message())),
              HasSubstr("expected seq 11, found 12"));
}

TEST(ChainCheckTest, AServersChainIsComparedAfterEachBatch) {
  const Sample sample;
  ChainCheck check(sample.segments, Seq{11});
  ASSERT_TRUE(check.Add(Seq{11}, "a").ok());
  EXPECT_TRUE(check.ExpectChain(sample.chains[1]).ok());
  EXPECT_TRUE(check.ExpectChain(0).ok());  // None given.
  EXPECT_EQ(check.ExpectChain(sample.chains[2]).code(), absl::StatusCode::kDataLoss);
}

// Records 1 to 11 of the first segment are trimmed: no chain leads to the first one that is served.
TEST(ChainCheckTest, ATrimInsideOfASegmentIsNoDamage) {
  const Sample sample;
  const auto check_from_12 = [&](const std::vector<std::string>& records, uint64_t first_chain) {
    ChainCheck check(sample.segments, Seq{12});
    EXPECT_EQ(check.next_seq(), Seq{12});
    Seq seq{12};
    for (const std::string& record : records) {
      absl::Status status = check.Add(seq, record);
      if (status.ok() && seq == Seq{12}) status = check.ExpectChain(first_chain);
      if (!status.ok()) return status;
      ++seq;
    }
    return check.Finish(Seq{14}, sample.chains.back());
  };
  EXPECT_TRUE(check_from_12({"b", "c", "d"}, sample.chains[2]).ok());
  EXPECT_TRUE(check_from_12({"b", "c", "d"}, 0).ok()) << "the next segment's is as good";
  EXPECT_FALSE(check_from_12({"b", "c", "D"}, sample.chains[2]).ok());
  EXPECT_FALSE(check_from_12({"b", "c", "d"}, sample.chains[1]).ok());
  EXPECT_FALSE(check_from_12({"b", "c"}, sample.chains[2]).ok());
}

TEST(PayloadChecksumTest, TheSameBytesCutDifferentlyDiffer) {
  const auto sum = [](const std::vector<std::string>& payloads) {
    PayloadChecksum checksum;
    for (const std::string& payload : payloads) checksum.Add(payload);
    return checksum.value();
  };
  EXPECT_EQ(sum({"ab", "c"}), sum({"ab", "c"}));
  EXPECT_NE(sum({"ab", "c"}), sum({"a", "bc"}));
  EXPECT_NE(sum({"ab", "c"}), sum({"c", "ab"}));
  EXPECT_NE(sum({"a"}), sum({"a", ""}));
}

}  // namespace
}  // namespace cairn::cli
