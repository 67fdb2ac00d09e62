// Messages become plain structs: no field of a message that the public headers show is lost.

#include "client/src/convert.h"

#include <gtest/gtest.h>

#include <string>

namespace cairn::client {
namespace {

TEST(ConvertTest, ABatchKeepsItsPlacesAndMovesItsPayloads) {
  v1::RecordBatch wire;
  wire.set_first_seq(41);
  wire.set_timestamp_us(1'700'000'000'000'000);
  wire.set_chain(0xc0ffee);
  const std::string big(4096, 'x');
  wire.add_records()->set_payload(big);
  (*wire.add_records()->mutable_metadata())["k"] = "v";
  v1::Record* grant = wire.add_records();
  grant->set_kind(v1::RECORD_KIND_LEASE_TRANSFERRED);
  grant->mutable_lease()->set_name("primary");
  grant->mutable_lease()->set_holder("b");
  grant->mutable_lease()->set_ttl_ms(900);
  grant->mutable_lease()->set_ended_epoch(12);
  const char* bytes = wire.records(0).payload().data();

  const RecordBatch batch = TakeBatch(&wire);
  EXPECT_EQ(batch.first_seq, Seq{41});
  EXPECT_EQ(batch.last_seq(), Seq{43});
  EXPECT_EQ(batch.chain, 0xc0ffeeu);
  ASSERT_EQ(batch.records.size(), 3u);
  EXPECT_EQ(batch.records[0].payload.data(), bytes) << "the payload was copied";
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(batch.records[i].seq, Seq{41 + i});
    EXPECT_EQ(batch.records[i].timestamp_us, 1'700'000'000'000'000);
  }
  EXPECT_EQ(batch.records[1].metadata, (RecordMetadata{{"k", "v"}}));
  EXPECT_EQ(batch.records[0].kind, RecordKind::kData);
  EXPECT_FALSE(batch.records[0].lease.has_value());
  EXPECT_EQ(batch.records[2].kind, RecordKind::kLeaseTransferred);
  ASSERT_TRUE(batch.records[2].lease.has_value());
  EXPECT_EQ(batch.records[2].lease->holder, "b");
  EXPECT_EQ(batch.records[2].lease->ttl_ms, 900u);
  EXPECT_EQ(batch.records[2].lease->ended_epoch, Epoch{12});
}

TEST(ConvertTest, SettingsTellUnsetFromZero) {
  LogSettings settings;
  EXPECT_EQ(ToProto(settings).SerializeAsString(), "");
  settings = {.fenced = false,
              .retention_bytes = 0,
              .retention_ms = 5,
              .trim_guard = "",
              .segment_bytes = 65'536,
              .append_bytes_per_second = 0,
              .appends_per_second = 7,
              .archive = ArchivePolicy::kOff};
  const LogSettings back = FromProto(ToProto(settings));
  EXPECT_EQ(back.fenced, false);
  EXPECT_EQ(back.retention_bytes, 0u);
  EXPECT_EQ(back.retention_ms, 5u);
  EXPECT_EQ(back.trim_guard, "");
  EXPECT_EQ(back.segment_bytes, 65'536u);
  EXPECT_EQ(back.append_bytes_per_second, 0u);
  EXPECT_EQ(back.appends_per_second, 7u);
  EXPECT_EQ(back.archive, ArchivePolicy::kOff);
  EXPECT_FALSE(FromProto(v1::LogSettings()).fenced.has_value());
}

TEST(ConvertTest, AMessageOfATailBecomesOneEvent) {
  v1::TailResponse wire;
  wire.add_batches()->set_first_seq(5);
  wire.mutable_batches(0)->add_records()->set_payload("p");
  wire.add_renewed()->set_epoch(4);
  wire.mutable_renewed(0)->set_name("primary");
  wire.mutable_caught_up()->set_seq(5);
  wire.mutable_caught_up()->set_chain(9);
  wire.mutable_caught_up()->set_age_us(1500);
  wire.mutable_heartbeat()->set_last_seq(6);
  wire.mutable_heartbeat()->set_stale(true);
  const TailEvent event = TakeTailEvent(&wire);
  ASSERT_EQ(event.batches.size(), 1u);
  ASSERT_EQ(event.renewed.size(), 1u);
  EXPECT_EQ(event.renewed[0].epoch, Epoch{4});
  ASSERT_TRUE(event.caught_up && event.heartbeat);
  EXPECT_EQ(event.caught_up->age, absl::Microseconds(1500));
  EXPECT_EQ(event.caught_up->chain, 9u);
  EXPECT_TRUE(event.heartbeat->stale);
  v1::TailResponse nothing;
  EXPECT_FALSE(TakeTailEvent(&nothing).caught_up.has_value());
}

TEST(ConvertTest, KindsMirrorTheApi) {
  const auto* kinds = v1::RecordKind_descriptor();
  for (int i = 0; i < kinds->value_count(); ++i) {
    EXPECT_NE(RecordKindName(static_cast<RecordKind>(kinds->value(i)->number())), "unknown")
        << kinds->value(i)->name();
  }
  EXPECT_EQ(RecordKindName(static_cast<RecordKind>(99)), "unknown");
}

}  // namespace
}  // namespace cairn::client
