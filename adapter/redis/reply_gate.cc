#include "adapter/redis/reply_gate.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::adapter::redis {

void ReplyGate::Push(const Hold& hold, MonoMicros deadline_us) {
  ++size_;
  if (!groups_.empty() && groups_.back().hold == hold) {
    ++groups_.back().count;
  } else {
    groups_.push_back({hold, deadline_us, 1});
  }
}

void ReplyGate::Known(BatchId batch, StreamOffset offset) {
  for (Group& group : groups_) {
    if (group.hold.batch != batch) continue;
    group.hold.offset = std::max(group.hold.offset, offset);
    group.hold.batch = {};
  }
}

void ReplyGate::KnownThrough(BatchId through, StreamOffset covering) {
  for (Group& group : groups_) {
    if (!group.hold.through || group.hold.through > through) continue;
    group.hold.offset = std::max(group.hold.offset, covering);
    group.hold.through = {};
  }
}

size_t ReplyGate::Release(StreamOffset committed) {
  size_t released = 0;
  while (!groups_.empty() && groups_.front().hold.IsOver(committed)) {
    released += groups_.front().count;
    groups_.pop_front();
  }
  size_ -= released;
  return released;
}

size_t ReplyGate::Cut() {
  groups_.clear();
  return std::exchange(size_, 0);
}

void WaitIndex::File(ConnectionId connection, const ReplyGate& gate) {
  Remove(connection);
  if (gate.empty()) return;
  const Hold& hold = gate.head();
  const bool by_batch = hold.batch || hold.through;
  const Filed filed{by_batch ? StreamOffset{} : hold.offset, gate.deadline_us()};
  filed_[connection] = filed;
  if (!by_batch) by_offset_.insert({filed.offset, connection});
  by_deadline_.insert({filed.deadline_us, connection});
}

void WaitIndex::Remove(ConnectionId connection) {
  const auto found = filed_.find(connection);
  if (found == filed_.end()) return;
  by_offset_.erase({found->second.offset, connection});
  by_deadline_.erase({found->second.deadline_us, connection});
  filed_.erase(found);
}

std::vector<WaitIndex::ConnectionId> WaitIndex::Commit(StreamOffset committed) {
  std::vector<ConnectionId> woken;
  while (!by_offset_.empty() && by_offset_.begin()->first <= committed) {
    woken.push_back(by_offset_.begin()->second);
    Remove(woken.back());
  }
  return woken;
}

std::vector<WaitIndex::ConnectionId> WaitIndex::Expire(MonoMicros now_us) {
  std::vector<ConnectionId> late;
  while (!by_deadline_.empty() && by_deadline_.begin()->first <= now_us) {
    late.push_back(by_deadline_.begin()->second);
    Remove(late.back());
  }
  return late;
}

std::optional<MonoMicros> WaitIndex::next_deadline_us() const {
  if (by_deadline_.empty()) return std::nullopt;
  return by_deadline_.begin()->first;
}

void SeqMap::Add(StreamOffset end, Seq seq) {
  // What an engine says without effect moves the offset alone.
  if (!ends_.empty() && ends_.back().second == seq && ends_.back().first <= end) {
    ends_.back().first = end;
    return;
  }
  CHECK(ends_.empty() || (ends_.back().first <= end && ends_.back().second < seq));
  ends_.emplace_back(end, seq);
  if (ends_.size() > capacity_) ends_.pop_front();
}

std::optional<Seq> SeqMap::Find(StreamOffset offset) const {
  const auto found =
      std::lower_bound(ends_.begin(), ends_.end(), offset,
                       [](const auto& end, StreamOffset wanted) { return end.first < wanted; });
  if (found == ends_.end()) return std::nullopt;
  return found->second;
}

}  // namespace cairn::adapter::redis
