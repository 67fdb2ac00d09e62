// InvalidationLane: what one target has still to be told of one log, and how far it has been told.
//
//   ChangeReader ──Add, ReadThrough──► [ in flight | waiting ] ──Take──► target
//                                          ▲ Failed   Done ▼
//                                                 position ──► disk
//
// The position only ever covers what the target has confirmed, so whoever goes on from it tells
// some things twice and leaves none out. A key that waits already is not added again: its deletion
// will be sent behind the newer change, too. A flush makes what waits in front of it needless.
//
// A target that cannot keep up, or is dead, costs at most max_bytes. Past that there is a gap: what
// waits is dropped, and
//   kFlush   replaced by a flush of the target, which is more than what was dropped;
//   kReport  counted as lost: the target may hold stale items, and somebody must know.
// The same goes for records that the log had trimmed before they were read.
//
// Threads: none; pure. Bounds: max_bytes, and one batch in flight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "adapter/memcache/change_reader.h"
#include "base/ids.h"

namespace cairn::adapter::memcache {

enum class OnGap : uint8_t { kFlush, kReport };

// One thing to tell a target. An empty key: a flush, which then stands alone in its batch.
struct Invalidation {
  std::string key;
  bool binary = false;
  bool operator==(const Invalidation&) const = default;
};

// Changes that a target was not told of one by one.
struct InvalidationGap {
  Seq first;
  Seq last;
  bool operator==(const InvalidationGap&) const = default;
};

class InvalidationLane {
 public:
  struct Options {
    size_t max_bytes = size_t{64} << 20;
    OnGap on_gap = OnGap::kFlush;
  };
  // Everything through `position` has been told.
  InvalidationLane(Options options, Seq position);
  InvalidationLane(const InvalidationLane&) = delete;
  InvalidationLane& operator=(const InvalidationLane&) = delete;

  // Changes in the order of the log; those at or before the position are passed over.
  void Add(const ItemChange& change, int64_t log_time_us);
  // All changes through `seq` were added.
  void ReadThrough(Seq seq);
  // The records [position() + 1, last] cannot be read any more.
  void Trimmed(Seq last, int64_t now_us);

  // The next batch, of at most so many; it is in flight until Done or Failed. Empty: nothing waits.
  // Requires: none is in flight.
  std::vector<Invalidation> Take(size_t max_keys);
  // The target has confirmed what is in flight.
  void Done();
  // It is unknown whether it got there: it waits again.
  void Failed() { in_flight_ = 0; }

  [[nodiscard]] Seq position() const;
  [[nodiscard]] bool idle() const { return entries_.size() == in_flight_; }
  [[nodiscard]] size_t keys() const { return entries_.size(); }
  [[nodiscard]] size_t bytes() const { return bytes_; }
  // Log time of the oldest change that was not confirmed; 0: there is none.
  [[nodiscard]] int64_t oldest_us() const { return entries_.empty() ? 0 : entries_.front().at_us; }
  // Confirmed ones; kReport: lost ones.
  [[nodiscard]] uint64_t told() const { return told_; }
  [[nodiscard]] uint64_t lost() const { return lost_; }
  [[nodiscard]] uint64_t gaps() const { return gaps_; }
  [[nodiscard]] const std::optional<InvalidationGap>& last_gap() const { return last_gap_; }

 private:
  struct Entry {
    Invalidation what;
    Seq seq;
    int64_t at_us = 0;
  };
  void Push(Invalidation what, Seq seq, int64_t at_us);
  void DropWaiting();
  void OpenGap(Seq first, Seq last, int64_t at_us);

  const Options options_;
  Seq read_through_;
  std::deque<Entry> entries_;  // By seq; the first in_flight_ are with the target.
  size_t in_flight_ = 0;
  // Keys of entries that wait, into entries_.
  absl::flat_hash_map<std::string_view, const Entry*> waiting_;
  size_t bytes_ = 0;
  uint64_t told_ = 0;
  uint64_t lost_ = 0;
  uint64_t gaps_ = 0;
  std::optional<InvalidationGap> last_gap_;
};

}  // namespace cairn::adapter::memcache
