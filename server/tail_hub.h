// TailHub: the recent entries of a log in memory, and everybody who follows it.
//
// The ring (server/entry_ring.h) holds the newest entries, uncommitted ones too, for tails and
// for appends to peers, so that neither normally reads the disk. Cursors are the open tails and
// bounded reads: each has a position and byte credit. A cursor whose next record left the
// ring asks for a cold read (Effects.reads) and goes on from the ring when it has caught up
// with it.
//
//   Open ──► at end ◄──────────── ring ◄──── cold
//              │  OnApplied         ▲ │ Credit  ▲ OnLoaded
//              └────────────────────┘ └─────────┘ evicted meanwhile
//
// Bounds: the ring by bytes, through the worker's shared CacheBudget; a cursor by its
//   credit, which every chunk lowers by TailChunk::bytes() and which one record may overdraw;
//   cold reads to one in flight per cursor, cut at its credit and `cold_read_bytes`.
// Cost: an applied entry touches only cursors that wait at the end of the log.
// Only committed and applied records are ever shown, in order, none twice.
//
// Threads: the group's. Deterministic: cursors are served in the order of their opening.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "consensus/types.h"
#include "server/entry_ring.h"
#include "server/group_events.h"
#include "server/tail_cursor.h"
#include "storage/log_store.h"

namespace cairn::server {

class TailHub {
 public:
  using Slot = EntryRing::Slot;

  // Everything through the entry `last` is on disk and applied, and `after` is the position
  // after it. `budget` must outlive the hub.
  TailHub(GroupId group, CacheBudget* budget, Index last, LogPosition after,
          uint64_t cold_read_bytes = 4 << 20);
  TailHub(const TailHub&) = delete;
  TailHub& operator=(const TailHub&) = delete;

  // ---- Ring ---------------------------------------------------------------------
  // Appends the entry after the newest one, or replaces a suffix from its index on.
  void Push(consensus::Entry entry, LogPosition after) { ring_.Push(std::move(entry), after); }
  // The ring starts over after `last` (a snapshot was installed). OnTrimmed and OnApplied
  // follow.
  void Reset(Index last, LogPosition after);
  // The ring starts over after `last`, and what is before it will be on disk: OnApplied, through
  // `last` or beyond, follows when it is.
  void Skip(Index last, LogPosition after);
  // Null when not in the ring.
  [[nodiscard]] const Slot* Find(Index index) const { return ring_.Find(index); }
  [[nodiscard]] Index first_index() const { return ring_.first_index(); }
  [[nodiscard]] Index last_index() const { return ring_.last_index(); }
  // Position after the newest entry, uncommitted ones included.
  [[nodiscard]] const LogPosition& last_position() const { return ring_.last_position(); }
  // Position after `index`; nullopt unless it is in the ring or just before it.
  [[nodiscard]] std::optional<LogPosition> PositionAfter(Index index) const {
    return ring_.PositionAfter(index);
  }
  // As EntryRing's.
  [[nodiscard]] uint64_t BytesAfter(Index index) const { return ring_.BytesAfter(index); }
  [[nodiscard]] std::optional<int64_t> OldestAfter(Index index) const {
    return ring_.OldestAfter(index);
  }
  // Entries through this index may be evicted: on disk here, and applied.
  void SetEvictable(Index through) { ring_.SetEvictable(through); }
  // Evicts while the budget is over.
  void Shrink();

  // ---- Tails ----------------------------------------------------------------------
  // Opens a cursor. A bad position answers through effects.ends at once: TRIMMED below
  // `first_seq`, SEQ_IN_FUTURE beyond last_seq + 1. A bounded read never waits: it ends with
  // what is committed now. Requires: (sink, token) is not open.
  void Open(const TailOpen& open, Seq first_seq, TurnTime now, Effects& effects);
  // Nothing happens when the cursor has ended meanwhile; likewise Close.
  void Credit(const TailCredit& credit, Effects& effects);
  void Close(const TailClose& close, Effects& effects);
  // Entries through `index` are applied, and records through `position` may be shown.
  // Requires: the entries since the last call are in the ring.
  void OnApplied(Index index, const LogPosition& position, Effects& effects);
  // A lease is renewed by the entry at `index`: a mark in log order. Requires: called before
  // the OnApplied that covers the entry. Cursors that read cold entries miss old marks.
  void OnRenewed(Index index, const cairn::v1::LeaseRenewedMark& mark);
  void OnLoaded(const storage::ReadResult& result, Effects& effects);
  // Records below `first_seq` are gone: cursors before it end with TRIMMED.
  void OnTrimmed(Seq first_seq, Effects& effects);
  // A read-index round that began at `asked` confirmed that nothing after what is applied at
  // `index` was committed then: cursors opened before it that are there get caught_up marks.
  void OnConfirmed(MonoMicros asked, Index index, TurnTime now, Effects& effects);
  // Heartbeats that are due. `stale`: this replica hears no leader with a quorum.
  void OnTick(TurnTime now, bool stale, Effects& effects);
  // When OnTick is next needed for one; nullopt: no cursor waits for any.
  [[nodiscard]] std::optional<MonoMicros> NextHeartbeat() const;
  // Ends all cursors with `why`.
  void EndAll(const Rejection& why, Effects& effects);

  // Whether this replica hears no quorum; said with every chunk from here on.
  void SetStale(bool stale) { stale_ = stale; }
  // Whether some cursor at the end of the log waits for a caught_up mark: it is new, or got
  // records since the last one.
  [[nodiscard]] bool WantsConfirmation() const { return !unmarked_.empty(); }
  [[nodiscard]] size_t cursors() const { return cursors_.size(); }
  // Records that the slowest tail (not a bounded read) has before it, as of the last tick.
  [[nodiscard]] uint64_t slowest_tail() const { return slowest_tail_; }
  // Tickets of this hub's cold reads have this bit set; the group uses the others.
  static constexpr uint64_t kTicketBit = 1ull << 63;

 private:
  // Numbers cursors in the order of their opening; also the ticket of a cold read. Never
  // reused, so a result that comes after its cursor has ended finds none.
  using CursorId = uint64_t;

  // 0 when the cursor is not open.
  [[nodiscard]] CursorId IdOf(TailSink* sink, uint64_t token) const;
  // Delivers whatever the cursor's credit and position allow; may end the cursor.
  void Pump(CursorId id, Effects& effects);
  // One step of Pump. False: nothing more can be done now.
  bool Step(CursorId id, TailCursor& cursor, Effects& effects);
  // Finds the cursor's place in the ring. False: its next record is not there.
  bool Locate(TailCursor& cursor) const;
  // nullopt: damaged.
  [[nodiscard]] std::optional<TailChunk> CutFromRing(TailCursor& cursor) const;
  // Adds the marks of entry `index`; returns whether there were any.
  bool AddMarks(Index index, TailChunk& chunk) const;
  // Where a cursor that was opened with a timestamp begins, if memory can tell.
  [[nodiscard]] std::optional<Seq> SeekInRing(int64_t timestamp_us) const;
  void RequestRead(CursorId id, TailCursor& cursor, Effects& effects) const;
  // Sets a new cursor's position. Returns why it cannot be opened.
  std::optional<Rejection> Place(const TailStart& start, TailCursor& cursor) const;
  // Puts a result into the cursor. Returns why it must end.
  std::optional<Rejection> TakeLoaded(const storage::ReadResult& result, TailCursor& cursor) const;
  void Send(TailCursor& cursor, TailChunk chunk, Effects& effects) const;
  // Files the cursor under waiting_ and unmarked_ or takes it out.
  void Settle(CursorId id, const TailCursor& cursor);
  void End(CursorId id, std::optional<Rejection> why, Effects& effects);
  [[nodiscard]] Rejection Reject(cairn::v1::Reason reason, std::string message) const;
  [[nodiscard]] Rejection Trimmed(Seq asked) const;
  [[nodiscard]] Rejection LoadFailure(const absl::Status& status, Seq asked) const;

  struct Mark {
    Index index;
    cairn::v1::LeaseRenewedMark mark;
  };

  const GroupId group_;
  const uint64_t cold_read_bytes_;
  EntryRing ring_;
  Index applied_;
  LogPosition visible_;  // After the entry `applied_`.
  Seq first_seq_{1};     // Oldest that a cursor may ask for.
  // Records before this are not on this node: a snapshot was installed in their place.
  Seq held_from_{1};
  std::deque<Mark> marks_;  // Of entries in the ring, ascending.

  std::map<CursorId, TailCursor> cursors_;
  // For look-up only: pointers have no order that a second run would repeat.
  std::map<std::pair<TailSink*, uint64_t>, CursorId> by_token_;
  CursorId last_cursor_ = 0;
  std::set<CursorId> waiting_;     // At the end, with credit.
  std::set<CursorId> unmarked_;    // Those of them that want a caught_up mark.
  std::vector<CursorId> pumping_;  // Kept for its memory.
  MonoMicros now_ = 0;             // Of the newest event that told the time.
  uint64_t slowest_tail_ = 0;
  bool stale_ = false;
};

}  // namespace cairn::server
