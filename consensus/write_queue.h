// WriteQueue: what the core wants on disk, what of it is there, and which messages wait
// for that.
//
//   inputs ──► the write being built ──Take──► writes in flight ──Complete──► durable
//
// Several inputs merge into one write until it is taken; the store completes writes in
// order. A vote or an acknowledgement is held with the first write whose completion makes
// it true, so it cannot leave early.
//
// The "ABA" case. Write 1 holds entries 5 to 7 of term 2; before it is done a new leader
// replaces them by 5 to 6 of term 3 (write 2). The notice for write 1 then proves nothing
// about index 5: whenever a suffix is replaced, what every unfinished write may confirm is
// clipped to the part that stays. So `persisted` speaks only of entries that are still in
// the log.
//
// Threads: none; part of RaftCore. Bounds: held acknowledgements of one write to one node
// are merged into one; entries are bounded by the senders' windows.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "consensus/message.h"
#include "consensus/ready.h"
#include "consensus/types.h"

namespace cairn::consensus {

class WriteQueue {
 public:
  // Everything through `last` is on disk, and so is the hard state.
  explicit WriteQueue(Index last) : last_(last), persisted_(last) {}

  // The log is on disk, as it now stands, through here.
  [[nodiscard]] Index persisted() const { return persisted_; }
  // The log's last index once every write is done.
  [[nodiscard]] Index last() const { return last_; }
  [[nodiscard]] bool installing() const { return installing_; }
  // Whether all entries through `through` and the newest hard state are on disk.
  [[nodiscard]] bool Durable(Index through) const;

  // ---- Filling the write being built ------------------------------------------
  // Term or vote changed.
  void OnHardStateChanged();
  // Puts `entry` at its index; what was there and behind is replaced.
  // Requires: entry.index is at most one past last().
  void Append(Entry entry);
  // Drops the log in favour of a snapshot. Entries through `committed` stay valid on the
  // disk until then. Requires: committed < position.index.
  void Install(Position position, Bytes snapshot, Index committed);

  // Keeps `message` until Durable(through) holds. Requires: it does not hold yet.
  void Hold(Message message, Index through);

  // ---- Driver -------------------------------------------------------------------
  [[nodiscard]] bool HasWrite() const { return building_.has_value(); }
  // Ends the write being built; `hard_state` goes with it.
  std::optional<Write> Take(const HardState& hard_state);
  // The write is on disk: returns the messages that waited for it.
  // Requires: `id` is the oldest taken write that is not complete.
  std::vector<Message> Complete(WriteId id);

  void CheckInvariants() const;

 private:
  struct Pending {
    WriteId id = 0;
    // Once complete, the log is on disk through here; lowered when a suffix is replaced.
    Index last;
    uint64_t hard_version = 0;
    bool install = false;
    std::vector<Message> held;
  };

  Pending& Building();
  void Clip(Index last);

  WriteId next_id_ = 1;
  std::optional<Write> building_;  // Its Pending is the last of pending_.
  std::deque<Pending> pending_;
  Index last_;
  Index persisted_;
  bool installing_ = false;
  // Counts changes of term or vote; the durable one lags behind while a write is under way.
  uint64_t hard_version_ = 0;
  uint64_t durable_hard_version_ = 0;
};

}  // namespace cairn::consensus
