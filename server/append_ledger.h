// AppendLedger: when the entries that a leader has under way reached each stage
// (server/append_times.h). The group tells it what happens; it fills in the replies' times and
// counts the stages that belong to entries.
//
// Entries without a measured append are not in it, so that it is empty in the simulator.
//
// Threads: the group's. Bound: the entries that are not yet both durable here and committed, of
//   which the group has a handful: it proposes no further ones before the disk has the last.
#pragma once

#include <cstdint>
#include <deque>

#include "server/append_times.h"
#include "server/turn_tally.h"

namespace cairn::server {

class AppendLedger {
 public:
  [[nodiscard]] bool empty() const { return entries_.empty(); }

  // The entry at `index`, with that many measured appends, was proposed in the turn that began
  // at `now`. Requires: indexes ascend; appends > 0.
  void OnProposed(Index index, uint64_t appends, MonoMicros now);
  // All that was proposed went to the disk and to the peers.
  void OnHandedOut(MonoMicros when);
  // Each for the entries through an index; later calls for the same entry change nothing.
  void OnDurable(Index through, MonoMicros when) { Stamp(&Entry::durable, through, when); }
  void OnReplicated(Index through, MonoMicros when) { Stamp(&Entry::replicated, through, when); }
  void OnCommitted(Index through, MonoMicros when) { Stamp(&Entry::committed, through, when); }

  // What is known of the entry `times.index`.
  void FillIn(AppendTimes& times) const;
  // Forgets the entries that are durable and committed, and counts their stages, once for each
  // append in them. Call it after FillIn.
  void Settle(TurnTally& tally);
  // The reign is over. What becomes of its entries is not this node's to see, so nothing is noted
  // or counted any more; those who still wait for one are told what was known.
  void EndReign() { ended_ = true; }
  // A new one: forgets all of that.
  void BeginReign();

 private:
  struct Entry {
    Index index;
    uint64_t appends = 0;
    MonoMicros judged = 0;
    MonoMicros handed = 0;
    MonoMicros durable = 0;
    MonoMicros replicated = 0;
    MonoMicros committed = 0;
  };

  void Stamp(MonoMicros Entry::*moment, Index through, MonoMicros when);

  std::deque<Entry> entries_;  // Ascending by index.
  bool ended_ = false;
};

// Counts the stages that belong to one answered append: queue, gather, commit, apply. Nothing
// unless it was measured all the way.
void CountAnswered(const AppendTimes& times, TurnTally& tally);

}  // namespace cairn::server
