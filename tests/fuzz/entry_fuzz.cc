// An entry's payload (storage/entry_codec.h), as it comes from a disk or a peer.
//
// Beyond "no crash": a view shows only bytes of its payload, in order; what parses is the one
// spelling of its content, so building it anew gives the same bytes; an error names what is wrong;
// and LogFacts, which trusts no number in an entry, either moves by it or says why not.
#include <algorithm>

#include "base/check.h"
#include "base/strings.h"
#include "server/log_facts.h"
#include "storage/entry_codec.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

using storage::EntryBuilder;
using storage::EntryView;

constexpr GroupId kLog{7};

void CheckRecords(const EntryView& view) {
  const char* at = view.records_region().data();
  std::string region;
  uint32_t count = 0;
  view.ForEachRecord([&](uint32_t offset, std::string_view record) {
    CHECK_EQ(offset, count++);
    CHECK(record.data() >= at);
    at = record.data() + record.size();
    storage::AppendRecordTo(region, record);
  });
  CHECK_EQ(count, view.header().record_count);
  CHECK_EQ(region, view.records_region());
  const uint32_t half = count / 2;
  CHECK_EQ(view.RecordsRegion(0, half).size() + view.RecordsRegion(half, count - half).size(),
           region.size());
  if (count > 0) CHECK_EQ(view.ChainAfter(1, count - 1), view.ComputeChain(1));
}

void CheckRebuilt(const EntryView& view) {
  const auto items = view.Items();
  if (!items.ok()) return;
  EntryBuilder builder(view.header().first_seq.Previous(), 1, view.header().timestamp_us);
  for (const v1::EntryItem& item : items->items()) builder.AddItem(item);
  builder.AddRecordsRegion(view.records_region(), view.header().record_count);
  CHECK_EQ(builder.chain(), view.ComputeChain(1));
  const Bytes built = builder.Finish();
  const auto again = EntryView::Parse(built.view());
  CHECK(again.ok());
  CHECK_EQ(again->header().first_seq, view.header().first_seq);
  CHECK_EQ(again->records_region(), view.records_region());
  CHECK_EQ(again->Items()->items_size(), items->items_size());
}

void CheckApplied(const EntryView& view) {
  server::LogFacts facts = server::LogFacts::Empty(kLog, {});
  const Seq before = facts.last_seq;
  const absl::Status status = facts.ApplyEntry(Index(1), view);
  if (!status.ok()) {
    CHECK(status.code() == absl::StatusCode::kDataLoss && !status.message().empty());
    CHECK_EQ(facts.last_seq, before);
    return;
  }
  CHECK_EQ(facts.last_seq, before + view.header().record_count);
  CHECK_LE(facts.first_seq, facts.last_seq + 1);
  const auto restored = server::LogFacts::FromSnapshot(facts.ToSnapshot());
  CHECK(restored.ok());
  CHECK_EQ(restored->last_seq, facts.last_seq);
}

void Run(std::string_view bytes) {
  const auto header = storage::ParseEntryHeader(bytes);
  const auto view = EntryView::Parse(bytes);
  if (!view.ok()) {
    CHECK(view.status().code() == absl::StatusCode::kDataLoss);
    CHECK(!view.status().message().empty());
    return;
  }
  CHECK(header.ok());
  CheckRecords(*view);
  CheckRebuilt(*view);
  CheckApplied(*view);
}

std::string Record(const std::string& payload) {
  v1::Record record;
  record.set_payload(payload);
  return record.SerializeAsString();
}

std::string Records() {
  EntryBuilder builder(Seq(), storage::ChainSeed(kLog), 1'795'262'400'000'000);
  for (const char* payload : {"one", "", "three"}) builder.AddRecord(Record(payload));
  return std::string(builder.Finish().view());
}

// A lease's grant, a producer and what it appends, a renewal.
std::string Items() {
  EntryBuilder builder(Seq(), storage::ChainSeed(kLog), 1'795'262'400'000'000);
  v1::Record grant;
  grant.set_kind(v1::RECORD_KIND_LEASE_ACQUIRED);
  grant.mutable_lease()->set_name("primary");
  grant.mutable_lease()->set_holder("a");
  grant.mutable_lease()->set_ttl_ms(10'000);
  v1::EntryItem item;
  item.set_lease_record_offset(builder.AddRecord(grant.SerializeAsString()));
  builder.AddItem(item);
  item.mutable_register_producer()->set_producer_id(99);
  builder.AddItem(item);
  v1::AppendItem& append = *item.mutable_append();
  append.set_offset(builder.AddRecord(Record("fenced")));
  append.set_count(1);
  append.set_producer_id(99);
  append.set_producer_sequence(1);
  append.set_lease_epoch(1);
  append.set_lease_name("primary");
  builder.AddItem(item);
  item.mutable_renew()->set_name("primary");
  item.mutable_renew()->set_epoch(1);
  builder.AddItem(item);
  item.mutable_trim()->set_first_seq(2);
  builder.AddItem(item);
  item.mutable_snapshot()->set_name("s");
  item.mutable_snapshot()->set_seq(1);
  builder.AddItem(item);
  item.mutable_settings()->mutable_settings()->set_fenced(true);
  builder.AddItem(item);
  return std::string(builder.Finish().view());
}

const Registered registered({.name = "entry", .run = Run, .seeds = [] {
                               return std::vector<Seed>{{"records", Records()}, {"items", Items()}};
                             }});

}  // namespace
}  // namespace cairn::fuzz
