// Waiters: replies that depend on what gets committed at an index.
//
// Filed by (index, term). When an entry is committed at that index: the same term means
// that the filed reply is true; another term means that the entry was replaced, so its
// request is certainly not done and the answer is NOT_LEADER. Waiters outlive leadership: a
// deposed leader still learns which of the two it was. Only the deadline (or a snapshot that
// skips the index) leaves a request unknown. (architecture section 6)
//
// Order: the queue ascends by (term, index), the order in which a log's positions can become
// committed. So a commit decides a prefix of the queue: also the waiters of an older term at
// higher indexes, since terms never fall along a log.
//
// Threads: the group's. Bound: at most `capacity` waiters; Full() is asked before work.
// Cost: O(1) amortised per waiter; Expire() looks at all of them at most once per
//   kExpiryGrain, and only if a deadline has passed.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <vector>

#include "consensus/types.h"
#include "server/group_events.h"

namespace cairn::server {

class Waiters {
 public:
  // Deadlines are noticed at most this late (and a tick).
  static constexpr int64_t kExpiryGrainUs = 100 * kMicrosPerMilli;

  explicit Waiters(size_t capacity) : capacity_(capacity) {}

  [[nodiscard]] bool Full() const { return queue_.size() >= capacity_; }
  [[nodiscard]] size_t size() const { return queue_.size(); }

  // `reply` is sent if the entry at `index` is committed with `term`.
  // Requires: (term, index) above everything that OnApplied has seen. Usually it is not below
  // that of the last File either; one that is (a refusal that rests on an entry before the
  // newest) is put in its place.
  void File(Index index, Term term, ReplyTo to, Reply reply, MonoMicros deadline);

  // The entry at `index`, of `term`, is applied. Answers everything that this decides (see
  // Order above). `not_leader` words the refusal of those whose entry was replaced.
  // Requires: called for every index in order, but for those that a snapshot skips.
  void OnApplied(Index index, Term term, const Rejection& not_leader,
                 std::vector<Effects::OutReply>& out);
  // A snapshot covers everything through `index`: unknown.
  void OnSkipped(Index through, std::vector<Effects::OutReply>& out);
  // Unknown for those whose deadline has passed.
  void Expire(MonoMicros now, std::vector<Effects::OutReply>& out);
  // The node stops or the group goes: `why` for all.
  void Clear(const Rejection& why, std::vector<Effects::OutReply>& out);

 private:
  static constexpr MonoMicros kNever = std::numeric_limits<MonoMicros>::max();

  struct Waiter {
    consensus::Position position;
    ReplyTo to;
    Reply reply;
    MonoMicros deadline;
  };

  // Answers all waiters that `matches` says with `why`, keeping the order of the others.
  template <class Predicate>
  void Refuse(Predicate matches, const Rejection& why, std::vector<Effects::OutReply>& out);

  const size_t capacity_;
  std::deque<Waiter> queue_;        // Ascending by position.
  consensus::Position decided_;     // Everything at or below it was answered.
  MonoMicros expiry_due_ = kNever;  // No deadline in the queue is noticed before this.
};

}  // namespace cairn::server
