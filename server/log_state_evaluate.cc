// What becomes of each kind of request. Order of judgement: bounds; a producer's duplicates;
// the fence; the lease epoch; if_last_seq; then what the operation itself asks for.
#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/mark.h"
#include "base/overloaded.h"
#include "base/planted_bug.h"
#include "server/log_state.h"
#include "server/rejections.h"

namespace cairn::server {
namespace {

using cairn::v1::EntryItem;
using cairn::v1::LeaseEvent;
using Fact = Unsettled::Fact;

constexpr uint64_t kMaxNameBytes = 255;
constexpr uint64_t kMaxLocationBytes = 4096;
constexpr uint64_t kMinTtlMs = 100;
constexpr uint64_t kMaxTtlMs = 3600 * 1000;

Decided Refuse(Rejection rejection) { return {std::move(rejection), Decided::Rests::kNothing, {}}; }

// A bound on a name, a holder or a location.
std::optional<Rejection> CheckText(GroupId log, std::string_view what, std::string_view text,
                                   uint64_t limit) {
  if (text.empty()) return Invalid(log, fmt::format("the {} is empty, expected a text", what));
  if (text.size() > limit) return TooLarge(log, what, limit, text.size());
  return std::nullopt;
}

std::optional<Rejection> CheckTtl(GroupId log, uint64_t ttl_ms) {
  if (ttl_ms >= kMinTtlMs && ttl_ms <= kMaxTtlMs) return std::nullopt;
  return Invalid(
      log, fmt::format("the TTL is {} ms, expected {} to {} ms", ttl_ms, kMinTtlMs, kMaxTtlMs));
}

}  // namespace

Evaluation LogState::Evaluate(const RequestBody& body, TurnTime now) {
  CHECK(begun_.has_value());
  // (Settings are the node's own, and follow the catalog at any time.)
  if (!std::holds_alternative<SettingsOp>(body)) {
    if (auto decided = JudgeImporting(std::holds_alternative<FinishImportOp>(body))) {
      return *decided;
    }
  }
  return std::visit(Overloaded{[&](const AppendOp& op) { return EvaluateAppend(op, now); },
                               [&](const RegisterProducerOp&) { return EvaluateRegistration(); },
                               [&](const AcquireOp& op) { return EvaluateAcquire(op, now); },
                               [&](const RenewOp& op) { return EvaluateRenew(op, now); },
                               [&](const ReleaseOp& op) { return EvaluateRelease(op, now); },
                               [&](const TransferLeaseOp& op) { return EvaluateTransfer(op, now); },
                               [&](const TrimOp& op) { return EvaluateTrim(op); },
                               [&](const RegisterSnapshotOp& op) { return EvaluateSnapshot(op); },
                               [&](const SettingsOp& op) { return EvaluateSettings(op); },
                               [&](const FinishImportOp& op) { return EvaluateFinish(op); },
                               [&](const auto&) -> Evaluation { CHECK_UNREACHABLE(); }},
                    body);
}

// ---- Appends ----------------------------------------------------------------------

Evaluation LogState::EvaluateAppend(const AppendOp& op, TurnTime now) {
  const GroupId log = applied_.log_id;
  if (op.count == 0) return Refuse(Invalid(log, "an append of no records, expected one or more"));
  if (PLANTED(kDuplicateAfterCondition)) {
    if (auto decided = JudgeLastSeq(op.if_last_seq)) return *decided;
  }
  if (op.producer_id != 0) {
    if (op.producer_sequence == 0) {
      return Refuse(Invalid(log, "producer sequence is 0, expected 1 or more"));
    }
    if (auto decided = JudgeProducer(op.producer_id, op.producer_sequence)) return *decided;
  }
  if (spec().settings.fenced() && !op.if_lease_epoch) return Refuse(FenceRequired(log));
  if (op.if_lease_epoch && !PLANTED(kNoFence)) {
    if (auto decided = JudgeEpoch(op.lease_name, *op.if_lease_epoch, now)) return *decided;
  }
  if (auto decided = JudgeLastSeq(op.if_last_seq)) return *decided;

  const uint32_t offset = begun_->builder.record_count();
  ItemStep step = AddRecords(op.records, op.count);
  const AppendDone done{step.first_seq, step.last_seq, begun_->builder.timestamp_us(),
                        step.chain_after, /*duplicate=*/false};
  // A plain append needs no item: what no item covers is one.
  if (op.producer_id != 0 || op.if_lease_epoch) {
    cairn::v1::AppendItem& item = *step.item.mutable_append();
    item.set_offset(offset);
    item.set_count(op.count);
    item.set_producer_id(op.producer_id);
    item.set_producer_sequence(op.producer_sequence);
    if (op.if_lease_epoch) {
      item.set_lease_epoch(op.if_lease_epoch->value());
      item.set_lease_name(op.lease_name);
    }
    AddItem(std::move(step));
  }
  return Accepted{done};
}

Evaluation LogState::EvaluateCatalog(const std::string& payload, Seq if_last_seq) {
  CHECK(begun_.has_value());
  CHECK_EQ(applied_.log_id, kCatalogGroup);
  if (auto decided = JudgeLastSeq(if_last_seq)) return *decided;
  cairn::v1::Record record;
  record.set_payload(payload);
  record.set_kind(cairn::v1::RECORD_KIND_CATALOG);
  std::string region;
  storage::AppendRecordTo(region, record.SerializeAsString());
  const ItemStep step = AddRecords(region, 1);
  return Accepted{AppendDone{step.first_seq, step.last_seq, begun_->builder.timestamp_us(),
                             step.chain_after, /*duplicate=*/false}};
}

Evaluation LogState::EvaluateRegistration() {
  if (spec().producers.size() >= limits_.max_producers) {
    return RestsOn(Fact::kProducers,
                   TableFull(applied_.log_id, "producers", limits_.max_producers));
  }
  CHECK_LT(begun_->registrations, kRegistrationsPerEntry);  // kMaxItems is far below.
  const uint64_t id = MakeProducerId(begun_->index, begun_->registrations++);
  EntryItem item;
  item.mutable_register_producer()->set_producer_id(id);
  AddItem(std::move(item));
  unsettled_.OnChange(Fact::kProducers, begun_->index);
  return Accepted{RegisterProducerDone{id, limits_.producer_expiry_ms}};
}

// ---- Leases -----------------------------------------------------------------------

Evaluation LogState::EvaluateAcquire(const AcquireOp& op, TurnTime now) {
  const GroupId log = applied_.log_id;
  if (auto bad = CheckText(log, "lease name", op.name, kMaxNameBytes)) return Refuse(*bad);
  if (auto bad = CheckText(log, "holder", op.holder, kMaxNameBytes)) return Refuse(*bad);
  if (auto bad = CheckTtl(log, op.ttl_ms)) return Refuse(*bad);
  // By whoever it is held: also the present holder's name may be another process.
  if (auto decided = JudgeHeld(op.name, now)) return *decided;
  if (PLANTED(kExpiredBeforeCondition) && spec().leases.Find(op.name) != nullptr) {
    AddExpiry(op.name, Lease(*spec().leases.Find(op.name)));
  }
  if (auto decided = JudgeLastSeq(op.if_last_seq)) return *decided;
  const Lease* const expired = spec().leases.Find(op.name);
  if (expired == nullptr && spec().leases.size() >= limits_.max_leases) {
    return RestsOn(Fact::kLeases, TableFull(log, "leases", limits_.max_leases));
  }
  if (expired != nullptr) {
    Hit(Mark::kExpiredWithGrant);
    AddExpiry(op.name, Lease(*expired));
  }
  LeaseEvent event;
  event.set_name(op.name);
  event.set_holder(op.holder);
  event.set_ttl_ms(op.ttl_ms);
  const Seq seq = AddLeaseRecord(cairn::v1::RECORD_KIND_LEASE_ACQUIRED, event);
  return Accepted{LeaseGranted{Epoch(seq.value()), seq, spec().chain}};
}

Evaluation LogState::EvaluateRenew(const RenewOp& op, TurnTime now) {
  if (auto decided = JudgeEpoch(op.name, op.epoch, now)) return *decided;
  EntryItem item;
  item.mutable_renew()->set_name(op.name);
  item.mutable_renew()->set_epoch(op.epoch.value());
  AddItem(std::move(item));
  return Accepted{LeaseRenewed{spec().leases.Find(op.name)->ttl_ms}};
}

Evaluation LogState::EvaluateRelease(const ReleaseOp& op, TurnTime now) {
  if (auto decided = JudgeEpoch(op.name, op.epoch, now)) return *decided;
  const Lease& lease = *spec().leases.Find(op.name);
  LeaseEvent event;
  event.set_name(op.name);
  event.set_holder(lease.holder);
  event.set_ttl_ms(lease.ttl_ms);
  event.set_ended_epoch(op.epoch.value());
  return Accepted{LeaseReleased{AddLeaseRecord(cairn::v1::RECORD_KIND_LEASE_RELEASED, event)}};
}

Evaluation LogState::EvaluateTransfer(const TransferLeaseOp& op, TurnTime now) {
  const GroupId log = applied_.log_id;
  if (auto bad = CheckText(log, "heir", op.to, kMaxNameBytes)) return Refuse(*bad);
  if (op.ttl_ms != 0) {
    if (auto bad = CheckTtl(log, op.ttl_ms)) return Refuse(*bad);
  }
  if (auto decided = JudgeEpoch(op.name, op.epoch, now)) return *decided;
  if (auto decided = JudgeLastSeq(op.if_last_seq)) return *decided;
  LeaseEvent event;
  event.set_name(op.name);
  event.set_holder(op.to);
  event.set_ttl_ms(op.ttl_ms != 0 ? op.ttl_ms : spec().leases.Find(op.name)->ttl_ms);
  event.set_ended_epoch(op.epoch.value());
  const Seq seq = AddLeaseRecord(cairn::v1::RECORD_KIND_LEASE_TRANSFERRED, event);
  return Accepted{LeaseGranted{Epoch(seq.value()), seq, spec().chain}};
}

// ---- Trim, snapshots, settings ----------------------------------------------------

Evaluation LogState::EvaluateTrim(const TrimOp& op) {
  const GroupId log = applied_.log_id;
  // Trimmed that far already: for ever once that is committed.
  if (op.first_seq <= spec().first_seq) {
    Decided done{TrimDone{spec().first_seq}, Decided::Rests::kNothing, {}};
    if (spec().first_seq == applied_.first_seq) return done;
    return RestsOn(Fact::kFirstSeq, done.reply);
  }
  if (op.first_seq > spec().last_seq + 1) {
    return Decided{
        SeqInFuture(log, op.first_seq, applied_.last_seq), Decided::Rests::kUpToDate, {}};
  }
  if (!op.force && op.first_seq > TrimLimit()) {
    const bool by_archive = spec().TrimLimit(/*archived=*/false) > TrimLimit();
    const Rejection guarded =
        by_archive ? TrimGuardedByArchive(log, op.first_seq, TrimLimit())
                   : TrimGuarded(log, spec().settings.trim_guard(), op.first_seq, TrimLimit());
    // Two facts make the limit; the later change of them decides.
    Decided by_snapshots = RestsOn(Fact::kSnapshots, guarded);
    Decided by_settings = RestsOn(Fact::kSettings, guarded);
    return by_settings.index > by_snapshots.index ? by_settings : by_snapshots;
  }
  EntryItem item;
  item.mutable_trim()->set_first_seq(op.first_seq.value());
  AddItem(std::move(item));
  unsettled_.OnChange(Fact::kFirstSeq, begun_->index);
  return Accepted{TrimDone{op.first_seq}};
}

Evaluation LogState::EvaluateSnapshot(const RegisterSnapshotOp& op) {
  const GroupId log = applied_.log_id;
  if (auto bad = CheckText(log, "snapshot name", op.name, kMaxNameBytes)) return Refuse(*bad);
  if (op.location.size() > kMaxLocationBytes) {
    return Refuse(TooLarge(log, "location", kMaxLocationBytes, op.location.size()));
  }
  if (op.seq > spec().last_seq) {
    return Decided{SeqInFuture(log, op.seq, applied_.last_seq), Decided::Rests::kUpToDate, {}};
  }
  if (spec().FindSnapshot(op.name) == nullptr && op.name != kArchiveSnapshot &&
      spec().snapshots.size() >= limits_.max_snapshots) {
    return RestsOn(Fact::kSnapshots, TableFull(log, "registered snapshots", limits_.max_snapshots));
  }
  EntryItem item;
  cairn::v1::SnapshotItem& snapshot = *item.mutable_snapshot();
  snapshot.set_name(op.name);
  snapshot.set_seq(op.seq.value());
  snapshot.set_chain(op.chain);
  snapshot.set_location(op.location);
  AddItem(std::move(item));
  unsettled_.OnChange(Fact::kSnapshots, begun_->index);
  return Accepted{Done{}};
}

Evaluation LogState::EvaluateSettings(const SettingsOp& op) {
  cairn::v1::LogSettings settings = op.settings;
  if (!settings.has_fenced() && spec().settings.has_fenced()) {
    settings.set_fenced(spec().settings.fenced());
  }
  if (settings.fenced() != spec().settings.fenced()) {
    return Refuse(
        Invalid(applied_.log_id, fmt::format("fenced is {} since the log's creation, expected that",
                                             spec().settings.fenced())));
  }
  if (settings.SerializeAsString() == spec().settings.SerializeAsString()) {
    return RestsOn(Fact::kSettings, Done{});
  }
  EntryItem item;
  *item.mutable_settings()->mutable_settings() = std::move(settings);
  AddItem(std::move(item));
  unsettled_.OnChange(Fact::kSettings, begun_->index);
  return Accepted{Done{}};
}

}  // namespace cairn::server
