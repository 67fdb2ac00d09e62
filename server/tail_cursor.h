// TailCursor: where one tail or bounded read stands, and how entries are cut into its chunks.
//
// A part of TailHub, apart from it because cutting needs neither the ring nor other cursors.
// Threads: the group's.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <optional>

#include "server/group_events.h"
#include "storage/entry_codec.h"
#include "storage/log_store.h"

namespace cairn::server {

// A chunk is full at this size. Small enough to interleave many tails, big enough to make the
// cost of a message vanish.
inline constexpr uint64_t kTailChunkBytes = 1 << 20;

// A chunk that is being cut. `bytes` is what TailChunk::bytes() will say.
struct ChunkCut {
  explicit ChunkCut(uint64_t room_bytes) : room(room_bytes) {}
  // A chunk without records is never full, or little credit would mean no progress.
  [[nodiscard]] bool full() const { return bytes >= room && !chunk.batches.empty(); }
  [[nodiscard]] uint64_t free() const { return bytes < room ? room - bytes : 0; }

  const uint64_t room;
  TailChunk chunk;
  uint64_t bytes = TailChunk().bytes();
};

struct TailCursor {
  // Result of offering an entry.
  enum class Cut : uint8_t {
    kWhole,    // All of the entry that the cursor wants is delivered.
    kInside,   // The chunk is full; the rest of the entry is for the next one.
    kDamaged,  // The entry does not decode, or does not hold the next record.
  };

  // A cold entry on its way to the sink.
  struct ColdEntry {
    Index index;
    Bytes payload;
    storage::EntryHeader header;
  };

  TailSink* sink = nullptr;
  uint64_t token = 0;
  int64_t credit_bytes = 0;

  // Next record to deliver.
  Seq next;
  // Entries through this one are delivered, their marks too; zero: not known, find by `next`.
  Index through;
  // Records before this log time are passed over. Cleared by the first one that is not.
  std::optional<int64_t> from_timestamp_us;
  // `next` is only an upper bound: the store has to be asked for the timestamp.
  bool seeking = false;

  bool bounded = false;
  Seq last{std::numeric_limits<uint64_t>::max()};  // Of a bounded read, inclusive.
  uint64_t records_left = std::numeric_limits<uint64_t>::max();

  bool loading = false;        // A cold read is in flight.
  std::deque<ColdEntry> cold;  // Read and not yet delivered: at most one read.

  int64_t heartbeat_us = 0;
  MonoMicros sent_at = 0;
  bool wants_mark = false;    // A caught_up mark would be news.
  MonoMicros mark_after = 0;  // A confirmation must have been asked for no earlier.

  [[nodiscard]] bool Finished() const {
    return bounded && !seeking && (next > last || records_left == 0);
  }

  // A chunk for as much as the credit allows.
  [[nodiscard]] ChunkCut BeginChunk() const;
  // Adds to `out` the records of an entry that this cursor wants, as many as fit; at least one
  // if the chunk has none yet. Moves `next`. O(1) when the whole entry goes.
  Cut Take(const Bytes& payload, const storage::EntryHeader& header, ChunkCut& out);
  // Cuts a chunk from `cold`. nullopt: damaged.
  std::optional<TailChunk> CutFromCold();
};

}  // namespace cairn::server
