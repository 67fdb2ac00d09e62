#include "tests/history/committed_record.h"

namespace cairn::history {
namespace {

CommittedRecord::Kind KindOf(v1::RecordKind kind) {
  using Kind = CommittedRecord::Kind;
  switch (kind) {
    case v1::RECORD_KIND_UNSPECIFIED:
      return Kind::kData;
    case v1::RECORD_KIND_LEASE_ACQUIRED:
      return Kind::kAcquired;
    case v1::RECORD_KIND_LEASE_RELEASED:
      return Kind::kReleased;
    case v1::RECORD_KIND_LEASE_TRANSFERRED:
      return Kind::kTransferred;
    case v1::RECORD_KIND_LEASE_EXPIRED:
      return Kind::kExpired;
    default:
      return Kind::kOther;
  }
}

}  // namespace

CommittedRecord ToCommitted(Seq seq, uint64_t chain, const v1::Record& record) {
  return {.seq = seq,
          .chain = chain,
          .kind = KindOf(record.kind()),
          .payload = record.payload(),
          .holder = record.lease().holder(),
          .ended_epoch = Epoch(record.lease().ended_epoch())};
}

}  // namespace cairn::history
