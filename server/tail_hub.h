// TailHub: the recent entries of a log in memory, and everybody who follows it.
//
// The ring holds the newest entries (uncommitted ones too), for tails and for appends to
// peers, so that neither normally reads the disk. Cursors are the open tails and bounded
// reads: each has a position and byte credit. A cursor whose next entry left the ring asks
// for a cold read (Effects.reads) and goes on from the ring when it has caught up with it.
//
// Bounds: the ring by bytes, through the worker's shared CacheBudget; a cursor by its
//   credit; cold reads to one in flight per cursor, cut at `cold_read_bytes`.
// Never evicted: entries that are not yet on this node's disk or not yet applied.
// Only committed and applied records are ever shown, in order, none twice.
//
// Threads: the group's.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "consensus/types.h"
#include "server/group_events.h"
#include "storage/log_store.h"

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
};

class TailHub {
 public:
  struct Slot {
    consensus::Entry entry;
    LogPosition after;
  };

  // `after` is the position after the last entry that is known when the process starts
  // (index `last`). `budget` must outlive the hub.
  TailHub(GroupId group, CacheBudget* budget, Index last, LogPosition after,
          uint64_t cold_read_bytes = 4 << 20);
  ~TailHub();
  TailHub(const TailHub&) = delete;
  TailHub& operator=(const TailHub&) = delete;

  // ---- Ring ---------------------------------------------------------------------
  // Appends the entry after the newest one, or replaces a suffix from its index on.
  void Push(consensus::Entry entry, LogPosition after);
  // The ring starts over after `last` (a snapshot was installed).
  void Reset(Index last, LogPosition after);
  // Null when not in the ring.
  [[nodiscard]] const Slot* Find(Index index) const;
  [[nodiscard]] Index first_index() const;  // Of the ring; last_index() + 1 when empty.
  [[nodiscard]] Index last_index() const { return last_; }
  // Position after the newest entry, uncommitted ones included.
  [[nodiscard]] const LogPosition& last_position() const { return last_position_; }
  // Position after `index`; nullopt when it left the ring (and is not the newest).
  [[nodiscard]] std::optional<LogPosition> PositionAfter(Index index) const;
  // Entries through this index may be evicted: on disk here, and applied.
  void SetEvictable(Index through);
  // Evicts while the budget is over.
  void Shrink();

  // ---- Tails ----------------------------------------------------------------------
  // Opens a cursor. A bad position answers through effects.ends at once: TRIMMED below
  // `first_seq`, SEQ_IN_FUTURE beyond last_seq + 1.
  void Open(const TailOpen& open, Seq first_seq, TurnTime now, Effects& effects);
  void Credit(const TailCredit& credit, Effects& effects);
  void Close(const TailClose& close, Effects& effects);
  // Entries through `index` are applied, and records through `position` may be shown.
  void OnApplied(Index index, const LogPosition& position, Effects& effects);
  // A lease renewal was applied at `index`: a mark in log order.
  void OnRenewed(Index index, const cairn::v1::LeaseRenewedMark& mark);
  void OnLoaded(const storage::ReadResult& result, Effects& effects);
  // Records below `first_seq` are gone: cursors before it end with TRIMMED.
  void OnTrimmed(Seq first_seq, Effects& effects);
  // A read-index round that began at `asked` confirmed that nothing after what is applied at
  // `index` was committed then: cursors opened before it that are there get caught_up marks.
  void OnConfirmed(MonoMicros asked, Index index, TurnTime now, Effects& effects);
  // Heartbeats that are due. `stale`: this replica hears no leader with a quorum.
  void OnTick(TurnTime now, bool stale, Effects& effects);
  // Ends all cursors with `why`.
  void EndAll(const Rejection& why, Effects& effects);

  // Whether some cursor at the end of the log waits for a caught_up mark.
  [[nodiscard]] bool WantsConfirmation() const;
  [[nodiscard]] size_t cursors() const;
  // Tickets of this hub's cold reads have this bit set; the group uses the others.
  static constexpr uint64_t kTicketBit = 1ull << 63;

 private:
  // The implementer completes this part.
  GroupId group_;
  CacheBudget* budget_;
  std::deque<Slot> ring_;
  Index last_;
  LogPosition last_position_;
};

}  // namespace cairn::server
