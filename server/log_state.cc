// Life of a LogState: terms, the begun entry, apply, housekeeping. What is decided about a
// request stands in log_state_evaluate.cc; what a refusal rests on in log_state_judge.cc.
#include "server/log_state.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/mark.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"

namespace cairn::server {
namespace {

// Items of one entry; keeps entries small when requests carry no records.
constexpr uint64_t kMaxItems = 16384;
// Producers dropped by one entry; the rest follow in the next.
constexpr size_t kDropBatch = 256;

}  // namespace

LogState::LogState(LogFacts facts, Index applied, LogLimits limits)
    : applied_(std::move(facts)), applied_index_(applied), limits_(limits) {}

// ---- Terms ------------------------------------------------------------------------

void LogState::BeginTerm(TurnTime now) {
  CHECK(!leading());
  if (PLANTED(kTtlResetByNewLeader)) notes_.Restart(applied_.leases, now.mono);
  // A node that restarted has no note of when it applied the leases it found: they count in
  // full from now (design section 6).
  for (const auto& [name, lease] : applied_.leases.leases()) {
    if (!notes_.Deadline(name, lease)) notes_.Note(name, lease.epoch, now.mono);
  }
  if (!clock_.anchored()) clock_.Anchor(applied_.timestamp_us, now.mono);
  speculative_ = applied_;
  unsettled_.Settle(applied_index_);
  producers_due_us_ = 0;
}

void LogState::EndTerm() {
  speculative_.reset();
  begun_.reset();
  unsettled_.Clear();
}

// ---- The begun entry --------------------------------------------------------------

void LogState::BeginEntry(Index index, TurnTime now, std::optional<int64_t> given_us) {
  CHECK(leading());
  CHECK(!begun_.has_value());
  CHECK_GT(index, applied_index_);
  // Log time stands still during an import, or older records could not follow.
  const int64_t chosen_us = spec().importing ? spec().timestamp_us : clock_.Read(now);
  const int64_t timestamp_us = std::max(given_us.value_or(chosen_us), spec().timestamp_us);
  begun_.emplace(
      Begun{index, now.mono, storage::EntryBuilder(spec().last_seq, spec().chain, timestamp_us)});
}

bool LogState::entry_full() const {
  CHECK(begun_.has_value());
  return begun_->builder.bytes() >= limits_.entry_bytes || begun_->items >= kMaxItems;
}

std::optional<Bytes> LogState::FinishEntry() {
  CHECK(begun_.has_value());
  std::optional<Bytes> payload;
  if (!begun_->builder.empty()) {
    clock_.Anchor(begun_->builder.timestamp_us(), begun_->mono);
    payload = begun_->builder.Finish();
  }
  begun_.reset();
  return payload;
}

ItemStep LogState::AddRecords(std::string_view region, uint32_t count) {
  storage::EntryBuilder& builder = begun_->builder;
  ItemStep step;
  step.first_seq = builder.last_seq() + 1;
  builder.AddRecordsRegion(region, count);
  step.last_seq = builder.last_seq();
  step.chain_after = builder.chain();
  spec().last_seq = builder.last_seq();
  spec().chain = builder.chain();
  spec().timestamp_us = builder.timestamp_us();
  unsettled_.OnRecords(begun_->index, builder.last_seq());
  return step;
}

void LogState::AddItem(ItemStep step) {
  spec().timestamp_us = begun_->builder.timestamp_us();
  const absl::Status status =
      spec().ApplyItem({begun_->index, begun_->builder.timestamp_us()}, step);
  CHECK_EQ(status, absl::OkStatus());
  begun_->builder.AddItem(std::move(step.item));
  ++begun_->items;
}

void LogState::AddItem(cairn::v1::EntryItem item) {
  ItemStep step;
  step.item = std::move(item);
  step.first_seq = begun_->builder.last_seq() + 1;
  step.last_seq = begun_->builder.last_seq();
  AddItem(std::move(step));
}

Seq LogState::AddLeaseRecord(cairn::v1::RecordKind kind, const cairn::v1::LeaseEvent& event) {
  cairn::v1::Record record;
  record.set_kind(kind);
  *record.mutable_lease() = event;
  std::string region;
  storage::AppendRecordTo(region, record.SerializeAsString());

  const Lease* const before = spec().leases.Find(event.name());
  const Epoch ended = before == nullptr ? Epoch() : before->epoch;
  const uint32_t offset = begun_->builder.record_count();
  ItemStep step = AddRecords(region, 1);
  const Seq seq = step.first_seq;
  step.item.set_lease_record_offset(offset);
  step.lease_record = std::move(record);
  AddItem(std::move(step));

  const Lease* const after = spec().leases.Find(event.name());
  unsettled_.OnLeaseChange({begun_->index, event.name(), ended,
                            after == nullptr ? std::nullopt : std::optional<Lease>(*after)});
  return seq;
}

// ---- Housekeeping -----------------------------------------------------------------

void LogState::EvaluateHousekeeping(TurnTime now, std::optional<Seq> retention_first_seq) {
  CHECK(begun_.has_value());
  ExpireLeases(now);
  DropSilentProducers(now);
  if (retention_first_seq.has_value() && !spec().importing) TrimByRetention(*retention_first_seq);
}

void LogState::EvaluateEndOfAll() {
  CHECK(begun_.has_value());
  const std::map<std::string, Lease, std::less<>> held = spec().leases.leases();
  for (const auto& [name, lease] : held) AddExpiry(name, lease);
  cairn::v1::EntryItem item;
  for (const auto& [id, state] : spec().producers.producers()) {
    item.mutable_expire_producers()->add_producer_ids(id);
    unsettled_.OnProducerDropped(begun_->index, id);
  }
  if (item.has_expire_producers()) AddItem(std::move(item));
  if (spec().FindSnapshot(kArchiveSnapshot) == nullptr) return;
  cairn::v1::EntryItem archive;
  archive.mutable_snapshot()->set_name(kArchiveSnapshot);
  AddItem(std::move(archive));
}

bool LogState::HousekeepingDue(TurnTime now) const {
  if (!leading()) return false;
  if (speculative_->producers.size() != 0 && clock_.Read(now) >= producers_due_us_) return true;
  for (const auto& [name, lease] : speculative_->leases.leases()) {
    if (LeaseOver(name, lease, now)) return true;
  }
  return false;
}

std::optional<MonoMicros> LogState::NextExpiry() const {
  std::optional<MonoMicros> next;
  if (!leading()) return next;
  for (const auto& [name, lease] : speculative_->leases.leases()) {
    const std::optional<MonoMicros> deadline = notes_.Deadline(name, lease);
    if (deadline && (!next || *deadline < *next)) next = deadline;
  }
  return next;
}

void LogState::ExpireLeases(TurnTime now) {
  std::vector<std::pair<std::string, Lease>> over;
  for (const auto& [name, lease] : spec().leases.leases()) {
    if (LeaseOver(name, lease, now)) over.emplace_back(name, lease);
  }
  for (const auto& [name, lease] : over) {
    Hit(Mark::kExpired);
    AddExpiry(name, lease);
  }
}

void LogState::AddExpiry(const std::string& lease_name, const Lease& lease) {
  ++expiries_;
  cairn::v1::LeaseEvent event;
  event.set_name(lease_name);
  event.set_holder(lease.holder);
  event.set_ttl_ms(lease.ttl_ms);
  event.set_ended_epoch(lease.epoch.value());
  event.set_last_renewal_index(lease.last_renewal.value());
  AddLeaseRecord(cairn::v1::RECORD_KIND_LEASE_EXPIRED, event);
}

void LogState::DropSilentProducers(TurnTime now) {
  const int64_t expiry_us = static_cast<int64_t>(limits_.producer_expiry_ms) * kMicrosPerMilli;
  const int64_t log_time_us = clock_.Read(now);
  if (log_time_us < producers_due_us_) return;
  const std::vector<uint64_t> silent =
      spec().producers.SilentSince(log_time_us - expiry_us, kDropBatch);
  if (!silent.empty()) {
    cairn::v1::EntryItem item;
    for (uint64_t id : silent) {
      item.mutable_expire_producers()->add_producer_ids(id);
      unsettled_.OnProducerDropped(begun_->index, id);
    }
    AddItem(std::move(item));
    return;  // More may be due at once.
  }
  int64_t oldest_use_us = log_time_us;
  for (const auto& [id, state] : spec().producers.producers()) {
    oldest_use_us = std::min(oldest_use_us, state.last_used_us);
  }
  producers_due_us_ = oldest_use_us + expiry_us + 1;
}

Seq LogState::TrimLimit() {
  return spec().TrimLimit(IsArchived(spec().settings, limits_.archive_logs));
}

void LogState::TrimByRetention(Seq first_seq) {
  const Seq kept = std::min(first_seq, TrimLimit());
  if (kept <= spec().first_seq) return;
  cairn::v1::EntryItem item;
  item.mutable_trim()->set_first_seq(kept.value());
  AddItem(std::move(item));
  unsettled_.OnChange(Unsettled::Fact::kFirstSeq, begun_->index);
}

// ---- Every replica ----------------------------------------------------------------

absl::Status LogState::Apply(Index index, std::string_view payload, TurnTime now) {
  CHECK_EQ(index, applied_index_ + 1);
  ASSIGN_OR_RETURN(const storage::EntryView entry, storage::EntryView::Parse(payload));
  std::vector<std::string> touched_leases;
  RETURN_IF_ERROR(applied_.ApplyEntry(index, entry, &touched_leases));
  applied_index_ = index;
  NoteLeases(touched_leases, now);
  if (leading()) {
    CHECK_LE(applied_.last_seq, spec().last_seq);
    unsettled_.Settle(index);
  } else {
    clock_.Anchor(applied_.timestamp_us, now.mono);
  }
  return absl::OkStatus();
}

void LogState::ApplyEmpty(Index index) {
  CHECK_EQ(index, applied_index_ + 1);
  applied_index_ = index;
  if (leading()) unsettled_.Settle(index);
}

void LogState::Reset(LogFacts facts, Index applied, TurnTime now) {
  EndTerm();
  applied_ = std::move(facts);
  applied_index_ = applied;
  notes_.Restart(applied_.leases, now.mono);
  clock_.Anchor(applied_.timestamp_us, now.mono);
}

void LogState::Skip(LogFacts facts, Index applied, TurnTime now) {
  CHECK_GT(applied, applied_index_);
  EndTerm();
  std::vector<std::string> touched;
  for (const auto& [name, lease] : applied_.leases.leases()) {
    if (facts.leases.Find(name) == nullptr) touched.push_back(name);
  }
  for (const auto& [name, lease] : facts.leases.leases()) {
    const Lease* const before = applied_.leases.Find(name);
    if (before == nullptr || *before != lease) touched.push_back(name);
  }
  applied_ = std::move(facts);
  applied_index_ = applied;
  NoteLeases(touched, now);
  clock_.Anchor(applied_.timestamp_us, now.mono);
}

// ---- Leases and time --------------------------------------------------------------

void LogState::NoteLeases(const std::vector<std::string>& touched, TurnTime now) {
  for (const std::string& name : touched) {
    const Lease* const lease = applied_.leases.Find(name);
    if (lease == nullptr) {
      notes_.Forget(name);
    } else {
      notes_.Note(name, lease->epoch, now.mono);
    }
  }
}

bool LogState::LeaseOver(const std::string& name, const Lease& lease, TurnTime now) const {
  // The notes speak of the applied lease. An uncommitted renewal or transfer makes the two
  // differ: then the lease lives on, whatever the clock says.
  const Lease* const settled = applied_.leases.Find(name);
  if (settled == nullptr) return false;
  if (*settled != lease && !PLANTED(kExpiryIgnoresRenewal)) {
    const std::optional<MonoMicros> voided = notes_.Deadline(name, *settled);
    if (voided.has_value() && now.mono >= *voided) Hit(Mark::kExpiryVoided);
    return false;
  }
  const std::optional<MonoMicros> deadline = notes_.Deadline(name, lease);
  return deadline.has_value() && now.mono >= *deadline;
}

std::optional<MonoMicros> LogState::NextLeaseDeadline() const {
  std::optional<MonoMicros> next;
  for (const auto& [name, lease] : applied_.leases.leases()) {
    if (leading()) {
      const Lease* const proposed = speculative_->leases.Find(name);
      if (proposed == nullptr || *proposed != lease) continue;  // Its end or renewal is under way.
    }
    const std::optional<MonoMicros> deadline = notes_.Deadline(name, lease);
    if (deadline.has_value() && (!next || *deadline < *next)) next = deadline;
  }
  return next;
}

uint64_t LogState::LeaseRemainingMs(const std::string& name, TurnTime now) const {
  return Describe(name, applied_.leases.Find(name), now).remaining_ms();
}

cairn::v1::LeaseState LogState::DescribeLease(const std::string& name, TurnTime now) const {
  return Describe(name, applied_.leases.Find(name), now);
}

cairn::v1::LeaseState LogState::Describe(const std::string& name, const Lease* lease,
                                         TurnTime now) const {
  cairn::v1::LeaseState state;
  state.set_name(name);
  if (lease == nullptr) return state;
  state.set_holder(lease->holder);
  state.set_epoch(lease->epoch.value());
  state.set_ttl_ms(lease->ttl_ms);
  const std::optional<MonoMicros> deadline = notes_.Deadline(name, *lease);
  const int64_t left_us = deadline.has_value()
                              ? std::max<int64_t>(*deadline - now.mono, 0)
                              : static_cast<int64_t>(lease->ttl_ms) * kMicrosPerMilli;
  state.set_remaining_ms(static_cast<uint64_t>(left_us / kMicrosPerMilli));
  return state;
}

}  // namespace cairn::server
