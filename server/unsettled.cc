#include "server/unsettled.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::server {

void Unsettled::OnRecords(Index index, Seq last_seq) {
  if (!runs_.empty() && runs_.back().index == index) {
    runs_.back().last_seq = last_seq;
    return;
  }
  CHECK(runs_.empty() || (runs_.back().index < index && runs_.back().last_seq < last_seq));
  runs_.push_back({index, last_seq});
}

void Unsettled::OnLeaseChange(LeaseChange change) {
  OnChange(Fact::kLeases, change.index);
  lease_changes_.push_back(std::move(change));
}

void Unsettled::OnProducerDropped(Index index, uint64_t id) {
  OnChange(Fact::kProducers, index);
  drops_.push_back({index, id});
}

void Unsettled::Settle(Index index) {
  settled_ = index;
  const auto forget = [&](auto& queue) {
    while (!queue.empty() && queue.front().index <= index) queue.pop_front();
  };
  forget(runs_);
  forget(lease_changes_);
  forget(drops_);
}

void Unsettled::Clear() { *this = Unsettled(); }

const Unsettled::Run* Unsettled::EntryOf(Seq seq) const {
  const auto it = std::lower_bound(runs_.begin(), runs_.end(), seq,
                                   [](const Run& run, Seq s) { return run.last_seq < s; });
  return it == runs_.end() ? nullptr : &*it;
}

const Unsettled::LeaseChange* Unsettled::EndOf(const std::string& name, Epoch epoch) const {
  const LeaseChange* end = nullptr;
  for (const LeaseChange& change : lease_changes_) {
    if (change.name != name) continue;
    if (change.ended == epoch || (end != nullptr && end->index == change.index)) end = &change;
  }
  return end;
}

std::optional<Index> Unsettled::DropOf(uint64_t id) const {
  for (const Drop& drop : drops_) {
    if (drop.id == id) return drop.index;
  }
  return std::nullopt;
}

std::optional<Index> Unsettled::ChangeOf(Fact fact) const {
  const Index index = changed_[static_cast<size_t>(fact)];
  if (index <= settled_) return std::nullopt;
  return index;
}

}  // namespace cairn::server
