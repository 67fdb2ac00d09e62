// The inside of Group (server/group.h); included by its sources only.
//
//   group.cc          creation, event dispatch, the turn
//   group_leader.cc   requests, evaluation, terms: what only a leader does
//   group_replica.cc  writes, messages, applying, snapshots: what every replica does
//   group_refill.cc   entries that do not follow from what is held, and what comes of them
//   group_runs.cc     entries that a replica far behind fetches in bulk
//   group_reads.cc    describe, leases by read, tails: what waits for a read-index round
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/append_ledger.h"
#include "server/clock_watch.h"
#include "server/group.h"
#include "server/peer_feed.h"
#include "server/read_rounds.h"
#include "server/segment_list.h"

namespace cairn::server {

// Where the log stands after `entry`, which was checked before. Also fills the record fields of
// `*stored` unless null.
LogPosition PositionAfterEntry(const consensus::Entry& entry, const LogPosition& before,
                               storage::StoredEntry* stored);

// What is answered by, or after, a look at the chain (group_chain.cc).
[[nodiscard]] bool AsksForChain(const RequestBody& body);

inline LogPosition PositionOf(const LogFacts& facts) {
  return {facts.last_seq, facts.chain, facts.timestamp_us};
}

struct Group::Impl {
  // A request that waits to be judged.
  struct Waiting {
    Request request;
    uint64_t bytes = 0;
  };
  // A refusal that may be told once this leader is confirmed.
  struct Refusal {
    ReplyTo to;
    Reply reply;
  };
  // Somebody wants a caught_up mark.
  struct Confirmation {
    MonoMicros asked = 0;
  };
  // A snapshot registration whose chain is being read: first the entry that holds `op.seq`,
  // then, when the seq lies inside of it, the one before.
  struct ChainCheck {
    Request request;
    std::optional<Bytes> payload;  // Of the entry that holds the seq; unset: being read.
    uint64_t chain_before = 0;     // Before that entry.
  };
  // A run that is being fetched.
  struct RunFetch {
    uint64_t ticket = 0;
    consensus::Fetch wanted;
    Bytes snapshot;     // The leader's state behind the run.
    bool open = false;  // It ends within a segment.
  };
  // Judged requests whose answers depend on the entry being built.
  struct Pending {
    ReplyTo to;
    Reply reply;
    MonoMicros deadline;
  };
  struct Judged {
    std::vector<Pending> accepted;
    std::vector<Pending> dependent;  // Refusals that rest on an uncommitted entry.
  };
  using ReadItem = std::variant<Request, Confirmation>;

  Impl(GroupConfig config, GroupStart start, consensus::RaftCore core_in, LogState state_in,
       CacheBudget* budget_in, Random* random_in, Catalog* catalog_in, Index last,
       LogPosition after);

  // ---- group.cc
  void Handle(Event event, TurnTime now, storage::Room room_now, Effects& effects);
  void Finish(TurnTime now, bool gather, Effects& effects);
  void OnTick(TurnTime now, Effects& effects);
  [[nodiscard]] MonoMicros NextTick() const;
  void GiveLeadershipAway();
  void OnLinkChange(const LinkChange& change);
  // Everybody who waits for something here, and all tails: `why`, or unknown if it was proposed.
  void RefuseAll(const Rejection& why, Effects& effects);
  [[nodiscard]] GroupView View() const;
  // GroupView::confirmed.
  [[nodiscard]] bool IsConfirmed() const;
  void TellConfirmed(Effects& effects);
  // What this call adds to effects that other groups have filled before.
  struct Before {
    explicit Before(const Effects& effects)
        : writes(effects.write_ids.size()),
          reads(effects.reads.size()),
          ends(effects.ends.size()) {}
    size_t writes;
    size_t reads;
    size_t ends;
  };
  // Counts the writes and reads that it asked for, and names the log to whose tail it ended.
  void FollowEffects(const Before& before, Effects& effects);

  // ---- group_leader.cc
  void OnRequest(Request request, TurnTime now, Effects& effects);
  // Why the leader cannot queue a request; nullopt: it can.
  std::optional<Rejection> NoRoomFor(const RequestBody& body, Effects& effects) const;
  // By the disks that this leader needs.
  [[nodiscard]] std::optional<Rejection> NoDiskFor(const RequestBody& body) const;
  void Queue(Request request);
  void FollowRole(TurnTime now, Effects& effects);
  void EndTerm(Effects& effects);
  [[nodiscard]] bool WantsToPropose() const { return housekeeping || !waiting.empty(); }
  // Judges what waits and proposes at most a few entries.
  void ProposeWaiting(TurnTime now, Effects& effects);
  // Judges requests into one entry and proposes it; false when nothing came of it, and nothing
  // waits that only has to stand in an entry of its own.
  bool ProposeEntry(TurnTime now, Effects& effects);
  // True: `request` was judged; false: it has to wait for a commit.
  bool Judge(Request& request, TurnTime now, Judged& judged, Effects& effects);
  [[nodiscard]] Rejection TooLate(const Request& request) const;
  // Says where the append stood, in the replies from `first` on that know of one.
  void FillInTimes(size_t first, Effects& effects) const;
  // As of now, for View: how far each follower is behind.
  void MeasureLags(TurnTime now);
  bool JudgeCatalog(Request& request, Judged& judged, Effects& effects);
  void Decide(Decided decided, const Request& request, Judged& judged, Effects& effects);
  [[nodiscard]] bool MayPropose() const;
  [[nodiscard]] std::optional<Seq> RetentionFirstSeq(TurnTime now) const;
  void ExpireWaiting(MonoMicros now, Effects& effects);

  // ---- group_chain.cc
  // Of requests that came before the term could begin: only a leader looks at chains.
  void CheckChainsOfWaiting(Effects& effects);
  void StartChainCheck(Request request, Effects& effects);
  void FinishChainCheck(Request request, uint64_t chain, Effects& effects);
  void OnChainLoaded(storage::ReadResult result, Effects& effects);
  // For the entry that holds `seq`.
  [[nodiscard]] storage::ReadRequest EntryAt(Seq seq, uint64_t ticket) const;

  // ---- group_handover.cc
  void OnTransfer(Request request, Effects& effects);
  void OnChangeMembers(Request request, Effects& effects);
  void FollowTransfer(MonoMicros now, Effects& effects);
  [[nodiscard]] Rejection TookOverInstead(NodeId heir) const;
  // Hands leadership over when this node's wall clock has left the majority's.
  void FollowClock(TurnTime now, Effects& effects);

  // ---- group_replica.cc
  void OnMessage(consensus::Message message, TurnTime now, Effects& effects);
  // Fills in the membership, which travels as part of the snapshot's bytes. Errors:
  // DecodeSnapshot's.
  absl::Status ReadSnapshot(consensus::SnapshotRequest& request) const;
  // The state of this log as of `position`. Errors: kDataLoss; it is not what a leader of this log
  // sends.
  [[nodiscard]] absl::StatusOr<cairn::v1::GroupSnapshot> DecodeSnapshot(
      const Bytes& bytes, consensus::Position position) const;
  // The segment row that `snapshot`, which holds `facts`, stands for here.
  [[nodiscard]] storage::SegmentRow RowOf(cairn::v1::GroupSnapshot snapshot,
                                          consensus::Position position,
                                          const LogFacts& facts) const;
  // Position of the log after `at`, an entry that the core holds.
  [[nodiscard]] LogPosition PositionAfterHeld(const consensus::Position& at) const;
  void TakeReady(TurnTime now, Effects& effects);
  void DoWrite(consensus::Write write, TurnTime now, Effects& effects);
  void InstallSnapshot(const consensus::Write::InstallSnapshot& install, TurnTime now,
                       Effects& effects);
  void SendMessages(std::vector<consensus::Message> messages, TurnTime now, Effects& effects);
  void ApplyCommitted(TurnTime now, Effects& effects);
  // The newest entry that would be committed if this node had it on its disk.
  [[nodiscard]] Index ReplicatedByOthers() const;
  // False when the log was halted.
  bool ApplyOne(const TailHub::Slot& slot, TurnTime now, Effects& effects);
  void ApplyItems(Index index, const storage::EntryView& view);
  bool ApplyCatalog(const storage::EntryView& view, Effects& effects);
  void MaybeSeal();
  void MaybeTrim(Effects& effects);
  void DropTrimmed();
  [[nodiscard]] storage::SegmentRow MakeRow() const;
  storage::GroupWrite& PendingWrite();
  void FlushPendingWrite(Effects& effects);
  void UpdateEvictable();
  void Halt(const absl::Status& why, Effects& effects);
  [[nodiscard]] Rejection HaltedHere() const;

  // ---- group_refill.cc
  // Takes out of `append` what does not follow from what this replica holds; says why.
  absl::Status RefuseWrongEntries(consensus::AppendRequest& append);
  // After the core took `refused`, the first entry that was taken out; `commit` came with it.
  void OnRefused(NodeId from, consensus::Position refused, Index commit, const absl::Status& why,
                 Effects& effects);
  void BeginRefill(Effects& effects);
  // While it waits for its last write and read.
  void HandleRefilling(Event event, Effects& effects);
  [[nodiscard]] Rejection Refilling() const;
  // Notes in all segment rows whether this replica is doubtful.
  void MarkRows(bool doubtful);
  // What the core's standing and suspicion mean for what is stored and told.
  void FollowStanding(Effects& effects);

  // ---- group_runs.cc
  // The run to offer in place of `append`.
  std::optional<consensus::RunOffer> OfferRun(NodeId to, const consensus::AppendRequest& append);
  // Where the run behind `after` ends, and the state there; and whether that is within a segment.
  [[nodiscard]] std::optional<std::pair<storage::SegmentRow, bool>> EndOfRun(Index after) const;
  // Errors: nothing to take, or not what a leader of this log sends.
  [[nodiscard]] absl::Status CheckOffer(const consensus::RunOffer& offer) const;
  void WantFetch(const consensus::Fetch& wanted, Effects& effects);
  void OnFetched(Fetched fetched, TurnTime now, Effects& effects);
  // Errors: no run came; kDataLoss: it is not what was offered.
  [[nodiscard]] absl::Status CheckFetched(const Fetched& fetched, const RunFetch& expected) const;
  [[nodiscard]] bool IsFetching() const;
  // The core has put the entries of `run`, which it knows by their positions, into its write.
  void TakeRun(consensus::Position through, TurnTime now, Effects& effects,
               storage::GroupWrite& out);
  // Tails see what is applied, unless it is not on disk yet.
  void ShowApplied(Effects& effects);

  // ---- group_reads.cc
  void OnTailOpen(const TailOpen& open, TurnTime now, Effects& effects);
  // One that any replica may answer.
  void OnRead(Request request, TurnTime now, Effects& effects);
  void OnLoaded(storage::ReadResult result, Effects& effects);
  void OnReadStates(const std::vector<consensus::ReadState>& states, Effects& effects);
  void AnswerReads(TurnTime now, Effects& effects);
  void AnswerRead(Request request, TurnTime now, Effects& effects);
  // A read that could not be confirmed in time.
  void RefuseRead(ReadItem item, Effects& effects);
  [[nodiscard]] cairn::v1::DescribeLogResponse Describe(bool with_segments, TurnTime now) const;

  // A round without an answer for this long is asked again.
  [[nodiscard]] MonoMicros ReadTimeout() const {
    return config.tick_us * config.raft.election_ticks;
  }

  // ---- Refusals
  [[nodiscard]] Rejection Reject(cairn::v1::Reason reason, std::string message) const;
  [[nodiscard]] Rejection NotLeader() const;
  void Answer(const ReplyTo& to, Reply reply, Effects& effects) const;
  // Adds the log's name to a rejection of the state machine's.
  void Name(Rejection& rejection) const;

  [[nodiscard]] bool is_leader() const { return core.role() == consensus::Role::kLeader; }

  static constexpr uint64_t kChainTicketBit = 1ull << 62;

  GroupConfig config;
  GroupId id;
  std::string name;
  consensus::RaftCore core;
  LogState state;
  CacheBudget* budget;
  Random* random;
  TailHub hub;
  Waiters waiters;
  SegmentList segments;
  PeerFeed feed;
  ReadRounds<ReadItem> reads;
  ReadRounds<Refusal> refusals;
  Catalog* catalog;  // Group 0's; else null.
  // The catalog's settings for this log; proposed to it when they differ.
  cairn::v1::LogSettings wanted_settings;
  const std::optional<cairn::v1::LogBase> base;  // Of an imported log.

  std::deque<Waiting> waiting;
  uint64_t waiting_bytes = 0;
  AppendLedger ledger;
  std::vector<PeerLag> lags;  // As of the last tick; empty unless it leads.
  // Last entry that this leader proposed; the next one waits until it is on its own disk.
  Index last_proposed;
  Term leading_term;
  // Verified in this turn, and not yet taken from the core into the hub: found by index *and*
  // term, since what the core refused after all stays in here until the turn ends.
  std::vector<std::pair<consensus::Position, LogPosition>> verified;
  std::map<uint64_t, ChainCheck> chain_checks;
  uint64_t next_chain_ticket = 0;
  std::optional<Request> transfer;
  // What this turn stores besides the core's writes: segment rows and trims.
  std::optional<storage::GroupWrite> pending_write;
  bool confirm_soon = false;
  MonoMicros core_ticked_at = 0;
  // Expiries, silent producers, retention or settings are due.
  bool housekeeping = false;
  bool halted = false;
  // For how many ticks a peer has needed entries that this leader cannot read; 0: none does.
  uint32_t ticks_unable_to_feed = 0;
  // The entry that was refused last, and how often running.
  consensus::Position refused;
  uint32_t refusals_running = 0;
  // Emptied since it refused this entry; index 0: never. Not twice for the same one.
  consensus::Position refilled_for;
  uint64_t refills = 0;
  bool refilling = false;
  // Acknowledged entries are missing, and the rows say so.
  bool doubtful = false;
  bool suspicion_told = false;
  std::optional<consensus::RunOffer> offered;  // The newest that came.
  std::optional<RunFetch> fetch;
  uint64_t fetches = 0;
  std::optional<Fetched> run;     // While the core is told of it,
  RunFetch run_fetch;             // and what it was fetched by.
  Index run_end;                  // Of the last run that was taken.
  bool hides_applied = false;     // It is not on disk yet, and tails are shown nothing new before.
  uint64_t writes_in_flight = 0;  // Those that the core waits for.
  uint64_t reads_in_flight = 0;
  bool draining = false;
  bool told_confirmed = false;                  // Group 0.
  storage::Room room = storage::Room::kEnough;  // As of the last event.
  // Catalog changes applied while the group was created; handed out in the first turn.
  std::vector<CatalogChange> initial_changes;
  // Wall clock less monotonic clock; a jump forward stops retention by age for an hour.
  std::optional<int64_t> clock_offset_us;
  MonoMicros age_retention_from = 0;
  ClockWatch clocks;
  int64_t clock_deviation_us = 0;  // As of the last tick of a leader.
};

}  // namespace cairn::server
