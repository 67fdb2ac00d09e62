#include "server/append_ledger.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::server {

void AppendLedger::BeginReign() {
  entries_.clear();
  ended_ = false;
}

void AppendLedger::OnProposed(Index index, uint64_t appends, MonoMicros now) {
  CHECK(!ended_);
  CHECK(entries_.empty() || entries_.back().index < index);
  CHECK_GT(appends, 0u);
  Entry entry;
  entry.index = index;
  entry.appends = appends;
  entry.judged = now;
  entries_.push_back(entry);
}

void AppendLedger::OnHandedOut(MonoMicros when) {
  for (auto it = entries_.rbegin(); it != entries_.rend() && it->handed == 0; ++it) {
    it->handed = when;
  }
}

void AppendLedger::Stamp(MonoMicros Entry::*moment, Index through, MonoMicros when) {
  if (ended_) return;
  for (Entry& entry : entries_) {
    if (entry.index > through) return;
    if (entry.*moment == 0) entry.*moment = when;
  }
}

void AppendLedger::FillIn(AppendTimes& times) const {
  const auto entry =
      std::lower_bound(entries_.begin(), entries_.end(), times.index,
                       [](const Entry& known, Index index) { return known.index < index; });
  if (entry == entries_.end() || entry->index != times.index) return;
  times.handed = entry->handed;
  times.durable = entry->durable;
  times.replicated = entry->replicated;
  times.committed = entry->committed;
}

void AppendLedger::Settle(TurnTally& tally) {
  if (ended_) return;
  while (!entries_.empty() && entries_.front().durable != 0 && entries_.front().committed != 0) {
    const Entry& entry = entries_.front();
    tally[Stage::kEvaluate].Add(entry.handed - entry.judged, entry.appends);
    tally[Stage::kSync].Add(entry.durable - entry.handed, entry.appends);
    // A log of one replica waits for nobody.
    if (entry.replicated != 0) {
      tally[Stage::kReplicate].Add(entry.replicated - entry.handed, entry.appends);
    }
    entries_.pop_front();
  }
}

void CountAnswered(const AppendTimes& times, TurnTally& tally) {
  if (times.arrived == 0 || times.handed == 0 || times.committed == 0) return;
  tally[Stage::kQueue].Add(times.taken - times.arrived);
  tally[Stage::kGather].Add(times.judged - times.taken);
  tally[Stage::kCommit].Add(times.committed - times.handed);
  tally[Stage::kApply].Add(times.answered - times.committed);
}

}  // namespace cairn::server
