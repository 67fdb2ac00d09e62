#include "consensus/write_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/mark.h"
#include "base/planted_bug.h"

namespace cairn::consensus {
namespace {

// Merges `message` into `held` when both acknowledge to the same leader: the later one
// says all that the earlier one did.
bool MergeAcknowledgement(Message& held, const Message& message) {
  if (held.to != message.to || held.term != message.term) return false;
  auto* old_ack = std::get_if<AppendResponse>(&held.body);
  const auto* new_ack = std::get_if<AppendResponse>(&message.body);
  if (old_ack == nullptr || new_ack == nullptr || !old_ack->accepted || !new_ack->accepted) {
    return false;
  }
  old_ack->match = std::max(old_ack->match, new_ack->match);
  if (new_ack->absolved != 0) old_ack->absolved = new_ack->absolved;
  return true;
}

}  // namespace

bool WriteQueue::Durable(Index through) const {
  return through <= persisted_ && durable_hard_version_ == hard_version_;
}

WriteQueue::Pending& WriteQueue::Building() {
  if (!building_) {
    building_.emplace().id = next_id_++;
    pending_.push_back({.id = building_->id,
                        .last = last_,
                        .hard_version = hard_version_,
                        .install = false,
                        .held = {}});
  }
  return pending_.back();
}

void WriteQueue::OnHardStateChanged() {
  ++hard_version_;
  Building().hard_version = hard_version_;
}

void WriteQueue::Clip(Index last) {
  persisted_ = std::min(persisted_, last);
  if (PLANTED(kReplacedCountsAsPersisted)) return;
  for (Pending& pending : pending_) {
    if (pending.last > last) Hit(Mark::kWriteOvertaken);
    pending.last = std::min(pending.last, last);
  }
}

void WriteQueue::Append(Entry entry) {
  CHECK_LE(entry.index, last_ + 1);
  Pending& pending = Building();
  if (entry.index <= last_) {
    Clip(entry.index.Previous());
    std::vector<Entry>& entries = building_->entries;
    while (!entries.empty() && entries.back().index >= entry.index) entries.pop_back();
  }
  last_ = entry.index;
  pending.last = last_;
  building_->entries.push_back(std::move(entry));
}

void WriteQueue::Install(Position position, Bytes snapshot, Index committed) {
  CHECK_LT(committed, position.index);
  Pending& pending = Building();
  Clip(committed);
  building_->entries.clear();
  building_->install = Write::InstallSnapshot{position, std::move(snapshot)};
  last_ = position.index;
  pending.last = last_;
  pending.install = true;
  installing_ = true;
}

void WriteQueue::Hold(Message message, Index through) {
  CHECK(!Durable(through));
  const auto write = std::find_if(pending_.begin(), pending_.end(), [&](const Pending& p) {
    return p.last >= through && p.hard_version == hard_version_;
  });
  CHECK(write != pending_.end());
  if (!write->held.empty() && MergeAcknowledgement(write->held.back(), message)) return;
  write->held.push_back(std::move(message));
}

std::optional<Write> WriteQueue::Take(const HardState& hard_state) {
  if (!building_) return std::nullopt;
  std::optional<Write> write = std::exchange(building_, std::nullopt);
  write->hard_state = hard_state;
  return write;
}

std::vector<Message> WriteQueue::Complete(WriteId id) {
  CHECK(!pending_.empty());
  CHECK_EQ(pending_.front().id, id);
  CHECK(!building_ || building_->id != id);
  Pending done = std::move(pending_.front());
  pending_.pop_front();
  persisted_ = std::max(persisted_, done.last);
  durable_hard_version_ = done.hard_version;
  installing_ =
      std::any_of(pending_.begin(), pending_.end(), [](const Pending& p) { return p.install; });
  return std::move(done.held);
}

void WriteQueue::CheckInvariants() const {
  CHECK_LE(persisted_, last_);
  CHECK_LE(durable_hard_version_, hard_version_);
  Index previous = Index();
  for (const Pending& pending : pending_) {
    CHECK_LE(pending.last, last_);
    CHECK_GE(pending.last, previous);
    previous = pending.last;
  }
  // Once all writes are done, all is on disk.
  CHECK_EQ(pending_.empty() ? persisted_ : pending_.back().last, last_);
  if (building_) CHECK_EQ(pending_.back().id, building_->id);
}

}  // namespace cairn::consensus
