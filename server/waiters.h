// Waiters: replies that depend on what gets committed at an index.
//
// Filed by (index, term). When an entry is committed at that index: the same term means
// that the filed reply is true; another term means that the entry was replaced, so its
// request is certainly not done and the answer is NOT_LEADER. Waiters outlive leadership: a
// deposed leader still learns which of the two it was. Only the deadline (or a snapshot that
// skips the index) leaves a request unknown. (architecture section 6)
//
// Threads: the group's. Bound: at most `capacity` waiters; Full() is asked before work.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "server/group_events.h"

namespace cairn::server {

class Waiters {
 public:
  explicit Waiters(size_t capacity) : capacity_(capacity) {}

  [[nodiscard]] bool Full() const { return size_ >= capacity_; }
  [[nodiscard]] size_t size() const { return size_; }

  // `reply` is sent if the entry at `index` is committed with `term`.
  // Requires: (term, index) not below that of the last File.
  void File(Index index, Term term, ReplyTo to, Reply reply, MonoMicros deadline);

  // The entry at `index`, of `term`, is applied. Answers everything filed at or below the
  // index (those below it were replaced or match an earlier call). `not_leader` words the
  // refusal of those whose entry was replaced.
  void OnApplied(Index index, Term term, const Rejection& not_leader,
                 std::vector<Effects::OutReply>& out);
  // A snapshot covers everything through `index`: unknown.
  void OnSkipped(Index through, std::vector<Effects::OutReply>& out);
  // Unknown for those whose deadline has passed.
  void Expire(MonoMicros now, std::vector<Effects::OutReply>& out);
  // The node stops or the group goes: unknown for all.
  void Clear(const Rejection& why, std::vector<Effects::OutReply>& out);

 private:
  struct Waiter {
    Index index;
    Term term;
    ReplyTo to;
    Reply reply;
    MonoMicros deadline;
  };
  const size_t capacity_;
  size_t size_ = 0;
  std::deque<Waiter> queue_;  // Ascending by index; terms ascend too.
};

}  // namespace cairn::server
