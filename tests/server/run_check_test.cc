// A fetched run is believed in nothing that can be computed.
#include "server/run_check.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "consensus/membership.h"
#include "storage/entry_codec.h"

namespace cairn::server {
namespace {

constexpr GroupId kLog{7};
constexpr int64_t kTime = 100;

// Entries 11 to 13 behind entry 10, of which the log's seq is 5: two records, a membership, one
// more.
class RunCheckTest : public ::testing::Test {
 protected:
  RunCheckTest() {
    consensus::Membership membership;
    membership.voters = {NodeId(1)};
    entries_.push_back(Data(11, 2, 5, start_.chain, {"one", "two"}));
    const auto header = storage::ParseEntryHeader(entries_[0].payload.view());
    entries_.push_back({.index = Index(12),
                        .term = Term(3),
                        .kind = static_cast<uint8_t>(consensus::EntryKind::kConfig),
                        .payload = Bytes(consensus::EncodeMembership(membership))});
    entries_.push_back(Data(13, 3, 7, header->chain, {"three"}));
  }

  static storage::StoredEntry Data(uint64_t index, uint64_t term, uint64_t last_seq, uint64_t chain,
                                   const std::vector<std::string>& records) {
    storage::EntryBuilder builder(Seq(last_seq), chain, kTime);
    for (const std::string& record : records) builder.AddRecord(record);
    return {.index = Index(index),
            .term = Term(term),
            .kind = static_cast<uint8_t>(consensus::EntryKind::kData),
            .payload = builder.Finish()};
  }

  RunRequest Request() const {
    return {.group = kLog,
            .ticket = 1,
            .from = NodeId(2),
            .prev = {Term(2), Index(10)},
            .position = start_,
            .through = {Term(3), Index(13)}};
  }

  // What is said of the run as a whole.
  absl::Status Check() const {
    RunCheck check(Request());
    for (const storage::StoredEntry& entry : entries_) {
      if (absl::Status status = check.Take(RefTo(entry)); !status.ok()) return status;
    }
    return check.Finish();
  }

  const LogPosition start_{Seq(5), storage::ChainSeed(kLog), kTime};
  std::vector<storage::StoredEntry> entries_;
};

TEST_F(RunCheckTest, TellsTheCorePositionsAndMemberships) {
  RunCheck check(Request());
  uint64_t bytes = 0;
  for (const storage::StoredEntry& entry : entries_) {
    EXPECT_EQ(check.next(), entry.index);
    ASSERT_TRUE(check.Take(RefTo(entry)).ok());
    bytes += entry.payload.size();
  }
  ASSERT_TRUE(check.Finish().ok());
  EXPECT_EQ(check.bytes(), bytes);
  EXPECT_EQ(check.position().last_seq, Seq(8));
  EXPECT_EQ(check.position().chain, storage::ParseEntryHeader(entries_[2].payload.view())->chain);
  const std::vector<consensus::Entry> told = check.TakeEntries();
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told[0], (consensus::Entry{Index(11), Term(2), consensus::EntryKind::kData, {}}));
  EXPECT_EQ(told[1].payload, entries_[1].payload);
  EXPECT_TRUE(told[2].payload.empty());
}

TEST_F(RunCheckTest, TakesNothingThatDoesNotFollow) {
  using Entries = std::vector<storage::StoredEntry>;
  struct Case {
    const char* name;
    void (*harm)(Entries&);
  };
  const Case cases[] = {
      {"an entry is missing", [](Entries& run) { run.erase(run.begin()); }},
      {"the last one is missing", [](Entries& run) { run.pop_back(); }},
      {"one too many", [](Entries& run) { run.push_back(run.back()); }},
      {"a term falls", [](Entries& run) { run[2].term = Term(2); }},
      {"a term of the future", [](Entries& run) { run[1].term = Term(4); }},
      {"an unknown kind", [](Entries& run) { run[1].kind = 9; }},
      {"a membership that is none", [](Entries& run) { run[1].payload = Bytes("no"); }},
      {"an entry that does not parse", [](Entries& run) { run[0].payload = Bytes("no"); }},
      {"another chain",
       [](Entries& run) { run[2] = Data(13, 3, 7, storage::ChainSeed(kLog), {"three"}); }},
      {"another seq",
       [](Entries& run) {
         const auto header = storage::ParseEntryHeader(run[0].payload.view());
         run[2] = Data(13, 3, 8, header->chain, {"three"});
       }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const std::vector<storage::StoredEntry> whole = entries_;
    c.harm(entries_);
    EXPECT_FALSE(Check().ok());
    entries_ = whole;
  }
  EXPECT_TRUE(Check().ok());
}

}  // namespace
}  // namespace cairn::server
