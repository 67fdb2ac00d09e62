// RaftCore and runs: long stretches of entries that a follower far behind fetches by itself, beside
// the messages (server/group_runs.cc, decision 028).
//
//   leader                                        follower
//   an append is due that begins a long
//   stretch of committed entries: its driver
//   offers that instead, OnRunOffered
//                           ── run offer ──────►  its log ends where the run begins: Ready.fetch
//   nothing else is sent    ◄─ heartbeat-ok ────  … fetching …
//                              fetching           what was fetched is stepped in as one append of
//                                                 that leader, in the term of its offer
//                           ◄─ append-ok ───────  on disk
//
// To the follower's core a fetched run hence is an append that took its time, and is judged as one:
// late, after an election say, it is a message of an old term. So there is nothing new to prove; an
// offer is a promise of the leader's that it would send just these entries.
//
// A follower that refuses the offer, or does not fetch (any more) by what it answers, is sent that
// run's entries one by one.
#include <algorithm>

#include "base/mark.h"
#include "consensus/raft_core.h"

namespace cairn::consensus {

bool RaftCore::MayOfferRun(NodeId to) const {
  const auto member = progress_.find(to);
  return member != progress_.end() && member->second.MayOfferRun();
}

void RaftCore::OnRunOffered(NodeId to, Index through) {
  Progress* const progress = FindProgress(to);
  if (progress == nullptr) return;
  Hit(Mark::kRunOffered);
  progress->BecomeFetching(through);
}

void RaftCore::HandleRunOffer(NodeId from, const RunOffer& offer) {
  FollowLeader(from);
  if (offer.through.index <= commit_) {
    Acknowledge(from, commit_);
    return;
  }
  if (terms_.Last() != offer.prev || writes_.persisted() != offer.prev.index) {
    Reject(from, offer.prev);
    return;
  }
  ready_.fetch = Fetch{from, hard_state_.term, offer.prev, offer.through};
}

}  // namespace cairn::consensus
