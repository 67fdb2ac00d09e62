#include "adapter/redis/front/reign.h"

#include <algorithm>
#include <utility>

namespace cairn::adapter::redis {

void BlockedKeys::Add(std::span<const KeyHash> keys) {
  absl::MutexLock lock(&mutex_);
  for (const KeyHash key : keys) ++keys_[static_cast<uint64_t>(key)];
  count_.fetch_add(keys.size());
}

void BlockedKeys::Remove(std::span<const KeyHash> keys) {
  absl::MutexLock lock(&mutex_);
  for (const KeyHash key : keys) {
    const auto it = keys_.find(static_cast<uint64_t>(key));
    if (it == keys_.end()) continue;
    if (--it->second == 0) keys_.erase(it);
    count_.fetch_sub(1);
  }
}

bool BlockedKeys::Contains(std::span<const KeyHash> keys) const {
  if (count_.load() == 0) return false;
  absl::MutexLock lock(&mutex_);
  return std::any_of(keys.begin(), keys.end(), [&](KeyHash key) ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return keys_.contains(static_cast<uint64_t>(key));
  });
}

Reign::Reign(FrontReign about_in, LagBound::Options lag_options)
    : about(std::move(about_in)), lag(lag_options), committed_(about.committed.offset.value()) {
  lag.Committed(about.committed.offset);
  absl::MutexLock lock(&mutex_);
  seqs_.Add(about.committed.offset, about.seq);
}

void Reign::Commit(StreamOffset offset, Seq seq) {
  {
    absl::MutexLock lock(&mutex_);
    seqs_.Add(offset, seq);
  }
  marks.Commit(offset);
  lag.Committed(offset);
  committed_.store(std::max(offset.value(), committed_.load()), std::memory_order_release);
}

void Reign::SetWaits(size_t thread, bool waits) {
  const uint64_t bit = uint64_t{1} << thread;
  if (waits) {
    waiting_.fetch_or(bit);
  } else {
    waiting_.fetch_and(~bit);
  }
}

std::optional<Seq> Reign::SeqOf(StreamOffset offset) const {
  absl::MutexLock lock(&mutex_);
  return seqs_.Find(offset);
}

}  // namespace cairn::adapter::redis
