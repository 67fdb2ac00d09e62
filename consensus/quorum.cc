#include "consensus/quorum.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "base/check.h"

namespace cairn::consensus {

uint64_t MajorityValue(std::span<uint64_t> values) {
  if (values.empty()) return std::numeric_limits<uint64_t>::max();
  // Sorted downwards, the value at n/2 is reached by n/2 + 1 voters: a majority.
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), nth, values.end(), std::greater<>());
  return *nth;
}

VoteResult CountBallots(size_t voters, size_t granted, size_t refused) {
  CHECK_LE(granted + refused, voters);
  if (voters == 0) return VoteResult::kWon;
  const size_t majority = voters / 2 + 1;
  if (granted >= majority) return VoteResult::kWon;
  if (voters - refused < majority) return VoteResult::kLost;
  return VoteResult::kPending;
}

VoteResult Worse(VoteResult a, VoteResult b) {
  if (a == VoteResult::kLost || b == VoteResult::kLost) return VoteResult::kLost;
  if (a == VoteResult::kPending || b == VoteResult::kPending) return VoteResult::kPending;
  return VoteResult::kWon;
}

}  // namespace cairn::consensus
