#include "base/rate_meter.h"

#include <algorithm>

namespace cairn {
namespace {

constexpr int64_t kNanosPerMicro = 1000;
constexpr double kNanosPerSecond = 1e9;
// What one grant costs at most: years, and far from where the sum would wrap.
constexpr double kMaxCostNs = 1e17;

int64_t ToNanos(MonoMicros moment) { return moment * kNanosPerMicro; }

// The first moment at which what is paid for at `paid_ns` is no more than a burst ahead.
MonoMicros OpeningOf(int64_t paid_ns, int64_t burst_us, MonoMicros now) {
  const int64_t opening_us = (paid_ns + kNanosPerMicro - 1) / kNanosPerMicro - burst_us;
  return std::max(now, opening_us);
}

}  // namespace

int64_t RateMeter::CostNs(uint64_t amount) const {
  const uint64_t per_second = rate();
  if (per_second == 0) return 0;
  const double cost_ns =
      static_cast<double>(amount) * kNanosPerSecond / static_cast<double>(per_second);
  return static_cast<int64_t>(std::min(cost_ns, kMaxCostNs));
}

MonoMicros RateMeter::Opening(MonoMicros now) const {
  if (rate() == 0) return now;
  return OpeningOf(paid_ns_.load(std::memory_order_relaxed), burst_us_, now);
}

MonoMicros RateMeter::Claim(uint64_t amount, MonoMicros now) {
  const int64_t cost_ns = CostNs(amount);
  if (cost_ns == 0) return now;
  int64_t paid_ns = paid_ns_.load(std::memory_order_relaxed);
  while (!paid_ns_.compare_exchange_weak(paid_ns, std::max(paid_ns, ToNanos(now)) + cost_ns,
                                         std::memory_order_relaxed)) {
  }
  return OpeningOf(paid_ns, burst_us_, now);
}

bool RateMeter::IsIdle(MonoMicros now) const {
  return rate() == 0 || paid_ns_.load(std::memory_order_relaxed) <= ToNanos(now);
}

void RateMeter::Return(uint64_t amount) {
  paid_ns_.fetch_sub(CostNs(amount), std::memory_order_relaxed);
}

}  // namespace cairn
