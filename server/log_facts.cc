#include "server/log_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/overloaded.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::server {
namespace {

using cairn::v1::EntryItem;
using cairn::v1::RegisteredSnapshot;
using storage::EntryView;

absl::Status Contradiction(const std::string& message) {
  return absl::DataLossError(ToAbsl(message));
}

// The rows that an entry's items may change, as they were before, so that an entry that
// contradicts itself half way leaves no trace. Only what is named is copied: the tables may
// be large and every fenced append passes here.
class Before {
 public:
  Before(const LogFacts& facts, const std::vector<ItemStep>& steps)
      : first_seq_(facts.first_seq), importing_(facts.importing) {
    for (const ItemStep& step : steps) Keep(facts, step);
  }

  void RestoreTo(LogFacts& facts) && {
    for (auto& [name, row] : leases_) facts.leases.Restore(name, std::move(row));
    for (auto& [id, row] : producers_) facts.producers.Restore(id, std::move(row));
    if (settings_) facts.settings = *std::move(settings_);
    if (snapshots_) facts.snapshots = *std::move(snapshots_);
    facts.first_seq = first_seq_;
    facts.importing = importing_;
  }

 private:
  void Keep(const LogFacts& facts, const ItemStep& step) {
    switch (step.item.item_case()) {
      case EntryItem::kAppend:
        return KeepProducer(facts, step.item.append().producer_id());
      case EntryItem::kRegisterProducer:
        return KeepProducer(facts, step.item.register_producer().producer_id());
      case EntryItem::kExpireProducers:
        for (uint64_t id : step.item.expire_producers().producer_ids()) KeepProducer(facts, id);
        return;
      case EntryItem::kRenew:
        return KeepLease(facts, step.item.renew().name());
      case EntryItem::kLeaseRecordOffset:
        return KeepLease(facts, step.lease_record->lease().name());
      case EntryItem::kSnapshot:
        if (!snapshots_) snapshots_ = facts.snapshots;
        return;
      case EntryItem::kSettings:
        if (!settings_) settings_ = facts.settings;
        return;
      case EntryItem::kTrim:
      case EntryItem::kImport:
      case EntryItem::kFinishImport:
      case EntryItem::ITEM_NOT_SET:
        return;
    }
  }

  void KeepLease(const LogFacts& facts, const std::string& name) {
    const auto [it, inserted] = leases_.try_emplace(name);
    const Lease* const lease = facts.leases.Find(name);
    if (inserted && lease != nullptr) it->second = *lease;
  }

  void KeepProducer(const LogFacts& facts, uint64_t id) {
    const ProducerState* const state = facts.producers.Find(id);
    if (id == 0) return;
    const auto [it, inserted] = producers_.try_emplace(id);
    if (inserted && state != nullptr) it->second = *state;
  }

  std::map<std::string, std::optional<Lease>> leases_;
  std::map<uint64_t, std::optional<ProducerState>> producers_;
  std::optional<cairn::v1::LogSettings> settings_;
  std::optional<std::vector<RegisteredSnapshot>> snapshots_;
  Seq first_seq_;
  bool importing_;
};

// Gives each item its records while the records pass by once, and computes the chain.
class StepReader {
 public:
  StepReader(const EntryView& entry, uint64_t chain) : header_(entry.header()), chain_(chain) {}

  absl::Status Begin(EntryItem item) {
    ItemStep step;
    uint32_t offset = 0;
    uint32_t count = 0;
    if (item.has_append()) {
      offset = item.append().offset();
      count = item.append().count();
      if (count == 0) return Contradiction("an append item without records");
    } else if (item.has_import()) {
      offset = item.import().offset();
      count = item.import().count();
      if (count == 0) return Contradiction("an import item without records");
    } else if (item.item_case() == EntryItem::kLeaseRecordOffset) {
      offset = item.lease_record_offset();
      count = 1;
    }
    if (count != 0) {
      if (offset < covered_end_ || offset >= header_.record_count ||
          count > header_.record_count - offset) {
        return Contradiction(
            fmt::format("an item speaks of records [{}, +{}), expected them in "
                        "[{}, {})",
                        offset, count, covered_end_, header_.record_count));
      }
      covered_end_ = offset + count;
      covered_ += count;
    } else {
      offset = covered_end_;
    }
    step.first_seq = header_.first_seq + offset;
    step.last_seq = step.first_seq + count - 1;
    step.item = std::move(item);
    steps_.push_back(std::move(step));
    return absl::OkStatus();
  }

  absl::Status OnRecord(uint32_t offset, std::string_view record) {
    chain_ = storage::ChainNext(chain_, record);
    const Seq seq = header_.first_seq + offset;
    while (next_ < steps_.size() && steps_[next_].last_seq < steps_[next_].first_seq) ++next_;
    if (next_ == steps_.size() || seq != steps_[next_].last_seq) return absl::OkStatus();
    ItemStep& step = steps_[next_++];
    step.chain_after = chain_;
    if (step.item.has_append() || step.item.has_import()) return absl::OkStatus();
    step.lease_record.emplace();
    if (step.lease_record->ParseFromArray(record.data(), static_cast<int>(record.size()))) {
      return absl::OkStatus();
    }
    return Contradiction(fmt::format("lease record {} does not parse", seq));
  }

  [[nodiscard]] uint64_t chain() const { return chain_; }
  // Records that an item speaks of.
  [[nodiscard]] uint32_t covered() const { return covered_; }
  std::vector<ItemStep> Take() && { return std::move(steps_); }

 private:
  const storage::EntryHeader header_;
  std::vector<ItemStep> steps_;
  size_t next_ = 0;  // The step whose records pass by now, or one without records.
  uint64_t chain_;
  uint32_t covered_end_ = 0;
  uint32_t covered_ = 0;
};

}  // namespace

LogFacts LogFacts::Empty(GroupId log_id, const cairn::v1::LogSettings& settings) {
  LogFacts facts;
  facts.log_id = log_id;
  facts.chain = storage::ChainSeed(log_id);
  facts.settings = settings;
  return facts;
}

void LogFacts::BeginImport(const cairn::v1::LogBase& base) {
  first_seq = Seq(base.first_seq());
  last_seq = first_seq.Previous();
  chain = base.chain();
  timestamp_us = base.timestamp_us();
  importing = true;
}

absl::Status LogFacts::ApplyEntry(Index index, const EntryView& entry,
                                  std::vector<std::string>* touched_leases) {
  absl::Status status = TryEntry(index, entry, touched_leases);
  if (status.ok()) return status;
  return Annotate(status, fmt::format("log {}, index {}", log_id, index));
}

absl::Status LogFacts::TryEntry(Index index, const EntryView& entry,
                                std::vector<std::string>* touched_leases) {
  const storage::EntryHeader& header = entry.header();
  RETURN_IF_ERROR(CheckHeader(header));
  uint64_t chain_after = chain;
  ASSIGN_OR_RETURN(const std::vector<ItemStep> steps, ReadSteps(entry, &chain_after));
  if (chain_after != header.chain) {
    return Contradiction(fmt::format("chain at seq {} is {:016x}, expected {:016x}",
                                     header.last_seq(), header.chain, chain_after));
  }
  RETURN_IF_ERROR(ApplySteps({index, header.timestamp_us}, header.last_seq(), steps));
  chain = header.chain;
  timestamp_us = header.timestamp_us;
  if (touched_leases == nullptr) return absl::OkStatus();
  for (const ItemStep& step : steps) {
    if (step.item.has_renew()) touched_leases->push_back(step.item.renew().name());
    if (step.lease_record) touched_leases->push_back(step.lease_record->lease().name());
  }
  return absl::OkStatus();
}

absl::Status LogFacts::CheckHeader(const storage::EntryHeader& header) const {
  if (header.first_seq != last_seq + 1) {
    return Contradiction(
        fmt::format("first seq is {}, expected {}", header.first_seq, last_seq + 1));
  }
  if (header.timestamp_us < timestamp_us) {
    return Contradiction(
        fmt::format("log time is {}, expected {} or later", header.timestamp_us, timestamp_us));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ItemStep>> LogFacts::ReadSteps(const EntryView& entry,
                                                          uint64_t* chain_after) const {
  StepReader reader(entry, chain);
  if (entry.has_items()) {
    ASSIGN_OR_RETURN(cairn::v1::EntryItems items, entry.Items());
    for (EntryItem& item : *items.mutable_items()) RETURN_IF_ERROR(reader.Begin(std::move(item)));
  }
  if (importing && reader.covered() != entry.header().record_count) {
    return Contradiction("records that are not imported, but the log takes no others yet");
  }
  if (settings.fenced() && reader.covered() != entry.header().record_count) {
    return Contradiction(fmt::format("{} of {} records name no lease epoch, but the log is fenced",
                                     entry.header().record_count - reader.covered(),
                                     entry.header().record_count));
  }
  absl::Status status;
  entry.ForEachRecord([&](uint32_t offset, std::string_view record) {
    if (status.ok()) status = reader.OnRecord(offset, record);
  });
  RETURN_IF_ERROR(status);
  *chain_after = reader.chain();
  return std::move(reader).Take();
}

absl::Status LogFacts::ApplySteps(const EntryPlace& place, Seq last_seq_after,
                                  const std::vector<ItemStep>& steps) {
  const Seq last_seq_before = std::exchange(last_seq, last_seq_after);
  if (steps.empty()) return absl::OkStatus();
  Before before(*this, steps);
  for (const ItemStep& step : steps) {
    absl::Status status = ApplyItem(place, step);
    if (status.ok()) continue;
    std::move(before).RestoreTo(*this);
    last_seq = last_seq_before;
    return status;
  }
  return absl::OkStatus();
}

absl::Status LogFacts::ApplyItem(const EntryPlace& place, const ItemStep& step) {
  const EntryItem& item = step.item;
  switch (item.item_case()) {
    case EntryItem::kAppend:
      return ApplyAppend(place, step);
    case EntryItem::kRegisterProducer:
      return ApplyRegistration(place, item.register_producer());
    case EntryItem::kRenew:
      return leases.ApplyRenewal(place.index, item.renew());
    case EntryItem::kTrim:
      return ApplyTrim(item.trim());
    case EntryItem::kSnapshot:
      ApplySnapshot(place, item.snapshot());
      return absl::OkStatus();
    case EntryItem::kSettings:
      return ApplySettings(item.settings());
    case EntryItem::kLeaseRecordOffset:
      return leases.ApplyRecord(place.index, step.first_seq, *step.lease_record);
    case EntryItem::kExpireProducers:
      return ApplyExpiry(item.expire_producers());
    case EntryItem::kImport:
      return ApplyImport(step);
    case EntryItem::kFinishImport:
      return ApplyFinish(item.finish_import());
    case EntryItem::ITEM_NOT_SET:
      return Contradiction("an item of a kind that this version does not know");
  }
  CHECK_UNREACHABLE();
}

absl::Status LogFacts::ApplyAppend(const EntryPlace& place, const ItemStep& step) {
  const cairn::v1::AppendItem& item = step.item.append();
  if (settings.fenced() && item.lease_epoch() == 0) {
    return Contradiction(fmt::format("append at seq {} names no lease epoch, but the log is fenced",
                                     step.first_seq));
  }
  if (item.lease_epoch() != 0 && !PLANTED(kNoFence)) {
    const Lease* const lease = leases.Find(item.lease_name());
    const Epoch actual = lease == nullptr ? Epoch() : lease->epoch;
    if (actual.value() != item.lease_epoch()) {
      return Contradiction(fmt::format("append at seq {}: lease '{}' has epoch {}, expected {}",
                                       step.first_seq, item.lease_name(), actual,
                                       item.lease_epoch()));
    }
  }
  if (item.producer_id() == 0) return absl::OkStatus();
  return producers.Record(item.producer_id(),
                          {item.producer_sequence(), step.first_seq, step.last_seq,
                           place.timestamp_us, step.chain_after});
}

absl::Status LogFacts::ApplyRegistration(const EntryPlace& place,
                                         const cairn::v1::ProducerItem& item) {
  if (ProducerIdIndex(item.producer_id()) != place.index) {
    return Contradiction(fmt::format("producer id {} was made for index {}", item.producer_id(),
                                     ProducerIdIndex(item.producer_id())));
  }
  return producers.Register(item.producer_id(), place.timestamp_us);
}

absl::Status LogFacts::ApplyTrim(const cairn::v1::TrimItem& item) {
  const Seq kept(item.first_seq());
  if (kept <= first_seq || kept > last_seq + 1) {
    return Contradiction(fmt::format("trim to first seq {}, expected it in ({}, {}]", kept,
                                     first_seq, last_seq + 1));
  }
  first_seq = kept;
  return absl::OkStatus();
}

absl::Status LogFacts::ApplySettings(const cairn::v1::SettingsItem& item) {
  if (item.settings().fenced() != settings.fenced()) {
    return Contradiction(fmt::format("settings change fenced to {}, expected {}",
                                     item.settings().fenced(), settings.fenced()));
  }
  settings = item.settings();
  return absl::OkStatus();
}

void LogFacts::ApplySnapshot(const EntryPlace& place, const cairn::v1::SnapshotItem& item) {
  RegisteredSnapshot row;
  row.set_name(item.name());
  row.set_seq(item.seq());
  row.set_chain(item.chain());
  row.set_location(item.location());
  row.set_timestamp_us(place.timestamp_us);
  const auto it = std::lower_bound(
      snapshots.begin(), snapshots.end(), item.name(),
      [](const RegisteredSnapshot& s, const std::string& name) { return s.name() < name; });
  if (it != snapshots.end() && it->name() == item.name()) {
    *it = std::move(row);
  } else {
    snapshots.insert(it, std::move(row));
  }
}

absl::Status LogFacts::ApplyExpiry(const cairn::v1::ExpireProducersItem& item) {
  for (uint64_t id : item.producer_ids()) RETURN_IF_ERROR(producers.Drop(id));
  return absl::OkStatus();
}

absl::Status LogFacts::ApplyImport(const ItemStep& step) const {
  if (importing) return absl::OkStatus();
  return Contradiction(
      fmt::format("imported records at seq {}, but the import has ended", step.first_seq));
}

absl::Status LogFacts::ApplyFinish(const cairn::v1::FinishImportItem& item) {
  if (!importing || item.last_seq() != last_seq.value()) {
    return Contradiction(fmt::format("the import ends with seq {}, expected {}{}", item.last_seq(),
                                     last_seq, importing ? "" : ", and has ended before"));
  }
  importing = false;
  return absl::OkStatus();
}

const RegisteredSnapshot* LogFacts::FindSnapshot(const std::string& name) const {
  for (const RegisteredSnapshot& snapshot : snapshots) {
    if (snapshot.name() == name) return &snapshot;
  }
  return nullptr;
}

Seq LogFacts::CoveredBy(const std::string& snapshot) const {
  const RegisteredSnapshot* const covers = FindSnapshot(snapshot);
  if (covers == nullptr) return first_seq;
  return std::clamp(Seq(covers->seq()) + 1, first_seq, last_seq + 1);
}

Seq LogFacts::TrimLimit(bool archived) const {
  Seq limit = last_seq + 1;
  if (!settings.trim_guard().empty()) limit = CoveredBy(settings.trim_guard());
  if (archived) limit = std::min(limit, CoveredBy(kArchiveSnapshot));
  return limit;
}

bool IsArchived(const cairn::v1::LogSettings& settings, bool by_default) {
  switch (settings.archive()) {
    case cairn::v1::ARCHIVE_POLICY_ON:
      return true;
    case cairn::v1::ARCHIVE_POLICY_OFF:
      return false;
    default:
      return by_default;
  }
}

}  // namespace cairn::server
