#include "server/lease_table.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace cairn::server {
namespace {

using cairn::v1::Record;
using cairn::v1::RecordKind;

Record Event(RecordKind kind, const std::string& name, const std::string& holder, uint64_t ttl_ms,
             uint64_t ended_epoch = 0, uint64_t last_renewal_index = 0) {
  Record record;
  record.set_kind(kind);
  record.mutable_lease()->set_name(name);
  record.mutable_lease()->set_holder(holder);
  record.mutable_lease()->set_ttl_ms(ttl_ms);
  record.mutable_lease()->set_ended_epoch(ended_epoch);
  record.mutable_lease()->set_last_renewal_index(last_renewal_index);
  return record;
}

constexpr auto kAcquired = cairn::v1::RECORD_KIND_LEASE_ACQUIRED;
constexpr auto kReleased = cairn::v1::RECORD_KIND_LEASE_RELEASED;
constexpr auto kTransferred = cairn::v1::RECORD_KIND_LEASE_TRANSFERRED;
constexpr auto kExpired = cairn::v1::RECORD_KIND_LEASE_EXPIRED;

cairn::v1::RenewItem Renewal(const std::string& name, uint64_t epoch) {
  cairn::v1::RenewItem item;
  item.set_name(name);
  item.set_epoch(epoch);
  return item;
}

// "primary" is held by a: epoch 5, granted at index 3, renewed at index 8.
LeaseTable Held() {
  LeaseTable table;
  EXPECT_TRUE(table.ApplyRecord(Index(3), Seq(5), Event(kAcquired, "primary", "a", 1000)).ok());
  EXPECT_TRUE(table.ApplyRenewal(Index(8), Renewal("primary", 5)).ok());
  return table;
}

TEST(LeaseTableTest, TheEpochIsTheSeqOfTheGrant) {
  const LeaseTable table = Held();
  ASSERT_NE(table.Find("primary"), nullptr);
  EXPECT_EQ(*table.Find("primary"), (Lease{"a", Epoch(5), 1000, Index(8)}));
  EXPECT_EQ(table.Find("other"), nullptr);
}

TEST(LeaseTableTest, TransferGrantsTheNextEpoch) {
  LeaseTable table = Held();
  ASSERT_TRUE(
      table.ApplyRecord(Index(9), Seq(12), Event(kTransferred, "primary", "b", 2000, 5)).ok());
  EXPECT_EQ(*table.Find("primary"), (Lease{"b", Epoch(12), 2000, Index(9)}));
}

TEST(LeaseTableTest, ReleaseAndExpiryFree) {
  for (const auto kind : {kReleased, kExpired}) {
    LeaseTable table = Held();
    ASSERT_TRUE(table.ApplyRecord(Index(9), Seq(12), Event(kind, "primary", "a", 1000, 5, 8)).ok());
    EXPECT_EQ(table.size(), 0u);
  }
}

TEST(LeaseTableTest, RefusesWhatContradictsIt) {
  struct Case {
    const char* name;
    Record record;
    const char* want;
  };
  const Case cases[] = {
      {"a grant of a held lease", Event(kAcquired, "primary", "b", 1000), "epoch is 5"},
      {"a grant without a holder", Event(kAcquired, "other", "", 1000), "lacks"},
      {"a grant without a TTL", Event(kAcquired, "other", "b", 0), "lacks"},
      {"a release of a free lease", Event(kReleased, "other", "a", 1000, 5), "is free"},
      {"a release of another epoch", Event(kReleased, "primary", "a", 1000, 4),
       "epoch 5, expected 4"},
      {"a release by another holder", Event(kReleased, "primary", "b", 1000, 5), "expected 'b'"},
      {"an expiry that a renewal has voided", Event(kExpired, "primary", "a", 1000, 5, 3),
       "renewed at 8, expected 3"},
      {"a transfer of another epoch", Event(kTransferred, "primary", "b", 1000, 6), "expected 6"},
      {"a transfer to nobody", Event(kTransferred, "primary", "", 1000, 5), "lacks an heir"},
      {"a client's record", Event(cairn::v1::RECORD_KIND_UNSPECIFIED, "primary", "a", 1000, 5),
       "expected a lease record"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    LeaseTable table = Held();
    const absl::Status status = table.ApplyRecord(Index(9), Seq(12), c.record);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_NE(ToStd(status.message()).find(c.want), std::string_view::npos) << status;
    EXPECT_EQ(table, Held());
  }
  LeaseTable table = Held();
  EXPECT_FALSE(table.ApplyRenewal(Index(9), Renewal("primary", 4)).ok());
  EXPECT_FALSE(table.ApplyRenewal(Index(9), Renewal("other", 5)).ok());
  EXPECT_EQ(table, Held());
}

TEST(LeaseTableTest, RestorePutsARowBack) {
  LeaseTable table = Held();
  const Lease row = *table.Find("primary");
  table.Restore("primary", std::nullopt);
  EXPECT_EQ(table.size(), 0u);
  table.Restore("primary", row);
  EXPECT_EQ(table, Held());
}

TEST(LeaseNotesTest, TheDeadlineCountsFromTheNoteOfThatEpoch) {
  LeaseNotes notes;
  const Lease lease{"a", Epoch(5), 1000, Index(8)};
  EXPECT_EQ(notes.Deadline("primary", lease), std::nullopt);
  notes.Note("primary", Epoch(5), 10);
  EXPECT_EQ(notes.Deadline("primary", lease), 10 + 1000 * kMicrosPerMilli);
  notes.Note("primary", Epoch(5), 70);
  EXPECT_EQ(notes.Deadline("primary", lease), 70 + 1000 * kMicrosPerMilli);
  // A note of an earlier epoch says nothing of this one.
  notes.Note("primary", Epoch(4), 90);
  EXPECT_EQ(notes.Deadline("primary", lease), std::nullopt);
  notes.Note("primary", Epoch(5), 70);
  notes.Forget("primary");
  EXPECT_EQ(notes.Deadline("primary", lease), std::nullopt);
}

TEST(LeaseNotesTest, ARestartCountsTheFullTtlAnew) {
  LeaseNotes notes;
  notes.Note("primary", Epoch(5), 10);
  notes.Note("gone", Epoch(2), 10);
  notes.Restart(Held(), 500);
  EXPECT_EQ(notes.Deadline("primary", *Held().Find("primary")), 500 + 1000 * kMicrosPerMilli);
  EXPECT_EQ(notes.Deadline("gone", Lease{"b", Epoch(2), 1000, Index(1)}), std::nullopt);
}

}  // namespace
}  // namespace cairn::server
