#include "server/lease_table.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::server {
namespace {

using cairn::v1::LeaseEvent;
using cairn::v1::Record;

absl::Status Contradiction(const std::string& message) {
  return absl::DataLossError(ToAbsl(message));
}

}  // namespace

const Lease* LeaseTable::Find(std::string_view name) const {
  const auto it = leases_.find(name);
  return it == leases_.end() ? nullptr : &it->second;
}

absl::Status LeaseTable::ApplyRecord(Index index, Seq seq, const Record& record) {
  switch (record.kind()) {
    case cairn::v1::RECORD_KIND_LEASE_ACQUIRED:
      return Grant(index, seq, record.lease());
    case cairn::v1::RECORD_KIND_LEASE_TRANSFERRED:
      return HandOver(index, seq, record.lease());
    case cairn::v1::RECORD_KIND_LEASE_RELEASED:
    case cairn::v1::RECORD_KIND_LEASE_EXPIRED:
      return End(record.lease(), record.kind());
    default:
      return Contradiction(
          fmt::format("record {} is of kind {}, expected a lease record", seq, record.kind()));
  }
}

absl::Status LeaseTable::ApplyRenewal(Index index, const cairn::v1::RenewItem& renewal) {
  ASSIGN_OR_RETURN(Lease* const lease, FindCurrent(renewal.name(), renewal.epoch()));
  lease->last_renewal = index;
  return absl::OkStatus();
}

absl::Status LeaseTable::Grant(Index index, Seq seq, const LeaseEvent& event) {
  if (event.name().empty() || event.holder().empty() || event.ttl_ms() == 0) {
    return Contradiction(fmt::format("grant {} lacks a name, a holder or a TTL: '{}', '{}', {} ms",
                                     seq, event.name(), event.holder(), event.ttl_ms()));
  }
  const Lease granted{event.holder(), Epoch(seq.value()), event.ttl_ms(), index};
  const auto [it, inserted] = leases_.emplace(event.name(), granted);
  if (inserted) return absl::OkStatus();
  return Contradiction(fmt::format("grant {} of lease '{}': expected it to be free, epoch is {}",
                                   seq, event.name(), it->second.epoch));
}

absl::Status LeaseTable::HandOver(Index index, Seq seq, const LeaseEvent& event) {
  ASSIGN_OR_RETURN(Lease* const lease, FindCurrent(event.name(), event.ended_epoch()));
  if (event.holder().empty() || event.ttl_ms() == 0) {
    return Contradiction(
        fmt::format("transfer {} of lease '{}' lacks an heir or a TTL", seq, event.name()));
  }
  *lease = {event.holder(), Epoch(seq.value()), event.ttl_ms(), index};
  return absl::OkStatus();
}

absl::Status LeaseTable::End(const LeaseEvent& event, cairn::v1::RecordKind kind) {
  ASSIGN_OR_RETURN(const Lease* const lease, FindCurrent(event.name(), event.ended_epoch()));
  if (event.holder() != lease->holder) {
    return Contradiction(fmt::format("lease '{}', epoch {}: holder is '{}', expected '{}'",
                                     event.name(), lease->epoch, lease->holder, event.holder()));
  }
  if (kind == cairn::v1::RECORD_KIND_LEASE_EXPIRED &&
      event.last_renewal_index() != lease->last_renewal.value()) {
    // A renewal that the expiry had not seen keeps the lease alive; the leader never writes
    // such an expiry, since it looks for renewals in its speculation.
    return Contradiction(fmt::format("lease '{}', epoch {}: last renewed at {}, expected {}",
                                     event.name(), lease->epoch, lease->last_renewal,
                                     event.last_renewal_index()));
  }
  leases_.erase(event.name());
  return absl::OkStatus();
}

absl::StatusOr<Lease*> LeaseTable::FindCurrent(const std::string& name, uint64_t epoch) {
  const auto it = leases_.find(name);
  if (it == leases_.end()) {
    return Contradiction(fmt::format("lease '{}' is free, expected epoch {}", name, epoch));
  }
  if (it->second.epoch.value() != epoch) {
    return Contradiction(
        fmt::format("lease '{}' has epoch {}, expected {}", name, it->second.epoch, epoch));
  }
  return &it->second;
}

void LeaseTable::Load(const cairn::v1::StoredLease& stored) {
  const Lease lease{stored.holder(), Epoch(stored.epoch()), stored.ttl_ms(),
                    Index(stored.last_renewal_index())};
  const bool inserted = leases_.emplace(stored.name(), lease).second;
  CHECK(inserted);
}

void LeaseTable::Restore(const std::string& name, std::optional<Lease> row) {
  if (row.has_value()) {
    leases_.insert_or_assign(name, *std::move(row));
  } else {
    leases_.erase(name);
  }
}

void LeaseNotes::Note(const std::string& name, Epoch epoch, MonoMicros now) {
  noted_.insert_or_assign(name, Noted{epoch, now});
}

void LeaseNotes::Forget(const std::string& name) { noted_.erase(name); }

void LeaseNotes::Restart(const LeaseTable& table, MonoMicros now) {
  noted_.clear();
  if (PLANTED(kTtlBeganLongAgo)) now -= 3600 * kMicrosPerSecond;
  for (const auto& [name, lease] : table.leases()) Note(name, lease.epoch, now);
}

std::optional<MonoMicros> LeaseNotes::Deadline(const std::string& name, const Lease& lease) const {
  const auto it = noted_.find(name);
  if (it == noted_.end() || it->second.epoch != lease.epoch) return std::nullopt;
  return it->second.at + static_cast<int64_t>(lease.ttl_ms) * kMicrosPerMilli;
}

}  // namespace cairn::server
