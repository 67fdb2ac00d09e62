// ReadIndex: reads that wait for proof that this leader was still the leader after they
// arrived (thesis 6.4), and the clock-bounded alternative (6.4.1).
//
// A round is one broadcast of heartbeats that carries the round's number; a member that
// answers confirms that number and all below. A read joins a round that has not left
// yet, so all reads of one turn share one round. It is answered with the commit index as
// of its arrival (or as of the leader's own first commit, if that is later) once a
// quorum has confirmed its round.
//
// Plain values, owned by RaftCore. Bounds: the driver bounds its reads; those of other
// nodes are bounded by `kMaxRemoteReads`, beyond which they are refused.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"

namespace cairn::consensus {

// One read that was asked for here or by a follower.
struct PendingRead {
  NodeId from;  // The asking node; the leader itself for a local read.
  uint64_t context = 0;
  Index index;  // 0 until the leader may say (its own no-op is not committed).
  uint64_t round = 0;
};

class ReadIndexQueue {
 public:
  static constexpr size_t kMaxRemoteReads = 65536;

  // The newest round; 0 before the first.
  [[nodiscard]] uint64_t round() const { return round_; }
  // Begins a round unless one has begun that has not left yet. Returns whether one was
  // begun, so that heartbeats have to be broadcast for it; round() is its number.
  bool JoinRound();
  // All messages made so far have been handed to the driver.
  void OnMessagesLeft() { round_open_ = false; }

  [[nodiscard]] bool Full() const { return reads_.size() >= kMaxRemoteReads; }
  [[nodiscard]] bool empty() const { return reads_.empty(); }
  // Requires: rounds do not decrease.
  void Add(const PendingRead& read);
  // Reads that could not be given an index yet get `index`.
  void SetIndexes(Index index);
  // Takes out the reads of confirmed rounds that have an index, in order of arrival.
  std::vector<PendingRead> Confirm(uint64_t round);
  // Takes out all.
  std::vector<PendingRead> Clear();

 private:
  uint64_t round_ = 0;
  bool round_open_ = false;
  std::deque<PendingRead> reads_;  // Ascending by round.
};

// For how long the last promised round keeps others from being elected, by the leader's clock.
//
// Whoever promises gives no vote for `promise_us` after it heard the heartbeat, by its own clock,
// and that is later than the leader sent it. The lease counts from before the sending, and ends
// a tenth early for clocks whose rates differ. It says nothing of ticks: those of a process that
// was stopped are never made up for, and its clock goes on (decision 038).
class LeaderLease {
 public:
  explicit LeaderLease(int64_t promise_us);

  // `now`: not later than the round's first message leaves. Requires: it does not decrease.
  void OnRoundSent(uint64_t round, MonoMicros now);
  // A quorum has promised by its answers to this round.
  void OnRoundPromised(uint64_t round);
  // `now`: not earlier than the read was asked for that goes by the answer.
  [[nodiscard]] bool Holds(MonoMicros now) const;
  // Other members make a quorum now: what earlier rounds bring counts no more.
  void Forget();
  // No lease any more in this reign: someone may have been told to take over.
  void Spoil() { spoiled_ = true; }

 private:
  struct Sent {
    uint64_t round;
    MonoMicros at;
  };
  int64_t length_us_;
  std::deque<Sent> sent_;  // Rounds whose confirmation would prolong the lease; bounded by
                           // kMaxRounds, the oldest being forgotten first.
  std::optional<MonoMicros> start_;
  bool spoiled_ = false;
};

// A follower's reads that were passed on to the leader. An answer may be lost, so each
// is given up after an election timeout.
class ForwardedReads {
 public:
  [[nodiscard]] bool empty() const { return reads_.empty(); }
  void Add(uint64_t context, uint64_t now_tick) { reads_.push_back({context, now_tick}); }
  // False: unknown, already answered or given up.
  bool Take(uint64_t context);
  // Takes out those asked at or before `tick`.
  std::vector<uint64_t> TakeThrough(uint64_t tick);
  std::vector<uint64_t> Clear();

 private:
  struct Read {
    uint64_t context;
    uint64_t tick;
  };
  std::deque<Read> reads_;  // Ascending by tick; bounded by the driver.
};

}  // namespace cairn::consensus
