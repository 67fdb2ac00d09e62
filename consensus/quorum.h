// Quorum: what a majority says, also when two sets of voters decide together.
//
// Free functions over a Membership and "what does this voter say". In a joint
// configuration a decision needs a majority of both sets (thesis 4.3), so the lower of
// the two values, or the worse of the two results, is the joint one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "consensus/membership.h"

namespace cairn::consensus {

// The highest value that a majority of `values` has reached. Of no voters: the maximum
// of the type, since an empty set restrains nobody.
[[nodiscard]] uint64_t MajorityValue(std::vector<uint64_t> values);

enum class VoteResult : uint8_t {
  kPending,  // Neither can be said yet.
  kWon,      // A majority granted.
  kLost,     // A majority can no longer be reached.
};

// What one voter said.
enum class Ballot : uint8_t { kMissing, kGranted, kRefused };

// Of no voters: won.
[[nodiscard]] VoteResult CountBallots(const std::vector<Ballot>& ballots);

// Joint forms. `value_of(NodeId) -> uint64_t`, `ballot_of(NodeId) -> Ballot`.
template <class ValueOf>
[[nodiscard]] uint64_t QuorumValue(const Membership& membership, const ValueOf& value_of) {
  const auto of_set = [&](const std::vector<NodeId>& voters) {
    std::vector<uint64_t> values;
    values.reserve(voters.size());
    for (const NodeId voter : voters) values.push_back(value_of(voter));
    return MajorityValue(std::move(values));
  };
  return std::min(of_set(membership.voters), of_set(membership.outgoing));
}

[[nodiscard]] VoteResult Worse(VoteResult a, VoteResult b);

template <class BallotOf>
[[nodiscard]] VoteResult TallyVotes(const Membership& membership, const BallotOf& ballot_of) {
  const auto of_set = [&](const std::vector<NodeId>& voters) {
    std::vector<Ballot> ballots;
    ballots.reserve(voters.size());
    for (const NodeId voter : voters) ballots.push_back(ballot_of(voter));
    return CountBallots(ballots);
  };
  return Worse(of_set(membership.voters), of_set(membership.outgoing));
}

}  // namespace cairn::consensus
