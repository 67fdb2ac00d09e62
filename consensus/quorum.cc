#include "consensus/quorum.h"

#include <algorithm>
#include <functional>
#include <limits>

namespace cairn::consensus {

uint64_t MajorityValue(std::vector<uint64_t> values) {
  if (values.empty()) return std::numeric_limits<uint64_t>::max();
  // Sorted downwards, the value at n/2 is reached by n/2 + 1 voters: a majority.
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), nth, values.end(), std::greater<>());
  return *nth;
}

VoteResult CountBallots(const std::vector<Ballot>& ballots) {
  if (ballots.empty()) return VoteResult::kWon;
  const size_t majority = ballots.size() / 2 + 1;
  const auto count = [&](Ballot wanted) {
    return static_cast<size_t>(std::count(ballots.begin(), ballots.end(), wanted));
  };
  if (count(Ballot::kGranted) >= majority) return VoteResult::kWon;
  if (ballots.size() - count(Ballot::kRefused) < majority) return VoteResult::kLost;
  return VoteResult::kPending;
}

VoteResult Worse(VoteResult a, VoteResult b) {
  if (a == VoteResult::kLost || b == VoteResult::kLost) return VoteResult::kLost;
  if (a == VoteResult::kPending || b == VoteResult::kPending) return VoteResult::kPending;
  return VoteResult::kWon;
}

}  // namespace cairn::consensus
