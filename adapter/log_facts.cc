#include "adapter/log_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace cairn::adapter {
namespace {

int64_t TtlMicros(uint64_t ttl_ms) { return static_cast<int64_t>(ttl_ms) * kMicrosPerMilli; }

}  // namespace

LogFacts::LogFacts(std::string lease_name, const HolderNames* names, PlaceReader read_place)
    : lease_name_(std::move(lease_name)), names_(names), read_place_(std::move(read_place)) {}

void LogFacts::Begin(LogPosition position) { position_ = std::move(position); }

LeaseView LogFacts::ViewOf(const LeaseInfo& lease) const {
  if (!lease.epoch) return {};
  return {.owner = names_->OwnerOf(lease.holder),
          .epoch = lease.epoch,
          .ttl_us = TtlMicros(lease.ttl_ms),
          .transferred = false};
}

absl::Status LogFacts::Take(TailEvent event, std::vector<LogSeenEvent>* seen) {
  const bool quiet = event.batches.empty() && event.renewed.empty() && !event.caught_up;
  if (quiet) return absl::OkStatus();
  for (RecordBatch& batch : event.batches) {
    for (Record& record : batch.records) {
      ASSIGN_OR_RETURN(const bool is_lease, TakeRecord(std::move(record)));
      if (!is_lease) continue;
      seen->push_back(Event());
      seen->back().lease_alive = true;
    }
  }
  LogSeenEvent last = Event();
  last.caught_up = event.caught_up.has_value() && event.caught_up->seq == position_.read_seq;
  for (const LeaseRenewed& renewed : event.renewed) {
    last.lease_alive |= renewed.name == lease_name_ && renewed.epoch == position_.lease.epoch;
  }
  seen->push_back(std::move(last));
  return absl::OkStatus();
}

absl::StatusOr<bool> LogFacts::TakeRecord(Record record) {
  CHECK_EQ(record.seq, position_.read_seq + 1);
  position_.read_seq = record.seq;
  if (record.lease) {
    if (record.lease->name != lease_name_) return false;
    TakeLease(record);
    return true;
  }
  if (record.kind != RecordKind::kData) return false;
  absl::StatusOr<std::optional<StreamPlace>> place = read_place_(&record);
  if (!place.ok()) return Annotate(place.status(), fmt::format("record {}", record.seq));
  if (place->has_value()) position_.published = Meeting{**std::move(place), record.seq};
  return false;
}

void LogFacts::TakeLease(const Record& record) {
  const LeaseEvent& lease = *record.lease;
  const bool transferred = record.kind == RecordKind::kLeaseTransferred;
  if (record.kind != RecordKind::kLeaseAcquired && !transferred) {
    position_.lease = {};
    position_.holder.clear();
    return;
  }
  const Epoch epoch(record.seq.value());
  position_.lease = {.owner = names_->OwnerOf(lease.holder),
                     .epoch = epoch,
                     .ttl_us = TtlMicros(lease.ttl_ms),
                     .transferred = transferred};
  position_.holder = lease.holder;
  if (position_.lease.owner == LeaseOwner::kOther) position_.others_epoch = epoch;
}

LogSeenEvent LogFacts::Event() const {
  return {.read_seq = position_.read_seq,
          .lease = position_.lease,
          .published = position_.published,
          .others_epoch = position_.others_epoch,
          .caught_up = false,
          .lease_alive = false};
}

}  // namespace cairn::adapter
