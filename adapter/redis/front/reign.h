// Reign: what all io threads share while clients are answered under one lease: the marks of writes
// under way, the committed offset, which seq covers it, and how far it is behind. Offsets of
// another reign mean nothing.
//
// An io thread with reads that wait for batches of others says so (SetWaits), and is woken by
// whoever learns an offset: it may be that of a batch without effect, which no commit follows.
//
// Threads: all methods from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "adapter/redis/front_port.h"
#include "adapter/redis/key_marks.h"
#include "adapter/redis/lag_bound.h"
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
  Reign(FrontReign about_in, LagBound::Options lag_options);

  // Moves forward only.
  void Commit(StreamOffset offset, Seq seq);
  [[nodiscard]] StreamOffset committed() const {
    return StreamOffset(committed_.load(std::memory_order_acquire));
  }
  // See SeqMap.
  [[nodiscard]] std::optional<Seq> SeqOf(StreamOffset offset) const;

  // Of the io thread with this number: before it looks whether what it waits for is known. Whoever
  // makes something known looks who waits after that, so one of both sees the other.
  void SetWaits(size_t thread, bool waits);
  // A bit for each io thread that waits.
  [[nodiscard]] uint64_t waiting() const { return waiting_.load(); }

  static constexpr size_t kMaxThreads = 64;

  const FrontReign about;
  SharedKeyMarks marks;
  BlockedKeys blocked;
  LagBound lag;

 private:
  static constexpr size_t kRememberedSeqs = 65'536;

  std::atomic<uint64_t> committed_;
  std::atomic<uint64_t> waiting_{0};
  mutable absl::Mutex mutex_;
  SeqMap seqs_ ABSL_GUARDED_BY(mutex_){kRememberedSeqs};
};

// Keys of one blocking command, blocked until it is destroyed.
class KeyBlock {
 public:
  KeyBlock(std::shared_ptr<Reign> reign, std::vector<KeyHash> keys)
      : reign_(std::move(reign)), keys_(std::move(keys)) {
    reign_->blocked.Add(keys_);
  }
  ~KeyBlock() { reign_->blocked.Remove(keys_); }
  KeyBlock(const KeyBlock&) = delete;
  KeyBlock& operator=(const KeyBlock&) = delete;

 private:
  const std::shared_ptr<Reign> reign_;
  const std::vector<KeyHash> keys_;
};

}  // namespace cairn::adapter::redis
