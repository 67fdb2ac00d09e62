#include "client/src/lease_watch.h"

#include "client/src/lease_keeper_core.h"

namespace cairn::client {

bool LeaseWatch::OnEvent(const TailEvent& event, MonoMicros now_us) {
  const Epoch before = epoch_;
  for (const RecordBatch& batch : event.batches) {
    for (const Record& record : batch.records) {
      if (record.lease && record.lease->name == lease_name_) OnRecord(record, now_us);
    }
    position_ = batch.last_seq();
  }
  for (const LeaseRenewed& mark : event.renewed) {
    if (mark.name == lease_name_) OnRenewed(mark, now_us);
  }
  if (event.caught_up && (!position_ || event.caught_up->seq > *position_)) {
    position_ = event.caught_up->seq;
  }
  return before && !epoch_;
}

void LeaseWatch::OnRecord(const Record& record, MonoMicros now_us) {
  switch (record.kind) {
    case RecordKind::kLeaseAcquired:
    case RecordKind::kLeaseTransferred:
      epoch_ = Epoch{record.seq.value()};
      holder_ = record.lease->holder;
      ttl_us_ = LeaseTtlUs(record.lease->ttl_ms);
      sign_of_life_us_ = now_us;
      return;
    case RecordKind::kLeaseReleased:
    case RecordKind::kLeaseExpired:
      epoch_ = Epoch{};
      holder_.clear();
      return;
    case RecordKind::kData:
    case RecordKind::kCatalog:
      return;
  }
}

void LeaseWatch::OnRenewed(const LeaseRenewed& mark, MonoMicros now_us) {
  if (mark.epoch != epoch_) {
    epoch_ = mark.epoch;
    holder_.clear();
    ttl_us_ = assumed_ttl_us_;
  }
  sign_of_life_us_ = now_us;
}

}  // namespace cairn::client
