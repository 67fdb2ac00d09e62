// Membership: who votes and who only listens, and joint changes between two sets of
// voters (thesis 4.3).
//
// A configuration takes effect on a node as soon as the entry that carries it is in
// its log, committed or not, and is taken back if that entry is (thesis 4.1).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"

namespace cairn::consensus {

struct Membership {
  // Each list is sorted and without repeats; no node is in both voters and learners.
  std::vector<NodeId> voters;
  // The voters before a joint change; empty outside of one. Decisions then need a
  // majority of `voters` and a majority of `outgoing`.
  std::vector<NodeId> outgoing;
  std::vector<NodeId> learners;
  // Of the placement that asked for it, as whoever asked numbers them: never goes back, so that
  // who is late with an older wish cannot undo a newer one. 0: before the first.
  uint64_t version = 0;

  [[nodiscard]] bool joint() const { return !outgoing.empty(); }
  [[nodiscard]] bool IsVoter(NodeId id) const;    // In voters or outgoing.
  [[nodiscard]] bool IsLearner(NodeId id) const;  // Learner and no voter.
  [[nodiscard]] bool Contains(NodeId id) const;
  // Voters, outgoing and learners, sorted, each once.
  [[nodiscard]] std::vector<NodeId> All() const;

  bool operator==(const Membership&) const = default;
};

// What an operator asks for: the wanted voters and learners.
struct MembershipChange {
  std::vector<NodeId> voters;
  std::vector<NodeId> learners;
  uint64_t version = 0;
};

// The configuration that begins `change`: joint when the voters differ by anything,
// simple when only learners do.
// Errors: kFailedPrecondition when `current` is already joint; kInvalidArgument for an
//   empty set of voters, a node in both lists, a repeated or zero id, a new voter that is
//   not a learner of `current` (a voter must have caught up first), or a version that is older
//   than `current`'s.
absl::StatusOr<Membership> BeginChange(const Membership& current, const MembershipChange& change);

// The configuration that ends a joint one. Requires: current.joint().
Membership LeaveJoint(const Membership& current);

// Bytes of a kConfig entry: a format byte, then three counted lists of little-endian u64 and, in
// format 2, the version; version 0 is written in format 1. Decode reports kDataLoss with the offset
// of what is wrong.
std::string EncodeMembership(const Membership& membership);
absl::StatusOr<Membership> DecodeMembership(std::string_view bytes);

// "voters=1,2,3 outgoing=1,2 learners=4", empty lists left out.
std::string ToString(const Membership& membership);

}  // namespace cairn::consensus
