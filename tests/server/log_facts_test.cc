// ApplyEntry is the pair assertion to what Evaluate promised: whatever contradicts the facts
// is refused, and then nothing has changed. Snapshots carry the facts whole.
#include "server/log_facts.h"

#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/strings.h"

namespace cairn::server {
namespace {

using cairn::v1::EntryItem;
using cairn::v1::EntryItems;
using cairn::v1::Record;
using storage::EntryView;

constexpr uint64_t kProducer = MakeProducerId(Index(2), 0);
constexpr uint64_t kSecondProducer = MakeProducerId(Index(3), 0);

Record Data(const std::string& payload) {
  Record record;
  record.set_payload(payload);
  return record;
}

Record LeaseRecord(cairn::v1::RecordKind kind, const std::string& holder, uint64_t ended_epoch,
                   uint64_t last_renewal_index) {
  Record record;
  record.set_kind(kind);
  record.mutable_lease()->set_name("primary");
  record.mutable_lease()->set_holder(holder);
  record.mutable_lease()->set_ttl_ms(1000);
  record.mutable_lease()->set_ended_epoch(ended_epoch);
  record.mutable_lease()->set_last_renewal_index(last_renewal_index);
  return record;
}

// An entry in parts, so that a test can spoil one and put it together again.
struct Draft {
  Seq last_seq_before;
  uint64_t chain_before = 0;
  int64_t timestamp_us = 0;
  std::vector<Record> records;
  EntryItems items;

  EntryItem& Add() { return *items.add_items(); }
  void AddAppend(uint32_t offset, uint32_t count, uint64_t producer, uint64_t sequence,
                 uint64_t epoch) {
    cairn::v1::AppendItem& item = *Add().mutable_append();
    item.set_offset(offset);
    item.set_count(count);
    item.set_producer_id(producer);
    item.set_producer_sequence(sequence);
    item.set_lease_epoch(epoch);
    if (epoch != 0) item.set_lease_name("primary");
  }

  [[nodiscard]] std::string Payload() const {
    storage::EntryBuilder builder(last_seq_before, chain_before, timestamp_us);
    for (const Record& record : records) builder.AddRecord(record.SerializeAsString());
    for (const EntryItem& item : items.items()) builder.AddItem(item);
    return std::string(builder.Finish().view());
  }
};

// Facts after entry 2: seq 1 grants "primary" to a, seqs 2 and 3 are appends of kProducer.
LogFacts Facts(bool fenced) {
  cairn::v1::LogSettings settings;
  settings.set_fenced(fenced);
  LogFacts facts = LogFacts::Empty(GroupId(7), settings);
  Draft draft{Seq(0), facts.chain, 1000, {}, {}};
  draft.records = {LeaseRecord(cairn::v1::RECORD_KIND_LEASE_ACQUIRED, "a", 0, 0), Data("one"),
                   Data("two")};
  draft.Add().mutable_register_producer()->set_producer_id(kProducer);
  draft.Add().set_lease_record_offset(0);
  draft.AddAppend(1, 2, kProducer, 1, 1);
  const std::string payload = draft.Payload();
  const auto entry = EntryView::Parse(payload);
  EXPECT_TRUE(entry.ok());
  const absl::Status status = facts.ApplyEntry(Index(2), *entry);
  EXPECT_TRUE(status.ok()) << status;
  return facts;
}

// Entry 3: one of everything. Its last item changes the lease again, so that a spoilt last
// item is met only after all others have been applied.
Draft OneOfEverything(const LogFacts& facts) {
  Draft draft{facts.last_seq, facts.chain, 2000, {}, {}};
  draft.records = {Data("three"),
                   Data("four"),
                   LeaseRecord(cairn::v1::RECORD_KIND_LEASE_EXPIRED, "a", 1, 3),  // Seq 6.
                   LeaseRecord(cairn::v1::RECORD_KIND_LEASE_ACQUIRED, "b", 0, 0),
                   Data("five"),
                   LeaseRecord(cairn::v1::RECORD_KIND_LEASE_RELEASED, "b", 7, 0)};
  draft.Add().mutable_register_producer()->set_producer_id(kSecondProducer);
  draft.AddAppend(0, 2, kProducer, 2, 1);
  draft.Add().mutable_renew()->set_name("primary");
  draft.items.mutable_items(2)->mutable_renew()->set_epoch(1);
  draft.Add().set_lease_record_offset(2);
  draft.Add().set_lease_record_offset(3);
  draft.AddAppend(4, 1, 0, 0, 7);
  draft.Add().mutable_trim()->set_first_seq(3);
  draft.Add().mutable_snapshot()->set_name("backup");
  draft.Add().mutable_settings()->mutable_settings()->set_fenced(facts.settings.fenced());
  draft.items.mutable_items(8)->mutable_settings()->mutable_settings()->set_retention_ms(5);
  draft.Add().mutable_expire_producers()->add_producer_ids(kProducer);
  draft.Add().set_lease_record_offset(5);
  return draft;
}

std::string Bytes(const LogFacts& facts) { return facts.ToSnapshot().SerializeAsString(); }

absl::Status Apply(LogFacts& facts, const std::string& payload) {
  const auto entry = EntryView::Parse(payload);
  if (!entry.ok()) return entry.status();
  return facts.ApplyEntry(Index(3), *entry);
}

TEST(LogFactsTest, AppliesOneOfEverything) {
  for (const bool fenced : {false, true}) {
    LogFacts facts = Facts(fenced);
    const Draft draft = OneOfEverything(facts);
    const absl::Status status = Apply(facts, draft.Payload());
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(facts.last_seq, Seq(9));
    EXPECT_EQ(facts.first_seq, Seq(3));
    EXPECT_EQ(facts.timestamp_us, 2000);
    EXPECT_EQ(facts.leases.size(), 0u);
    EXPECT_EQ(facts.producers.size(), 1u);
    EXPECT_NE(facts.producers.Find(kSecondProducer), nullptr);
    EXPECT_EQ(facts.settings.retention_ms(), 5u);
    EXPECT_NE(facts.FindSnapshot("backup"), nullptr);
  }
}

TEST(LogFactsTest, NamesTheLeasesThatAnEntryTouched) {
  LogFacts facts = Facts(false);
  const std::string payload = OneOfEverything(facts).Payload();
  std::vector<std::string> touched;
  ASSERT_TRUE(facts.ApplyEntry(Index(3), *EntryView::Parse(payload), &touched).ok());
  EXPECT_EQ(touched, std::vector<std::string>(4, "primary"));
}

TEST(LogFactsTest, AStoredResultHasTheChainAtItsOwnLastRecord) {
  LogFacts facts = Facts(false);
  const uint64_t before = facts.chain;
  Draft draft = OneOfEverything(facts);
  draft.items.mutable_items()->DeleteSubrange(9, 1);  // Keep the producer.
  const std::string payload = draft.Payload();
  ASSERT_TRUE(Apply(facts, payload).ok());
  const ProducerResult want{2, Seq(4), Seq(5), 2000,
                            EntryView::Parse(payload)->ChainAfter(before, 1)};
  EXPECT_EQ(facts.producers.Find(kProducer)->results.back(), want);
}

struct Mutation {
  const char* name;
  std::function<void(Draft&)> spoil;
  const char* want;
};

const std::vector<Mutation>& Mutations() {
  static const auto* const mutations = new std::vector<Mutation>{
      {"a hole before it", [](Draft& d) { d.last_seq_before += 1; }, "first seq is 5, expected 4"},
      {"seqs given twice", [](Draft& d) { d.last_seq_before = Seq(2); }, "first seq is 3"},
      {"another history", [](Draft& d) { d.chain_before ^= 1; }, "chain at seq 9"},
      {"log time goes back", [](Draft& d) { d.timestamp_us = 999; }, "log time is 999"},
      {"records beyond the entry",
       [](Draft& d) { d.items.mutable_items(5)->mutable_append()->set_count(9); }, "[4, +9)"},
      {"a count that wraps around",
       [](Draft& d) { d.items.mutable_items(5)->mutable_append()->set_count(0xffffffff); },
       "[4, +4294967295)"},
      {"records claimed twice",
       [](Draft& d) { d.items.mutable_items(4)->set_lease_record_offset(2); }, "[2, +1)"},
      {"an append of nothing",
       [](Draft& d) { d.items.mutable_items(1)->mutable_append()->set_count(0); },
       "without records"},
      {"an unknown item", [](Draft& d) { d.items.mutable_items(6)->Clear(); }, "of a kind"},
      {"a sequence that skips one",
       [](Draft& d) { d.items.mutable_items(1)->mutable_append()->set_producer_sequence(3); },
       "sequence is 3, expected 2"},
      {"a sequence given twice",
       [](Draft& d) { d.items.mutable_items(1)->mutable_append()->set_producer_sequence(1); },
       "sequence is 1, expected 2"},
      {"a producer nobody registered",
       [](Draft& d) { d.items.mutable_items(1)->mutable_append()->set_producer_id(99); },
       "producer 99 is unknown"},
      {"a fence of another epoch",
       [](Draft& d) { d.items.mutable_items(5)->mutable_append()->set_lease_epoch(1); },
       "lease 'primary' has epoch 7, expected 1"},
      {"a renewal of another epoch",
       [](Draft& d) { d.items.mutable_items(2)->mutable_renew()->set_epoch(2); }, "expected 2"},
      {"a producer id made for another entry",
       [](Draft& d) {
         d.items.mutable_items(0)->mutable_register_producer()->set_producer_id(kProducer);
       },
       "was made for index 2"},
      {"a trim past the end",
       [](Draft& d) { d.items.mutable_items(6)->mutable_trim()->set_first_seq(11); },
       "first seq 11"},
      {"a trim that goes back",
       [](Draft& d) { d.items.mutable_items(6)->mutable_trim()->set_first_seq(1); }, "first seq 1"},
      {"settings that flip the fence",
       [](Draft& d) {
         auto* settings = d.items.mutable_items(8)->mutable_settings()->mutable_settings();
         settings->set_fenced(!settings->fenced());
       },
       "settings change fenced"},
      {"a producer dropped twice",
       [](Draft& d) {
         d.items.mutable_items(9)->mutable_expire_producers()->add_producer_ids(kProducer);
       },
       "is unknown"},
      {"an expiry that had not seen the renewal",
       [](Draft& d) { d.records[2].mutable_lease()->set_last_renewal_index(2); },
       "renewed at 3, expected 2"},
      {"the last item, after all others",
       [](Draft& d) { d.records[5].mutable_lease()->set_ended_epoch(1); }, "epoch 7, expected 1"},
      {"a data record called a lease record", [](Draft& d) { d.records[5] = Data("six"); },
       "expected a lease record"},
  };
  return *mutations;
}

TEST(LogFactsTest, RefusesContradictionsAndKeepsItsState) {
  for (const Mutation& mutation : Mutations()) {
    SCOPED_TRACE(mutation.name);
    LogFacts facts = Facts(/*fenced=*/true);
    const std::string before = Bytes(facts);
    Draft draft = OneOfEverything(facts);
    mutation.spoil(draft);
    const absl::Status status = Apply(facts, draft.Payload());
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    const std::string_view message = ToStd(status.message());
    EXPECT_NE(message.find(mutation.want), std::string_view::npos) << message;
    EXPECT_NE(message.find("log 7, index 3: "), std::string_view::npos) << message;
    EXPECT_EQ(Bytes(facts), before);
    // And the unspoilt entry still applies.
    EXPECT_TRUE(Apply(facts, OneOfEverything(facts).Payload()).ok());
  }
}

TEST(LogFactsTest, AFencedLogTakesNoRecordWithoutAFence) {
  LogFacts facts = Facts(/*fenced=*/true);
  const std::string before = Bytes(facts);
  Draft plain{facts.last_seq, facts.chain, 2000, {Data("plain")}, {}};
  EXPECT_EQ(Apply(facts, plain.Payload()).code(), absl::StatusCode::kDataLoss);
  plain.AddAppend(0, 1, kProducer, 2, /*epoch=*/0);
  EXPECT_EQ(Apply(facts, plain.Payload()).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Bytes(facts), before);
  plain.items.mutable_items(0)->mutable_append()->set_lease_epoch(1);
  plain.items.mutable_items(0)->mutable_append()->set_lease_name("primary");
  EXPECT_TRUE(Apply(facts, plain.Payload()).ok());
}

TEST(LogFactsTest, AnyFlippedBitIsRefusedWithoutATraceOrLeavesAStateThatRoundTrips) {
  const LogFacts original = Facts(false);
  const std::string before = Bytes(original);
  const std::string payload = OneOfEverything(original).Payload();
  const google::protobuf::LogSilencer silence;  // It logs each string that is no UTF-8.
  Random random(7);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = payload;
    for (uint64_t flips = 1 + random.Below(3); flips > 0; --flips) {
      damaged[random.Below(damaged.size())] ^= static_cast<char>(1 << random.Below(8));
    }
    LogFacts facts = original;
    if (Apply(facts, damaged).ok()) continue;
    ++refused;
    ASSERT_EQ(Bytes(facts), before) << "round " << i;
  }
  EXPECT_GT(refused, 2000);
}

TEST(LogFactsTest, ASnapshotCarriesEverything) {
  LogFacts facts = Facts(false);
  Draft draft = OneOfEverything(facts);
  draft.items.mutable_items()->DeleteSubrange(9, 2);  // Keep the producers and the lease.
  ASSERT_TRUE(Apply(facts, draft.Payload()).ok());
  const auto copy = LogFacts::FromSnapshot(facts.ToSnapshot());
  ASSERT_TRUE(copy.ok());
  EXPECT_EQ(copy->leases, facts.leases);
  EXPECT_EQ(copy->producers, facts.producers);
  EXPECT_EQ(copy->chain, facts.chain);
  EXPECT_EQ(Bytes(*copy), Bytes(facts));
  ASSERT_EQ(facts.leases.size() + facts.producers.size() + facts.snapshots.size(), 4u);
}

TEST(LogFactsTest, RefusesMalformedSnapshots) {
  using Snapshot = cairn::v1::LogStateSnapshot;
  struct Case {
    const char* name;
    std::function<void(Snapshot&)> spoil;
  };
  const Case cases[] = {
      {"no first seq", [](Snapshot& s) { s.set_first_seq(0); }},
      {"first seq past the end", [](Snapshot& s) { s.set_first_seq(s.last_seq() + 2); }},
      {"a lease twice", [](Snapshot& s) { *s.add_leases() = s.leases(0); }},
      {"a lease of nobody", [](Snapshot& s) { s.mutable_leases(0)->clear_holder(); }},
      {"an epoch of the future",
       [](Snapshot& s) { s.mutable_leases(0)->set_epoch(s.last_seq() + 1); }},
      {"a producer twice", [](Snapshot& s) { *s.add_producers() = s.producers(0); }},
      {"a result missing",
       [](Snapshot& s) { s.mutable_producers(0)->mutable_results()->RemoveLast(); }},
      {"a result of another sequence",
       [](Snapshot& s) { s.mutable_producers(0)->mutable_results(0)->set_sequence(2); }},
      {"snapshots out of order",
       [](Snapshot& s) {
         s.add_snapshots()->set_name("b");
         s.add_snapshots()->set_name("a");
       }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Snapshot snapshot = Facts(false).ToSnapshot();
    ASSERT_TRUE(LogFacts::FromSnapshot(snapshot).ok());
    c.spoil(snapshot);
    EXPECT_EQ(LogFacts::FromSnapshot(snapshot).status().code(), absl::StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace cairn::server
