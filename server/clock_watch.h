// ClockWatch: whether a leader's wall clock has left that of the majority (design 5.7).
//
// Log time follows the leader's wall clock, so a leader with a wrong one hands over. Followers
// say what their clocks show in each answer to a heartbeat; the leader compares.
//
// The majority's time is an interval: more than half of the voters are at or after its
// beginning, and more than half at or before its end (for an odd number both are the median). A
// voter that was not heard lately counts as if it agreed with the leader, so that only a real
// majority can put it in the wrong; two voters never do.
//
// No ping-pong: an heir is well inside of what the rule tolerates, by the same interval that
// it will compute itself. And the leader must be off for a while, since an answer that waited
// in a queue (the machine was paused) makes a clock look wrong for a moment, as does a cluster
// whose clocks are being corrected one by one.
//
// Deterministic. Threads: the group's. Bound: one sample per voter.
#pragma once

#include <map>
#include <vector>

#include "server/group_events.h"

namespace cairn::server {

class ClockWatch {
 public:
  static constexpr int64_t kToleranceUs = 60 * kMicrosPerSecond;
  // How near an heir must be to the majority's time.
  static constexpr int64_t kHeirToleranceUs = kToleranceUs / 2;
  // How long the leader must be off before it hands over, and then waits for the next try.
  static constexpr int64_t kPatienceUs = 5 * kMicrosPerSecond;

  // Samples older than `fresh_us` do not count.
  ClockWatch(NodeId self, int64_t fresh_us) : self_(self), fresh_us_(fresh_us) {}

  // `peer` says that its clock shows `wall`.
  void Hear(NodeId peer, WallMicros wall, MonoMicros now) { samples_[peer] = {wall - now, now}; }
  // This node does not lead: what was heard is nobody's business any more.
  void Reset();

  // How far this node's clock is from the majority's; positive: it is ahead.
  [[nodiscard]] int64_t Deviation(const std::vector<NodeId>& voters, TurnTime now) const;
  // Whether it is time to hand over: this node was off for long enough. True once per
  // kPatienceUs. Call it at each tick of a leader.
  [[nodiscard]] bool HandOverDue(const std::vector<NodeId>& voters, TurnTime now);
  // Voters whose clocks are right, by id.
  [[nodiscard]] std::vector<NodeId> Heirs(const std::vector<NodeId>& voters, TurnTime now) const;

 private:
  struct Sample {
    int64_t wall_less_mono_us = 0;  // Against this node's own monotonic clock.
    MonoMicros at = 0;
  };
  struct Interval {
    int64_t begin_us = 0;
    int64_t end_us = 0;
  };
  // The voter's wall clock less this node's; 0 for itself and for whom it has not heard.
  [[nodiscard]] int64_t Offset(NodeId voter, TurnTime now) const;
  [[nodiscard]] bool Fresh(NodeId voter, MonoMicros now) const;
  [[nodiscard]] Interval Majority(const std::vector<NodeId>& voters, TurnTime now) const;

  const NodeId self_;
  const int64_t fresh_us_;
  std::map<NodeId, Sample> samples_;
  bool off_ = false;
  MonoMicros off_since_ = 0;  // Meaningful while off_.
};

}  // namespace cairn::server
