#include "tests/sim/electable.h"

#include <algorithm>

#include "base/check.h"
#include "cairn/v1/store.pb.h"
#include "consensus/quorum.h"

namespace cairn::sim {
namespace {

bool Wins(const Elector& candidate, const std::vector<Elector>& electors) {
  const auto ballot_of = [&](NodeId id) {
    const bool grants = std::any_of(electors.begin(), electors.end(), [&](const Elector& voter) {
      return voter.id == id && voter.last <= candidate.last;
    });
    return grants ? consensus::Ballot::kGranted : consensus::Ballot::kRefused;
  };
  return consensus::TallyVotes(*candidate.stands_in, ballot_of) == consensus::VoteResult::kWon;
}

bool SaysDoubtful(const storage::SegmentRow& row) {
  cairn::v1::GroupSnapshot snapshot;
  CHECK(snapshot.ParseFromString(row.state));
  return snapshot.doubtful();
}

std::optional<Elector> OfDisk(const SimNode& node, GroupId group) {
  if (node.store().Verdict() != storage::RecoveryVerdict::kSound) return std::nullopt;
  const auto groups = node.store().LoadGroups();
  CHECK(groups.ok());
  for (const storage::StoredGroup& stored : *groups) {
    if (stored.group != group) continue;
    const auto& rows = stored.segments;
    if (std::any_of(rows.begin(), rows.end(), SaysDoubtful)) return std::nullopt;
    const Term term = stored.terms.empty() ? stored.before_term : stored.terms.back().term;
    return Elector{.id = node.id(), .last = {term, stored.last_index}};
  }
  return std::nullopt;
}

}  // namespace

NodeId ElectableWithout(const std::vector<Elector>& electors) {
  for (const Elector& candidate : electors) {
    if (candidate.stands_in && !candidate.holds && Wins(candidate, electors)) return candidate.id;
  }
  return {};
}

std::optional<Elector> ElectorOf(const SimNode& node, GroupId id, consensus::Position committed) {
  if (!node.up()) return OfDisk(node, id);
  const server::Group* group = node.group(id);
  if (group == nullptr) return std::nullopt;
  const consensus::RaftCore& core = group->core();
  if (core.standing() != consensus::Standing::kSound) return std::nullopt;
  Elector elector{.id = node.id(), .last = core.last()};
  if (core.membership().IsVoter(node.id())) elector.stands_in = core.membership();
  elector.holds = committed.index <= core.terms().Before().index ||
                  core.terms().At(committed.index) == committed.term;
  return elector;
}

}  // namespace cairn::sim
