// EntryRing: the newest entries of a log in memory, uncommitted ones included.
//
// The group pushes what the core asks to persist; tails and appends to peers read from here.
// Entries are consecutive and end with the log's newest, so an index is found by
// subtraction, and a seq by binary search, since positions ascend.
//
// Bound: bytes, through the CacheBudget that the groups of a worker share. Entries that are
//   not yet on this node's disk or not yet applied are never evicted.
// Threads: the group's. A Slot stays valid until the next call that changes the ring.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "consensus/types.h"
#include "storage/entry_codec.h"

namespace cairn::server {

// Bytes of entries that the groups of one worker may keep in memory. Shared by them, in
// one thread.
struct CacheBudget {
  uint64_t limit_bytes = 64 << 20;
  uint64_t used_bytes = 0;
  [[nodiscard]] bool over() const { return used_bytes > limit_bytes; }
};

// Where the log stands after an entry.
struct LogPosition {
  Seq last_seq;
  uint64_t chain = 0;
  int64_t timestamp_us = 0;
  bool operator==(const LogPosition&) const = default;
};

class EntryRing {
 public:
  struct Slot {
    consensus::Entry entry;
    LogPosition after;
    // Of a kData entry; all zero for the other kinds.
    storage::EntryHeader header;
    // Payload bytes of all entries that the ring has held, through this one.
    uint64_t bytes_through = 0;
  };

  // Begins after the entry `last`, which is on disk. `budget` must outlive the ring.
  EntryRing(CacheBudget* budget, Index last, LogPosition after);
  ~EntryRing();
  EntryRing(const EntryRing&) = delete;
  EntryRing& operator=(const EntryRing&) = delete;

  // Appends the entry after the newest one, or replaces a suffix from its index on.
  // Requires: its index is at most last_index() + 1; a kData payload that decodes to `after`.
  void Push(consensus::Entry entry, LogPosition after);
  // Starts over after `last`.
  void Reset(Index last, LogPosition after);
  // Entries through this index may be evicted: on disk here, and applied.
  void SetEvictable(Index through);
  // Evicts the oldest while the budget is over.
  void Shrink();

  [[nodiscard]] Index first_index() const { return before_index() + 1; }
  [[nodiscard]] Index last_index() const { return last_; }
  [[nodiscard]] const LogPosition& last_position() const {
    return slots_.empty() ? before_ : slots_.back().after;
  }
  // The entry before first_index(), which is on disk (or the beginning of the log).
  [[nodiscard]] Index before_index() const { return last_ - slots_.size(); }
  [[nodiscard]] const LogPosition& before() const { return before_; }

  // Null when not in the ring.
  [[nodiscard]] const Slot* Find(Index index) const;
  // Position after `index`, which is in the ring or just before it; else nullopt.
  [[nodiscard]] std::optional<LogPosition> PositionAfter(Index index) const;
  // The slot that holds record `seq`. Requires: before().last_seq < seq <= the newest.
  [[nodiscard]] const Slot& FindSeq(Seq seq) const;
  // Payload bytes of the entries after `index`, those in the ring.
  [[nodiscard]] uint64_t BytesAfter(Index index) const;
  // When the first record after the entry `index` was appended; nullopt when there is none. If that
  // one is not in the ring: the first in it.
  [[nodiscard]] std::optional<int64_t> OldestAfter(Index index) const;
  // Seq from which on all records are at or after `timestamp_us`, if the ring can tell: it
  // holds an older record or begins after one.
  [[nodiscard]] std::optional<Seq> FindTime(int64_t timestamp_us) const;

 private:
  static uint64_t Cost(const Slot& slot) { return slot.entry.payload.size() + kSlotBytes; }
  void PopNewest();

  // A slot itself and what the allocator adds to it and to its payload.
  static constexpr uint64_t kSlotBytes = sizeof(Slot) + 64;

  CacheBudget* const budget_;
  std::deque<Slot> slots_;
  Index last_;
  LogPosition before_;
  uint64_t bytes_before_ = 0;  // bytes_through of the entry before the ring.
  Index evictable_;
};

}  // namespace cairn::server
