#include "adapter/memcache/invalidation_lane.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::adapter::memcache {
namespace {

// Of an entry beside its key: the entry, its place in the table of keys, and what the heap adds.
constexpr size_t kEntryBytes = 160;

size_t BytesOf(std::string_view key) { return kEntryBytes + key.size(); }

}  // namespace

InvalidationLane::InvalidationLane(Options options, Seq position)
    : options_(options), read_through_(position) {}

void InvalidationLane::Add(const ItemChange& change, int64_t log_time_us) {
  if (change.seq <= read_through_) return;
  if (change.key.empty()) DropWaiting();
  if (waiting_.contains(change.key)) return;
  Push({std::string(change.key), change.binary}, change.seq, log_time_us);
  if (bytes_ <= options_.max_bytes) return;
  const Entry& oldest = entries_.at(in_flight_);
  OpenGap(oldest.seq, change.seq, oldest.at_us);
}

void InvalidationLane::ReadThrough(Seq seq) { read_through_ = std::max(read_through_, seq); }

void InvalidationLane::Trimmed(Seq last, int64_t now_us) {
  if (last <= read_through_) return;
  OpenGap(read_through_ + 1, last, now_us);
  read_through_ = last;
}

void InvalidationLane::Push(Invalidation what, Seq seq, int64_t at_us) {
  bytes_ += BytesOf(what.key);
  const Entry& entry = entries_.emplace_back(Entry{std::move(what), seq, at_us});
  waiting_.emplace(entry.what.key, &entry);
}

void InvalidationLane::DropWaiting() {
  while (entries_.size() > in_flight_) {
    bytes_ -= BytesOf(entries_.back().what.key);
    entries_.pop_back();
  }
  waiting_.clear();
}

void InvalidationLane::OpenGap(Seq first, Seq last, int64_t at_us) {
  // A target that stays dead is in one gap, however often it overflows.
  const bool goes_on = last_gap_ && entries_.size() > in_flight_ &&
                       entries_.at(in_flight_).what.key.empty() && first <= last_gap_->last;
  if (goes_on) first = last_gap_->first;
  gaps_ += goes_on ? 0 : 1;
  last_gap_ = InvalidationGap{first, last};
  if (options_.on_gap == OnGap::kReport) lost_ += entries_.size() - in_flight_;
  DropWaiting();
  // Until it is told, the position stays in front of all that it stands for.
  if (options_.on_gap == OnGap::kFlush) Push({}, first, at_us);
}

std::vector<Invalidation> InvalidationLane::Take(size_t max_keys) {
  CHECK_EQ(in_flight_, size_t{0});
  std::vector<Invalidation> batch;
  while (in_flight_ < entries_.size() && batch.size() < max_keys) {
    const Entry& entry = entries_.at(in_flight_);
    const bool flush = entry.what.key.empty();
    if (flush && !batch.empty()) break;
    const auto waiting = waiting_.find(entry.what.key);
    // Of two entries of a key, one was in flight and came back.
    if (waiting != waiting_.end() && waiting->second == &entry) waiting_.erase(waiting);
    batch.push_back(entry.what);
    ++in_flight_;
    if (flush) break;
  }
  return batch;
}

void InvalidationLane::Done() {
  told_ += in_flight_;
  for (; in_flight_ > 0; --in_flight_) {
    bytes_ -= BytesOf(entries_.front().what.key);
    entries_.pop_front();
  }
}

Seq InvalidationLane::position() const {
  if (entries_.empty()) return read_through_;
  return std::min(read_through_, entries_.front().seq.Previous());
}

}  // namespace cairn::adapter::memcache
