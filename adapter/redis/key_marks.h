// KeyMarks: which keys have writes that are not committed, so that no read shows one of them.
//
// A session marks the keys of a write *before* it sends it to the engine; the writes of one
// pipelined batch share a BatchId. When the batch's offset is known (its ROLE has answered) the
// marks get it; when that offset is committed they are gone. A read is judged when its reply has
// arrived, against the marks of that moment: what the engine has answered can only rest on writes
// that were sent before. Marks that are made later do not prolong the wait, so a key that is
// written all the time starves no reader.
//
// A key is remembered as a 64-bit hash of database and name. Two keys of one hash share their
// marks: a read of one of them may wait longer than it must, never shorter. A whole database
// (FLUSHDB, SWAPDB, MOVE) and everything (FLUSHALL) are marked under hashes of their own, which
// every judgement looks up too.
//
// BatchLedger gives the ids and knows which offsets are unknown; KeyMarks is the table, for one
// thread; SharedKeyMarks is both, sharded and locked, for all io threads.
//
// Bounds: a key has one entry, however often it is written, with one number for all batches whose
//   offset is known and one for each that is not; each batch keeps the hashes of its keys until it
//   is committed. The caller bounds the batches.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/synchronization/mutex.h"
#include "adapter/role_events.h"
#include "base/ids.h"

namespace cairn::adapter::redis {

// 1, 2, 3, … in the order in which batches begin.
using BatchId = Ordinal<struct BatchTag>;

enum class KeyHash : uint64_t {};
KeyHash HashKey(uint32_t database, std::string_view key);
KeyHash WholeDatabase(uint32_t database);
inline constexpr KeyHash kEverything{0x9e3779b97f4a7c15};

// What a read has to wait for: nothing; that `offset` is committed; that the offsets of all
// batches up to `through` are known and what covers them is committed; or both.
struct MarkVerdict {
  StreamOffset offset;
  BatchId through;
  [[nodiscard]] bool free() const { return !offset && !through; }
  bool operator==(const MarkVerdict&) const = default;
};

// Which batches there are, and which offsets are not known.
class BatchLedger {
 public:
  BatchId Begin();
  // Each batch once: the offset that ROLE has told behind it, or, when its own ROLE failed, any
  // that was told later.
  void Known(BatchId batch, StreamOffset offset);
  // All batches up to this one are known; an offset that covers all that are.
  [[nodiscard]] BatchId known_through() const;
  [[nodiscard]] StreamOffset covering() const { return covering_; }

 private:
  BatchId last_;
  std::set<BatchId> unknown_;
  StreamOffset covering_;
};

class KeyMarks {
 public:
  // Before the write is sent. The batch must not be known yet.
  void Mark(BatchId batch, KeyHash key);
  void Known(BatchId batch, StreamOffset offset);
  void Commit(StreamOffset committed);
  // Adds what `key` has to wait for to the verdict.
  void Judge(KeyHash key, MarkVerdict& verdict) const;
  [[nodiscard]] size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    StreamOffset known;                       // The greatest; 0: none.
    absl::InlinedVector<BatchId, 2> unknown;  // In the order of marking.
  };

  absl::flat_hash_map<uint64_t, Entry> entries_;
  absl::flat_hash_map<BatchId, std::vector<KeyHash>> unknown_;
  std::map<StreamOffset, std::vector<KeyHash>> known_;
  StreamOffset committed_;
};

// Threads: all methods from any thread. A key's shard is locked for one lookup; nothing is called
//   meanwhile, and no two locks are held at once.
// A judgement of several keys is not one moment. It need not be: each key is looked at after the
// reply has arrived.
class SharedKeyMarks {
 public:
  BatchId Begin();
  void Mark(BatchId batch, KeyHash key);
  void Known(BatchId batch, StreamOffset offset);
  void Commit(StreamOffset committed);
  // Of a read of these keys in that database.
  [[nodiscard]] MarkVerdict Judge(uint32_t database, std::span<const KeyHash> keys) const;
  // The offset to wait for in place of `through`; nullopt: one of these batches is not known yet.
  [[nodiscard]] std::optional<StreamOffset> Covering(BatchId through) const;
  [[nodiscard]] size_t size() const;

 private:
  static constexpr size_t kShards = 16;

  struct alignas(64) Shard {
    mutable absl::Mutex mutex;
    KeyMarks marks ABSL_GUARDED_BY(mutex);
  };
  [[nodiscard]] Shard& ShardOf(KeyHash key) const {
    return shards_[static_cast<uint64_t>(key) >> 60];
  }

  mutable std::array<Shard, kShards> shards_;
  mutable absl::Mutex ledger_mutex_;
  BatchLedger ledger_ ABSL_GUARDED_BY(ledger_mutex_);
  // Whole databases were marked since the start: only then judgements look for them.
  std::atomic<bool> wide_{false};
};

}  // namespace cairn::adapter::redis
