// Quorum: what a majority says, also when two sets of voters decide together.
//
// Free functions over a Membership and "what does this voter say". In a joint
// configuration a decision needs a majority of both sets (thesis 4.3), so the lower of
// the two values, or the worse of the two results, is the joint one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/planted_bug.h"
#include "consensus/membership.h"

namespace cairn::consensus {

// The highest value that a majority of `values` has reached; leaves them in another order.
// Of no voters: the maximum of the type, since an empty set restrains nobody.
[[nodiscard]] uint64_t MajorityValue(std::span<uint64_t> values);

enum class VoteResult : uint8_t {
  kPending,  // Neither can be said yet.
  kWon,      // A majority granted.
  kLost,     // A majority can no longer be reached.
};

// What one voter said.
enum class Ballot : uint8_t { kMissing, kGranted, kRefused };

// Of no voters: won.
[[nodiscard]] VoteResult CountBallots(size_t voters, size_t granted, size_t refused);

// Joint forms. `value_of(NodeId) -> uint64_t`, `ballot_of(NodeId) -> Ballot`.
template <class ValueOf>
[[nodiscard]] uint64_t QuorumValue(const Membership& membership, const ValueOf& value_of) {
  const auto of_set = [&](const std::vector<NodeId>& voters) {
    // Asked for with every acknowledgement: no allocation for sets of usual size.
    absl::InlinedVector<uint64_t, 8> values;
    for (const NodeId voter : voters) values.push_back(value_of(voter));
    return MajorityValue({values.data(), values.size()});
  };
  if (PLANTED(kJointCountsNewHalf)) return of_set(membership.voters);
  return std::min(of_set(membership.voters), of_set(membership.outgoing));
}

[[nodiscard]] VoteResult Worse(VoteResult a, VoteResult b);

template <class BallotOf>
[[nodiscard]] VoteResult TallyVotes(const Membership& membership, const BallotOf& ballot_of) {
  const auto of_set = [&](const std::vector<NodeId>& voters) {
    size_t granted = 0;
    size_t refused = 0;
    for (const NodeId voter : voters) {
      const Ballot ballot = ballot_of(voter);
      granted += ballot == Ballot::kGranted ? 1 : 0;
      refused += ballot == Ballot::kRefused ? 1 : 0;
    }
    return CountBallots(voters.size(), granted, refused);
  };
  if (PLANTED(kJointCountsNewHalf)) return of_set(membership.voters);
  return Worse(of_set(membership.voters), of_set(membership.outgoing));
}

}  // namespace cairn::consensus
