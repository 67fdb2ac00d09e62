#include "server/rejections.h"

#include <fmt/format.h>

#include <utility>

#include "server/producer_window.h"

namespace cairn::server {
namespace {

Rejection Make(GroupId log, cairn::v1::Reason reason, std::string_view message) {
  Rejection rejection;
  rejection.info.set_reason(reason);
  rejection.info.set_log_id(log.value());
  rejection.message = fmt::format("log {}: {}", log, message);
  return rejection;
}

std::string HolderOf(const cairn::v1::LeaseState& lease) {
  if (lease.holder().empty()) return fmt::format("lease '{}' is free", lease.name());
  return fmt::format("lease '{}' is held by '{}' with epoch {}", lease.name(), lease.holder(),
                     lease.epoch());
}

}  // namespace

Rejection ConditionFailed(GroupId log, Seq expected, Seq last_seq) {
  Rejection r = Make(log, cairn::v1::REASON_CONDITION_FAILED,
                     fmt::format("last seq is {}, expected {}", last_seq, expected));
  r.info.set_last_seq(last_seq.value());
  return r;
}

Rejection SeqInFuture(GroupId log, Seq asked, Seq last_seq) {
  Rejection r = Make(log, cairn::v1::REASON_SEQ_IN_FUTURE,
                     fmt::format("seq {} was named, last seq is {}", asked, last_seq));
  r.info.set_last_seq(last_seq.value());
  return r;
}

Rejection LeaseHeld(GroupId log, const cairn::v1::LeaseState& lease) {
  Rejection r = Make(log, cairn::v1::REASON_LEASE_HELD,
                     fmt::format("{}, {} ms left", HolderOf(lease), lease.remaining_ms()));
  *r.info.mutable_lease() = lease;
  return r;
}

Rejection LeaseLost(GroupId log, Epoch expected, const cairn::v1::LeaseState& lease) {
  Rejection r = Make(log, cairn::v1::REASON_LEASE_LOST,
                     fmt::format("{}, expected epoch {}", HolderOf(lease), expected));
  *r.info.mutable_lease() = lease;
  return r;
}

Rejection FenceRequired(GroupId log) {
  return Make(log, cairn::v1::REASON_FENCE_REQUIRED,
              "the log is fenced and the append names no lease epoch, expected one");
}

Rejection ProducerExpired(GroupId log, uint64_t producer_id) {
  return Make(log, cairn::v1::REASON_PRODUCER_EXPIRED,
              fmt::format("producer {} is unknown, expected a registered one", producer_id));
}

Rejection DuplicateGap(GroupId log, uint64_t producer_id, uint64_t sequence, uint64_t expected) {
  Rejection r = Make(
      log, cairn::v1::REASON_DUPLICATE_GAP,
      sequence < expected
          ? fmt::format("producer {}: sequence {} is older than the last {} results, expected {}",
                        producer_id, sequence, kProducerWindow, expected)
          : fmt::format("producer {}: sequence {} leaves a gap, expected {}", producer_id, sequence,
                        expected));
  r.info.set_expected_sequence(expected);
  return r;
}

Rejection TrimGuarded(GroupId log, const std::string& guard, Seq asked, Seq limit) {
  Rejection r = Make(log, cairn::v1::REASON_TRIM_GUARDED,
                     fmt::format("trim to first seq {}: the snapshots of guard '{}' cover only up "
                                 "to {}",
                                 asked, guard, limit));
  r.info.set_first_seq(limit.value());
  return r;
}

Rejection TrimGuardedByArchive(GroupId log, Seq asked, Seq limit) {
  Rejection r = Make(log, cairn::v1::REASON_TRIM_GUARDED,
                     fmt::format("trim to first seq {}: the log is archived only up to {}", asked,
                                 limit.Previous()));
  r.info.set_first_seq(limit.value());
  return r;
}

Rejection TableFull(GroupId log, std::string_view what, uint64_t limit) {
  Rejection r = Make(log, cairn::v1::REASON_TABLE_FULL,
                     fmt::format("the log has {} {} already, at most that many fit", limit, what));
  r.info.set_limit(limit);
  r.info.set_actual(limit);
  return r;
}

Rejection TooLarge(GroupId log, std::string_view what, uint64_t limit, uint64_t actual) {
  Rejection r = Make(log, cairn::v1::REASON_TOO_LARGE,
                     fmt::format("the {} has {} bytes, expected at most {}", what, actual, limit));
  r.info.set_limit(limit);
  r.info.set_actual(actual);
  return r;
}

Rejection Invalid(GroupId log, const std::string& what) {
  return Make(log, cairn::v1::REASON_INVALID, what);
}

Rejection ChainMismatch(GroupId log, Seq seq, uint64_t chain, uint64_t expected) {
  Rejection rejection = Make(
      log, cairn::v1::REASON_CHAIN_MISMATCH,
      fmt::format("the log's chain at seq {} is {:016x}, expected {:016x}", seq, chain, expected));
  rejection.info.set_chain(chain);
  return rejection;
}

}  // namespace cairn::server
