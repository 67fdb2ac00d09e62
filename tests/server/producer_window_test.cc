#include "server/producer_window.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

using Judgement = ProducerTable::Judgement;

constexpr uint64_t kId = MakeProducerId(Index(3), 1);

ProducerResult Result(uint64_t sequence) {
  return {sequence, Seq(10 * sequence), Seq(10 * sequence + 4),
          static_cast<int64_t>(1000 * sequence), sequence ^ 0xabcdu};
}

// A producer whose last sequence is `last`.
ProducerTable After(uint64_t last) {
  ProducerTable table;
  EXPECT_TRUE(table.Register(kId, 500).ok());
  for (uint64_t s = 1; s <= last; ++s) EXPECT_TRUE(table.Record(kId, Result(s)).ok());
  return table;
}

TEST(ProducerIdTest, TellsItsIndexAndIsNeverZero) {
  EXPECT_NE(MakeProducerId(Index(1), 0), 0u);
  EXPECT_EQ(ProducerIdIndex(MakeProducerId(Index(7), kRegistrationsPerEntry - 1)), Index(7));
  EXPECT_LT(MakeProducerId(Index(7), kRegistrationsPerEntry - 1), MakeProducerId(Index(8), 0));
}

TEST(ProducerTableTest, JudgesSequences) {
  struct Case {
    const char* name;
    uint64_t last;
    uint64_t sequence;
    Judgement want;
  };
  const Case cases[] = {
      {"the first", 0, 1, Judgement::kNext},
      {"a gap at the start", 0, 2, Judgement::kGap},
      {"the next", 5, 6, Judgement::kNext},
      {"a gap", 5, 7, Judgement::kGap},
      {"the last again", 5, 5, Judgement::kDuplicate},
      {"the first again", 5, 1, Judgement::kDuplicate},
      {"zero", 5, 0, Judgement::kGap},
      {"zero of a fresh one", 0, 0, Judgement::kGap},
      {"the oldest of a full window", 16, 1, Judgement::kDuplicate},
      {"just out of the window", 17, 1, Judgement::kGap},
      {"the oldest kept", 40, 25, Judgement::kDuplicate},
      {"below the oldest kept", 40, 24, Judgement::kGap},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const ProducerTable table = After(c.last);
    ProducerResult result;
    uint64_t expected = 0;
    EXPECT_EQ(table.Judge(kId, c.sequence, &result, &expected), c.want);
    EXPECT_EQ(expected, c.last + 1);
    if (c.want == Judgement::kDuplicate) {
      EXPECT_EQ(result, Result(c.sequence));
    }
    EXPECT_EQ(table.Judge(kId + 1, c.sequence, &result, &expected), Judgement::kUnknown);
  }
}

TEST(ProducerTableTest, RefusesWhatContradictsIt) {
  ProducerTable table = After(5);
  EXPECT_EQ(table.Register(kId, 1).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(table.Record(kId, Result(5)).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(table.Record(kId, Result(7)).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(table.Record(kId + 1, Result(1)).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(table.Drop(kId + 1).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(table, After(5));
}

TEST(ProducerTableTest, KeepsNoMoreThanTheWindow) {
  const ProducerTable table = After(100);
  EXPECT_EQ(table.Find(kId)->results.size(), kProducerWindow);
  EXPECT_EQ(table.Find(kId)->results.front(), Result(85));
}

TEST(ProducerTableTest, FindsTheSilentOnes) {
  ProducerTable table;
  for (uint64_t id = 1; id <= 5; ++id) {
    ASSERT_TRUE(table.Register(id, static_cast<int64_t>(100 * id)).ok());
  }
  EXPECT_EQ(table.SilentSince(300, 10), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(table.SilentSince(300, 1), (std::vector<uint64_t>{1}));
  EXPECT_EQ(table.SilentSince(100, 10), std::vector<uint64_t>{});
  // An append ends the silence.
  ASSERT_TRUE(table.Record(1, {1, Seq(1), Seq(1), 900, 0}).ok());
  EXPECT_EQ(table.SilentSince(300, 10), (std::vector<uint64_t>{2}));
  ASSERT_TRUE(table.Drop(2).ok());
  EXPECT_EQ(table.SilentSince(300, 10), std::vector<uint64_t>{});
}

TEST(ProducerTableTest, RestorePutsARowBack) {
  ProducerTable table = After(5);
  const ProducerState row = *table.Find(kId);
  ASSERT_TRUE(table.Record(kId, Result(6)).ok());
  table.Restore(kId, row);
  EXPECT_EQ(table, After(5));
  table.Restore(kId, std::nullopt);
  EXPECT_EQ(table.size(), 0u);
}

}  // namespace
}  // namespace cairn::server
