// Reign: what all io threads share while clients are answered under one lease: the marks of writes
// under way, the committed offset, and which seq covers it. Offsets of another reign mean nothing.
//
// Threads: all methods from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "adapter/redis/front_port.h"
#include "adapter/redis/key_marks.h"
#include "adapter/redis/reply_gate.h"

namespace cairn::adapter::redis {

// Keys of blocking commands, each as often as it was added.
class BlockedKeys {
 public:
  void Add(std::span<const KeyHash> keys);
  void Remove(std::span<const KeyHash> keys);
  [[nodiscard]] bool Contains(std::span<const KeyHash> keys) const;

 private:
  std::atomic<size_t> count_{0};  // Nearly always 0, which costs no lock.
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, size_t> keys_ ABSL_GUARDED_BY(mutex_);
};

class Reign {
 public:
  explicit Reign(FrontReign about_in);

  // Moves forward only.
  void Commit(StreamOffset offset, Seq seq);
  [[nodiscard]] StreamOffset committed() const {
    return StreamOffset(committed_.load(std::memory_order_acquire));
  }
  // See SeqMap.
  [[nodiscard]] std::optional<Seq> SeqOf(StreamOffset offset) const;

  const FrontReign about;
  SharedKeyMarks marks;
  BlockedKeys blocked;

 private:
  static constexpr size_t kRememberedSeqs = 65'536;

  std::atomic<uint64_t> committed_;
  mutable absl::Mutex mutex_;
  SeqMap seqs_ ABSL_GUARDED_BY(mutex_){kRememberedSeqs};
};

}  // namespace cairn::adapter::redis
