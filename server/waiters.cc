#include "server/waiters.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mark.h"
#include "base/planted_bug.h"

namespace cairn::server {
namespace {

using consensus::Position;

Rejection Unknown(const char* why) {
  Rejection unknown;
  unknown.info.set_reason(cairn::v1::REASON_OUTCOME_UNKNOWN);
  unknown.message = why;
  return unknown;
}

}  // namespace

void Waiters::File(Index index, Term term, ReplyTo to, Reply reply, MonoMicros deadline) {
  const Position position{term, index};
  // A reply filed too late would be answered by the next entry, and perhaps wrongly.
  CHECK(position > decided_);
  expiry_due_ = std::min(expiry_due_, deadline);
  auto place = queue_.end();
  while (place != queue_.begin() && std::prev(place)->position > position) --place;
  queue_.insert(place, {position, to, std::move(reply), deadline});
}

void Waiters::OnApplied(Index index, Term term, const Rejection& not_leader,
                        std::vector<Effects::OutReply>& out) {
  const Position applied{term, index};
  CHECK(applied > decided_);
  decided_ = applied;
  while (!queue_.empty() && queue_.front().position <= applied) {
    Waiter& waiter = queue_.front();
    // An entry of the same term at or below `index` is part of the committed prefix: a leader
    // only appends (thesis 3.4, Leader Append-Only; 3.5, Log Matching). One of an older term
    // would have been answered when its own index was applied, had it been committed.
    const bool committed = waiter.position.term == term || PLANTED(kWaiterByIndexOnly);
    if (!committed) Hit(Mark::kReplacedAnswered);
    out.push_back({waiter.to, committed ? std::move(waiter.reply) : Reply(not_leader)});
    queue_.pop_front();
  }
}

void Waiters::OnSkipped(Index through, std::vector<Effects::OutReply>& out) {
  Rejection why = Unknown(
      "a snapshot replaced the entry that the outcome rests on; retry with the same producer "
      "sequence, or read, to learn it");
  if (PLANTED(kSkippedIsNotDone)) why.info.set_reason(cairn::v1::REASON_NOT_LEADER);
  Refuse([through](const Waiter& waiter) { return waiter.position.index <= through; }, why, out);
}

void Waiters::Expire(MonoMicros now, std::vector<Effects::OutReply>& out) {
  if (now < expiry_due_) return;
  Refuse([now](const Waiter& waiter) { return waiter.deadline <= now; },
         Unknown("the deadline passed before the outcome was known; retry with the same producer "
                 "sequence, or read, to learn it"),
         out);
  MonoMicros earliest = kNever;
  for (const Waiter& waiter : queue_) earliest = std::min(earliest, waiter.deadline);
  expiry_due_ = earliest == kNever ? kNever : std::max(earliest, now + kExpiryGrainUs);
}

void Waiters::Clear(const Rejection& why, std::vector<Effects::OutReply>& out) {
  Refuse([](const Waiter&) { return true; }, why, out);
}

template <class Predicate>
void Waiters::Refuse(Predicate matches, const Rejection& why, std::vector<Effects::OutReply>& out) {
  std::deque<Waiter> kept;
  for (Waiter& waiter : queue_) {
    if (matches(waiter)) {
      Rejection told = why;
      if (const auto* append = std::get_if<AppendDone>(&waiter.reply)) told.times = append->times;
      out.push_back({waiter.to, std::move(told)});
    } else {
      kept.push_back(std::move(waiter));
    }
  }
  queue_ = std::move(kept);
}

}  // namespace cairn::server
