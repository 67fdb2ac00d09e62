#include "adapter/redis/lag_bound.h"

#include <fmt/format.h>

#include <algorithm>

namespace cairn::adapter::redis {

void LagBound::NoteOldest() {
  oldest_us_.store(samples_.empty() ? kNone : samples_.front().since_us, std::memory_order_relaxed);
}

void LagBound::Reached(StreamOffset offset, MonoMicros now_us) {
  absl::MutexLock lock(&mutex_);
  if (offset.value() <= reached_.load()) return;
  reached_.store(offset.value());
  if (offset.value() <= committed_.load()) return;
  const int64_t step_us = options_.max_us / 100;
  if (!samples_.empty() && now_us < samples_.back().since_us + step_us) {
    samples_.back().offset = offset;
  } else {
    samples_.push_back({offset, now_us});
  }
  NoteOldest();
}

void LagBound::Committed(StreamOffset offset) {
  absl::MutexLock lock(&mutex_);
  committed_.store(std::max(committed_.load(), offset.value()));
  while (!samples_.empty() && samples_.front().offset.value() <= committed_.load()) {
    samples_.pop_front();
  }
  NoteOldest();
}

uint64_t LagBound::lag_bytes() const {
  const uint64_t committed = committed_.load(std::memory_order_relaxed);
  const uint64_t reached = reached_.load(std::memory_order_relaxed);
  return reached > committed ? reached - committed : 0;
}

int64_t LagBound::lag_us(MonoMicros now_us) const {
  const MonoMicros oldest_us = oldest_us_.load(std::memory_order_relaxed);
  return oldest_us == kNone ? 0 : now_us - oldest_us;
}

std::optional<std::string> LagBound::Refuse(MonoMicros now_us) const {
  if (lag_bytes() > options_.max_bytes) {
    return fmt::format("CAIRNLAG the log is {} bytes behind, more than {}: nothing was written",
                       lag_bytes(), options_.max_bytes);
  }
  if (lag_us(now_us) > options_.max_us) {
    return fmt::format("CAIRNLAG the log is {} ms behind, more than {}: nothing was written",
                       lag_us(now_us) / kMicrosPerMilli, options_.max_us / kMicrosPerMilli);
  }
  return std::nullopt;
}

}  // namespace cairn::adapter::redis
