#include "server/clock_watch.h"

#include <algorithm>
#include <cstdlib>

#include "base/check.h"

namespace cairn::server {

void ClockWatch::Reset() {
  samples_.clear();
  off_ = false;
}

bool ClockWatch::Fresh(NodeId voter, MonoMicros now) const {
  const auto sample = samples_.find(voter);
  return sample != samples_.end() && now - sample->second.at <= fresh_us_;
}

int64_t ClockWatch::Offset(NodeId voter, TurnTime now) const {
  if (voter == self_ || !Fresh(voter, now.mono)) return 0;
  return samples_.at(voter).wall_less_mono_us - (now.wall - now.mono);
}

ClockWatch::Interval ClockWatch::Majority(const std::vector<NodeId>& voters, TurnTime now) const {
  CHECK(!voters.empty());
  std::vector<int64_t> offsets;
  offsets.reserve(voters.size());
  for (const NodeId voter : voters) offsets.push_back(Offset(voter, now));
  std::sort(offsets.begin(), offsets.end());
  const size_t quorum = offsets.size() / 2 + 1;
  return {offsets[offsets.size() - quorum], offsets[quorum - 1]};
}

int64_t ClockWatch::Deviation(const std::vector<NodeId>& voters, TurnTime now) const {
  const Interval majority = Majority(voters, now);
  if (majority.begin_us > 0) return -majority.begin_us;
  if (majority.end_us < 0) return -majority.end_us;
  return 0;
}

bool ClockWatch::HandOverDue(const std::vector<NodeId>& voters, TurnTime now) {
  const bool was_off = off_;
  off_ = std::abs(Deviation(voters, now)) > kToleranceUs;
  if (!off_) return false;
  if (!was_off) off_since_ = now.mono;
  if (now.mono - off_since_ < kPatienceUs) return false;
  off_since_ = now.mono;
  return true;
}

std::vector<NodeId> ClockWatch::Heirs(const std::vector<NodeId>& voters, TurnTime now) const {
  const Interval majority = Majority(voters, now);
  std::vector<NodeId> heirs;
  for (const NodeId voter : voters) {
    if (voter == self_ || !Fresh(voter, now.mono)) continue;
    const int64_t offset = Offset(voter, now);
    if (offset < majority.begin_us - kHeirToleranceUs) continue;
    if (offset > majority.end_us + kHeirToleranceUs) continue;
    heirs.push_back(voter);
  }
  return heirs;
}

}  // namespace cairn::server
