// LagBound: how far the log is behind the engine, and the bound of that in `async` mode: past it
// writes are refused before they reach the engine, until the lag has drained.
//
//   io threads ──Reached (each ROLE)──► LagBound ◄──Committed── engine thread
//              ◄──Refuse (each write)──
//
// One for all clients of a reign: what one io thread has learnt bounds what others take.
//
// Threads: all methods from any thread; what is asked for each write takes no lock. The parts of an
//   answer may be of two moments that follow each other.
// Bounds: at most about a hundred samples.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "adapter/role_events.h"
#include "base/clock.h"

namespace cairn::adapter::redis {

class LagBound {
 public:
  struct Options {
    int64_t max_us = 10 * kMicrosPerSecond;
    uint64_t max_bytes = 64u << 20;
  };
  explicit LagBound(Options options) : options_(options) {}

  // The engine's stream was seen to reach this offset; the log has committed up to that one.
  void Reached(StreamOffset offset, MonoMicros now_us);
  void Committed(StreamOffset offset);

  [[nodiscard]] uint64_t lag_bytes() const;
  // Age of the oldest byte that is not committed, to a hundredth of the bound, rounded up.
  [[nodiscard]] int64_t lag_us(MonoMicros now_us) const;
  // The error for a write; nullopt: it may go to the engine.
  [[nodiscard]] std::optional<std::string> Refuse(MonoMicros now_us) const;

 private:
  struct Sample {
    StreamOffset offset;  // Reached by the end of the sample's time.
    MonoMicros since_us;  // Its first byte was seen then.
  };
  void NoteOldest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  std::atomic<uint64_t> reached_{0};
  std::atomic<uint64_t> committed_{0};
  std::atomic<MonoMicros> oldest_us_{kNone};  // Of the oldest sample.
  static constexpr MonoMicros kNone = -1;

  absl::Mutex mutex_;
  std::deque<Sample> samples_ ABSL_GUARDED_BY(mutex_);  // Not committed, oldest first.
};

}  // namespace cairn::adapter::redis
