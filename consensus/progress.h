// Progress: one other member as the leader sees it.
//
//   kProbe      Where its log agrees with ours is not known: one append at a time, and
//               the next only after an answer (or after heartbeats show it was lost).
//   kReplicate  It agrees through `next - 1` as far as we sent: appends are pipelined,
//               bounded by a window of messages and bytes.
//   kSnapshot   It needs entries that are gone here: it gets the small snapshot, and
//               nothing else until it has answered.
//   kFetching   It was offered a run of entries in bulk (raft_runs.cc), and gets nothing else until
//               it has them, or does not fetch them (any more): then it is probed, and that run is
//               not offered again.
//
// Beside the state, sending can pause: while the driver fills an append that was handed
// to it, and while it reads entries from disk ("deferred").
//
// Invariants: match < next; while kReplicate, everything in (match, next) was sent and
// is either in flight or lost. `match` only grows, except when the member says that its
// disk lost something (BecomeUnsound).
//
// A plain value: knows nothing of terms, messages or the log. Owned by RaftCore; read by
// status pages.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>

#include "base/ids.h"
#include "consensus/types.h"

namespace cairn::consensus {

// How much may be in flight to one member.
struct Window {
  uint64_t bytes = 0;
  uint32_t messages = 0;
};

class Progress {
 public:
  enum class State : uint8_t { kProbe, kReplicate, kSnapshot, kFetching };

  // A member of which nothing is known: probed at `next`.
  Progress(Index next, Window window) : next_(next), window_(window) {}

  [[nodiscard]] State state() const { return state_; }
  // It holds on disk, and agrees with the leader on, everything through here.
  [[nodiscard]] Index match() const { return match_; }
  // First index of the next append.
  [[nodiscard]] Index next() const { return next_; }
  [[nodiscard]] uint64_t inflight_bytes() const { return inflight_bytes_; }
  [[nodiscard]] size_t inflight_messages() const { return inflight_.size(); }
  [[nodiscard]] bool deferred() const { return deferred_; }
  // The driver has an append in hand. Never between two turns.
  [[nodiscard]] bool filling() const { return filling_; }
  // Ticks since anything arrived from it.
  [[nodiscard]] uint32_t silent_ticks() const { return silent_ticks_; }
  // Newest read round that it has confirmed (read_index.h).
  [[nodiscard]] uint64_t round() const { return round_; }
  // It does not trust its own disk and must not be counted (see raft_leader.cc).
  [[nodiscard]] bool unsound() const { return doubt_ != 0; }
  [[nodiscard]] uint64_t doubt() const { return doubt_; }

  // ---- Sending --------------------------------------------------------------
  // Whether an append naming entries may be handed to the driver now.
  [[nodiscard]] bool CanSendEntries() const;
  // Whether the append that CanSendEntries allows would be the probe itself, so that an
  // empty one is worth sending too.
  [[nodiscard]] bool NeedsProbe() const { return state_ == State::kProbe && CanSendEntries(); }
  [[nodiscard]] bool NeedsSnapshot() const { return state_ == State::kSnapshot && !snapshot_sent_; }
  // Whether the append in the driver's hand may become the offer of a run: all that was sent is
  // acknowledged, so the member's log most likely ends there.
  [[nodiscard]] bool MayOfferRun() const;
  // An append that names entries was handed to the driver, which has to fill it in.
  void OnHandedOut() { filling_ = true; }
  // It was sent with entries through `last`. Ignored if the state was reset since.
  void OnSent(Index last, uint64_t bytes);
  // A probe without entries leaves as it is.
  void OnEmptyProbeSent() { probe_sent_ = true; }
  void OnSnapshotSent() { snapshot_sent_ = true; }
  void OnDeferred();
  void OnReady();
  // The highest commit index that was told to it, so that news can be told apart.
  [[nodiscard]] Index told_commit() const { return told_commit_; }
  void TellCommit(Index commit);

  // ---- Hearing --------------------------------------------------------------
  void OnTick();
  void OnHeard() { silent_ticks_ = 0; }
  // Accepted through `match`. Returns whether match grew.
  bool OnAccepted(Index match);
  // Whether a rejection of an append after `prev` is news: not a late one.
  [[nodiscard]] bool RejectionIsNews(Index prev) const;
  // A rejection that is news; what is sent next is the caller's to say. A run is not offered again.
  void OnRejected();
  // It refused the entry at `at`, which is not acknowledged and does not follow from what it
  // holds. Sending pauses; heartbeats make it be tried again.
  void OnContradiction(Position at);
  // The entry that it refused so often that no accident on the way explains it; nullopt: none.
  [[nodiscard]] std::optional<Position> contradicts() const;
  // A heartbeat was answered. Returns true when appends seem lost: this is the second
  // answer in a row while something sent is not acknowledged and nothing at all came
  // back. The leader then asks by an empty append; a snapshot is due again by itself.
  // `fetching`: what it was offered is on its way.
  bool OnHeartbeatAnswered(uint64_t round, bool fetching = false);
  // It has promised by its answer to `round` (raft_reads.cc).
  void OnPromised(uint64_t round) { promised_round_ = std::max(promised_round_, round); }
  [[nodiscard]] uint64_t promised_round() const { return promised_round_; }
  // Whether by its last answer its disk is below the watermark, and below half of it.
  void OnRoom(bool full, bool no_room) {
    full_ = full;
    no_room_ = no_room;
  }
  [[nodiscard]] bool full() const { return full_; }
  [[nodiscard]] bool no_room() const { return no_room_; }
  // By its last answer it takes runs, or does not.
  void OnTakesRuns(bool takes_runs) { takes_runs_ = takes_runs; }
  void OnUnreachable();
  // The link to it is up again: a probe need not wait for heartbeats.
  void OnReachable();

  void BecomeProbe(Index next);
  void BecomeReplicate();
  void BecomeSnapshot(Index position);
  // Requires: MayOfferRun().
  void BecomeFetching(Index through);

  // It came back with a doubtful disk: what it once acknowledged no longer counts. It
  // may be absolved of `doubt` once all voters have confirmed `round` and it holds
  // everything through `target`. Requires: doubt != 0.
  void BecomeUnsound(uint64_t doubt, uint64_t round, Index target);
  void BecomeSound() { doubt_ = 0; }
  // An unsound member rejected what it was thought to hold. Requires: unsound().
  void ForgetMatch();
  [[nodiscard]] uint64_t absolve_round() const { return absolve_round_; }
  [[nodiscard]] Index absolve_target() const { return absolve_target_; }

  void CheckInvariants(Index last) const;

 private:
  struct Sent {
    Index last;
    uint64_t bytes;
  };

  void ForgetInflight();
  // What it was offered it does not fetch.
  void GiveUpRun();
  [[nodiscard]] bool WindowFull() const;

  State state_ = State::kProbe;
  Index match_;
  Index next_;
  Window window_;
  std::deque<Sent> inflight_;  // Ascending by last. Bounded by the window.
  uint64_t inflight_bytes_ = 0;
  Index told_commit_;
  Index snapshot_position_;  // kSnapshot: what it must reach to leave that state.
  Index run_through_;        // Of the last run that it was offered.
  Index no_run_before_;      // It is sent entries up to here, since a run failed.
  bool takes_runs_ = false;
  bool full_ = false;
  bool no_room_ = false;
  bool filling_ = false;
  bool deferred_ = false;
  bool probe_sent_ = false;
  bool snapshot_sent_ = false;
  // Answered heartbeats since the last acknowledgement or send.
  uint32_t quiet_heartbeats_ = 0;
  uint32_t silent_ticks_ = 0;
  uint64_t round_ = 0;
  uint64_t promised_round_ = 0;
  Position contradicted_;        // What it refused last, until it accepts it;
  uint32_t contradictions_ = 0;  // and how often running.

  uint64_t doubt_ = 0;  // 0: it is sound.
  uint64_t absolve_round_ = 0;
  Index absolve_target_;
};

}  // namespace cairn::consensus
