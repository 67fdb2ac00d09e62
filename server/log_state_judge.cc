// What speaks against a request, and what that rests on (architecture section 7).
//
// The leader knows two states: the applied one, which is committed, and the speculative
// one, in which requests are judged. A refusal is
//   final                when the applied state alone makes it true for ever;
//   resting on an entry  when it is true only once that uncommitted entry is committed;
//   resting on this leader being up to date   otherwise: the applied state says so, but a
//                        newer leader may have gone on.
// The details in a refusal (the actual last seq, the present holder) are always those of the
// state it rests on, never of speculation beyond it: what is told has happened.
#include <utility>

#include "base/check.h"
#include "base/mark.h"
#include "base/planted_bug.h"
#include "server/log_state.h"
#include "server/rejections.h"

namespace cairn::server {
namespace {

using Rests = Decided::Rests;

Decided Final(Reply reply) { return {std::move(reply), Rests::kNothing, Index()}; }
Decided OnEntry(Reply reply, Index index) {
  if (std::holds_alternative<Rejection>(reply) && PLANTED(kRefusedBeforeCommit)) {
    return Final(std::move(reply));
  }
  return {std::move(reply), Rests::kEntry, index};
}
Decided IfUpToDate(Reply reply) { return {std::move(reply), Rests::kUpToDate, Index()}; }

}  // namespace

std::optional<Decided> LogState::JudgeLastSeq(std::optional<Seq> expected) const {
  if (!expected.has_value() || *expected == speculative_->last_seq) return std::nullopt;
  if (*expected == applied_.last_seq && PLANTED(kConditionOnApplied)) return std::nullopt;
  const GroupId log = applied_.log_id;
  // The log only grows: nothing can bring this last seq back.
  if (*expected < applied_.last_seq) {
    return Final(ConditionFailed(log, *expected, applied_.last_seq));
  }
  // True only once the entry that moves the log past `expected` is committed.
  if (*expected < speculative_->last_seq) {
    const Unsettled::Run* const run = unsettled_.EntryOf(*expected + 1);
    CHECK(run != nullptr);
    return OnEntry(ConditionFailed(log, *expected, run->last_seq), run->index);
  }
  // The caller may know of records that a newer leader committed.
  return IfUpToDate(ConditionFailed(log, *expected, applied_.last_seq));
}

std::optional<Decided> LogState::JudgeEpoch(const std::string& lease_name, Epoch epoch,
                                            TurnTime now) const {
  const Lease* const proposed = speculative_->leases.Find(lease_name);
  if (proposed != nullptr && proposed->epoch == epoch) return std::nullopt;
  const GroupId log = applied_.log_id;
  const Lease* const settled = applied_.leases.Find(lease_name);
  // Still current among what is committed: an uncommitted entry ends it.
  if (settled != nullptr && settled->epoch == epoch) {
    const Unsettled::LeaseChange* const end = unsettled_.EndOf(lease_name, epoch);
    CHECK(end != nullptr);
    const Lease* const after = end->after.has_value() ? &*end->after : nullptr;
    return OnEntry(LeaseLost(log, epoch, Describe(lease_name, after, now)), end->index);
  }
  Rejection lost = LeaseLost(log, epoch, Describe(lease_name, settled, now));
  Hit(Mark::kFenced);
  // An epoch is the seq of its grant: one that the committed log has passed without being
  // the current one never will be.
  if (epoch.value() <= applied_.last_seq.value()) return Final(std::move(lost));
  return IfUpToDate(std::move(lost));
}

std::optional<Decided> LogState::JudgeHeld(const std::string& lease_name, TurnTime now) const {
  const Lease* const lease = speculative_->leases.Find(lease_name);
  if (lease == nullptr || LeaseOver(lease_name, *lease, now)) return std::nullopt;
  Rejection held = LeaseHeld(applied_.log_id, Describe(lease_name, lease, now));
  if (lease->last_renewal > applied_index_) return OnEntry(std::move(held), lease->last_renewal);
  return IfUpToDate(std::move(held));
}

std::optional<Decided> LogState::JudgeProducer(uint64_t id, uint64_t sequence) const {
  const GroupId log = applied_.log_id;
  ProducerResult result;
  uint64_t expected = 0;
  switch (speculative_->producers.Judge(id, sequence, &result, &expected)) {
    case ProducerTable::Judgement::kNext:
      return std::nullopt;
    case ProducerTable::Judgement::kDuplicate:
      Hit(Mark::kDuplicateAnswered);
      return DuplicateOf(result);
    case ProducerTable::Judgement::kGap:
      return SequenceGap(id, sequence, expected);
    case ProducerTable::Judgement::kUnknown: {
      const std::optional<Index> drop = unsettled_.DropOf(id);
      if (drop.has_value()) return OnEntry(ProducerExpired(log, id), *drop);
      return IfUpToDate(ProducerExpired(log, id));
    }
  }
  CHECK_UNREACHABLE();
}

Decided LogState::DuplicateOf(const ProducerResult& result) const {
  AppendDone done{result.first_seq, result.last_seq, result.timestamp_us, result.chain,
                  /*duplicate=*/true};
  if (result.last_seq <= applied_.last_seq || PLANTED(kDuplicateBeforeCommit)) {
    return Final(done);
  }
  Hit(Mark::kDuplicateRestsOnEntry);
  const Unsettled::Run* const run = unsettled_.EntryOf(result.last_seq);
  CHECK(run != nullptr);
  return OnEntry(done, run->index);
}

Decided LogState::SequenceGap(uint64_t id, uint64_t sequence, uint64_t expected) const {
  Rejection gap = DuplicateGap(applied_.log_id, id, sequence, expected);
  // Its predecessor is missing here; a newer leader may have it.
  if (sequence > expected) return IfUpToDate(std::move(gap));
  ProducerResult ignored;
  uint64_t settled_expected = 0;
  const auto settled = applied_.producers.Judge(id, sequence, &ignored, &settled_expected);
  // Out of the window among what is committed, and sequences only grow.
  if (settled == ProducerTable::Judgement::kGap && sequence < settled_expected) {
    return Final(std::move(gap));
  }
  // Pushed out of the window by uncommitted appends: at the latest by the last one.
  const Seq last = speculative_->producers.Find(id)->results.back().last_seq;
  const Unsettled::Run* const run = unsettled_.EntryOf(last);
  CHECK(run != nullptr);
  return OnEntry(std::move(gap), run->index);
}

Decided LogState::RestsOn(Unsettled::Fact fact, Reply reply) const {
  const std::optional<Index> change = unsettled_.ChangeOf(fact);
  if (change.has_value()) return OnEntry(std::move(reply), *change);
  return IfUpToDate(std::move(reply));
}

}  // namespace cairn::server
