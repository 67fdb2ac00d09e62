#include "server/group_origin.h"

#include <string>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "cairn/v1/peer.pb.h"

namespace cairn::server {
namespace {

consensus::Standing ToStanding(storage::RecoveryVerdict verdict) {
  switch (verdict) {
    case storage::RecoveryVerdict::kSound:
      return consensus::Standing::kSound;
    case storage::RecoveryVerdict::kAmbiguous:
      return PLANTED(kTornTailIsSound) ? consensus::Standing::kSound
                                       : consensus::Standing::kAmbiguous;
    case storage::RecoveryVerdict::kLost:
      return consensus::Standing::kLost;
  }
  CHECK_UNREACHABLE();
}

absl::StatusOr<cairn::v1::GroupSnapshot> ParseSnapshot(const std::string& bytes) {
  cairn::v1::GroupSnapshot snapshot;
  if (!snapshot.ParseFromString(bytes)) {
    return absl::DataLossError("a stored segment row's state does not parse");
  }
  return snapshot;
}

GroupOrigin NewOrigin(const GroupStart& start) {
  consensus::Membership membership;
  membership.voters = start.initial_voters;
  return EmptyOrigin(start, membership, start.damaged);
}

absl::StatusOr<GroupOrigin> StoredOrigin(const GroupStart& start) {
  const storage::StoredGroup& stored = *start.stored;
  CHECK(!stored.segments.empty());
  GroupOrigin origin;
  origin.raft.hard_state = {stored.hard_state.term, stored.hard_state.vote,
                            stored.hard_state.commit};
  if (PLANTED(kVoteForgotten)) origin.raft.hard_state.vote = NodeId();
  consensus::TermMap terms({stored.before_term, stored.before_index});
  for (size_t i = 0; i < stored.terms.size(); ++i) {
    const bool last = i + 1 == stored.terms.size();
    terms.Append(last ? stored.last_index : stored.terms[i + 1].first.Previous(),
                 stored.terms[i].term);
  }
  origin.raft.terms = std::move(terms);
  for (const storage::SegmentRow& row : stored.segments) {
    ASSIGN_OR_RETURN(const cairn::v1::GroupSnapshot snapshot, ParseSnapshot(row.state));
    ASSIGN_OR_RETURN(consensus::Membership membership,
                     consensus::DecodeMembership(snapshot.membership()));
    origin.raft.memberships.emplace_back(row.before_index, std::move(membership));
    origin.doubtful = origin.doubtful || (snapshot.doubtful() && !PLANTED(kDoubtForgotten));
    if (row.before_index == stored.segments.back().before_index) {
      ASSIGN_OR_RETURN(origin.facts, LogFacts::FromSnapshot(snapshot.state()));
    }
  }
  for (const storage::StoredEntry& entry : start.recent) {
    if (static_cast<consensus::EntryKind>(entry.kind) != consensus::EntryKind::kConfig) continue;
    ASSIGN_OR_RETURN(consensus::Membership membership,
                     consensus::DecodeMembership(entry.payload.view()));
    origin.raft.memberships.emplace_back(entry.index, std::move(membership));
  }
  origin.raft.applied = stored.segments.back().before_index;
  origin.doubtful = origin.doubtful || start.damaged;
  return origin;
}

}  // namespace

GroupOrigin EmptyOrigin(const GroupStart& start, const consensus::Membership& membership,
                        bool doubtful) {
  GroupOrigin origin;
  origin.doubtful = doubtful;
  origin.facts = LogFacts::Empty(start.group, start.settings);
  if (start.base) origin.facts.BeginImport(*start.base);
  origin.raft.memberships.emplace_back(Index(), membership);
  cairn::v1::GroupSnapshot snapshot;
  snapshot.set_membership(consensus::EncodeMembership(membership));
  *snapshot.mutable_state() = origin.facts.ToSnapshot();
  snapshot.set_doubtful(doubtful);
  origin.first_row.first_seq = origin.facts.first_seq;
  origin.first_row.timestamp_us = origin.facts.timestamp_us;
  origin.first_row.chain_before = origin.facts.chain;
  origin.first_row.state = snapshot.SerializeAsString();
  return origin;
}

absl::StatusOr<GroupOrigin> OriginOf(const GroupStart& start) {
  ASSIGN_OR_RETURN(GroupOrigin origin, start.stored ? StoredOrigin(start) : NewOrigin(start));
  origin.standing = origin.doubtful ? consensus::Standing::kLost : ToStanding(start.verdict);
  return origin;
}

}  // namespace cairn::server
