// TailHub: tails that are behind the ring read the store until they meet it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/server/tail_hub_lab.h"

namespace cairn::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// ---- Cold reads ---------------------------------------------------------------------

TEST_F(TailHubTest, ALaggardReadsTheStoreAndMeetsTheRing) {
  Append({"a", "b", "c"});
  EvictAll();
  Append({"d"});
  OpenFirst(1);
  EXPECT_THAT(tails_[1].seqs, IsEmpty());
  ASSERT_EQ(reads_.size(), 1u);
  EXPECT_EQ(reads_[0].seq, Seq(1));
  EXPECT_EQ(reads_[0].last, Index(3)) << "the ring's part is not read from the disk";
  Load();
  EXPECT_THAT(tails_[1].payloads, ElementsAre("a", "b", "c", "d"));
  Append({"e"});
  EXPECT_EQ(tails_[1].seqs.size(), 5u);
}

TEST_F(TailHubTest, EachLaggardHasOneReadInFlight) {
  Append({"a", "b"});
  EvictAll();
  OpenFirst(1);
  OpenFirst(2);
  Credit(1, 10);
  Append({"c"});
  EXPECT_EQ(reads_.size(), 2u);
  Load();
  EXPECT_THAT(tails_[1].seqs, ElementsAre(1, 2, 3));
  EXPECT_THAT(tails_[2].seqs, ElementsAre(1, 2, 3));
}

TEST_F(TailHubTest, AResultThatComesAfterCloseIsDropped) {
  Append({"a"});
  EvictAll();
  OpenFirst(1);
  Close(1);
  Load();
  EXPECT_THAT(tails_[1].seqs, IsEmpty());
}

TEST_F(TailHubTest, AColdReadRespectsCredit) {
  Append({std::string(3000, 'a'), std::string(3000, 'b'), std::string(3000, 'c')});
  EvictAll();
  OpenFirst(1, 2000);
  Load();
  EXPECT_THAT(tails_[1].seqs, ElementsAre(1));
  Credit(1, 3000);
  EXPECT_THAT(tails_[1].seqs, ElementsAre(1, 2));
  EXPECT_THAT(reads_, IsEmpty()) << "what was read is kept for the next credit";
}

TEST_F(TailHubTest, ATimeBeforeTheRingAsksTheStore) {
  for (int64_t at : {100, 200, 300, 400}) Push({std::to_string(at)}, at);
  Apply(last_);
  EvictAll();
  Push({"500"}, 500);
  Apply(last_);
  Open(Opening(1, At(250)));
  ASSERT_EQ(reads_.size(), 1u);
  EXPECT_EQ(reads_[0].timestamp_us, 250);
  Load();
  EXPECT_THAT(tails_[1].payloads, ElementsAre("300", "400", "500"));
  Open(Opening(2, At(450)));
  EXPECT_THAT(reads_, IsEmpty()) << "the ring begins after 400, so it can tell";
  EXPECT_THAT(tails_[2].payloads, ElementsAre("500"));
}

TEST_F(TailHubTest, FailuresOfColdReadsEndTheTailWithTheirReason) {
  Append({"a"});
  EvictAll();
  const struct {
    absl::Status status;
    cairn::v1::Reason reason;
  } cases[] = {
      {absl::OutOfRangeError("trimmed"), cairn::v1::REASON_TRIMMED},
      {absl::DataLossError("bad checksum"), cairn::v1::REASON_LOG_HALTED},
      {absl::CancelledError("stopping"), cairn::v1::REASON_SHUTTING_DOWN},
      {absl::NotFoundError("no group"), cairn::v1::REASON_LOG_NOT_FOUND},
      {absl::OkStatus(), cairn::v1::REASON_LOG_HALTED},  // OK, but without the record.
  };
  uint64_t token = 0;
  for (const auto& c : cases) {
    OpenFirst(++token);
    storage::ReadResult result;
    result.group = kGroup;
    result.ticket = reads_.at(0).ticket;
    result.status = c.status;
    reads_.clear();
    Loaded(result);
    EXPECT_EQ(tails_[token].why(), c.reason) << c.status;
    if (!c.status.ok() && c.reason == cairn::v1::REASON_LOG_HALTED) {
      EXPECT_THAT(tails_[token].end->rejection->message, ::testing::HasSubstr("bad checksum"));
    }
  }
}

}  // namespace
}  // namespace cairn::server
