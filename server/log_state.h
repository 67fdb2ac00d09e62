// LogState: the state machine of one log (design section 5).
//
// Two copies of one LogFacts: `applied`, which every replica moves by Apply in index
// order, and `speculative`, which the leader of a term moves as it hands seqs out, so that
// conditions are judged where positions are given, not a commit later. The same code moves
// both: what Evaluate decides is put into an entry, and the entry is applied to the
// speculative copy at once and to the applied one after commit.
//
// Refusals reveal state, so each says what it rests on (architecture section 7): nothing
// (final), an uncommitted entry (tell it only once that entry is committed), or the leader's
// belief that it is up to date (confirm by a read-index round first).
//
// Deterministic: no clock, no randomness; time arrives as an argument. Threads: the group's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "server/group_events.h"
#include "server/log_clock.h"
#include "server/log_facts.h"
#include "server/unsettled.h"
#include "storage/entry_codec.h"

namespace cairn::server {

struct LogLimits {
  uint32_t max_leases = 1024;
  uint32_t max_producers = 4096;
  uint32_t max_snapshots = 64;
  // Log time without an append after which a producer is forgotten.
  uint64_t producer_expiry_ms = 24ull * 3600 * 1000;
  // One entry carries at most this many record bytes; what is beyond waits for the next.
  uint64_t entry_bytes = 1 << 20;
  // Logs whose settings do not say are archived, and trimmed only as far as they are.
  bool archive_logs = false;
};

// What became of one request at evaluation.
struct Accepted {
  // The reply that is right once the entry being built is committed.
  Reply reply;
};
// The reply (a refusal, or the stored result of a duplicate) is known, but may be told only
// under a condition.
struct Decided {
  enum class Rests : uint8_t {
    kNothing,   // Tell now.
    kEntry,     // Tell once the entry at `index` is committed; if it is replaced: NOT_LEADER.
    kUpToDate,  // Tell after a read-index round confirms this leader; else NOT_LEADER.
  };
  Reply reply;
  Rests rests = Rests::kNothing;
  Index index;
};
using Evaluation = std::variant<Accepted, Decided>;

class LogState {
 public:
  LogState(LogFacts facts, Index applied, LogLimits limits);

  [[nodiscard]] const LogFacts& applied() const { return applied_; }
  [[nodiscard]] const LogFacts& speculative() const { return *speculative_; }
  [[nodiscard]] Index applied_index() const { return applied_index_; }
  [[nodiscard]] const LogLimits& limits() const { return limits_; }

  // ---- Leader -----------------------------------------------------------------
  // The leader of a term has applied everything before its own no-op: the speculation
  // starts from here. `now` anchors log time.
  void BeginTerm(TurnTime now);
  void EndTerm();
  [[nodiscard]] bool leading() const { return speculative_.has_value(); }

  // Starts the entry that will stand at `index`. Its log time is chosen here (design 5.7), unless
  // it is given: that of imported records, not before the last one's.
  // Requires: leading(), no entry begun.
  void BeginEntry(Index index, TurnTime now, std::optional<int64_t> timestamp_us = std::nullopt);
  // Judges one request; what is accepted is already part of the begun entry and of the
  // speculation. Only for the ops that can be refused or appended: AppendOp,
  // RegisterProducerOp, AcquireOp, RenewOp, ReleaseOp, TransferLeaseOp, TrimOp,
  // RegisterSnapshotOp (its chain was compared by the caller), SettingsOp.
  Evaluation Evaluate(const RequestBody& body, TurnTime now);
  // The log time of the entry in which `body` has to be judged; nullopt: any. An import brings that
  // of its next batch, its end takes wall time: what was appended long ago is behind it.
  [[nodiscard]] std::optional<int64_t> TimeFor(const RequestBody& body, TurnTime now) const;
  // The next batch of an import; nullopt: accepted, and others follow, in entries of their own.
  // Requires: the begun entry has the time that TimeFor gave, and no records of another request.
  std::optional<Evaluation> EvaluateImport(ImportOp& op);
  // A record of the catalog's (group 0): appended if `if_last_seq` is the speculative last.
  // An acceptance carries an AppendDone.
  Evaluation EvaluateCatalog(const std::string& payload, Seq if_last_seq);
  // Work of the leader's own: expiry records of leases whose time is over, dropping of
  // silent producers, trims by retention. Adds to the begun entry.
  void EvaluateHousekeeping(TurnTime now, std::optional<Seq> retention_first_seq);
  // Ends every lease and drops every producer, whatever their time, and takes nothing for archived:
  // holders, producers and the archive's folder are those of another cluster (recovered_log.h).
  // Adds to the begun entry.
  void EvaluateEndOfAll();
  // Whether EvaluateHousekeeping may find anything. Cheap: for producers it is a bound that
  // EvaluateHousekeeping makes exact.
  [[nodiscard]] bool HousekeepingDue(TurnTime now) const;
  // When a leader's clock may say that a lease is over, by nothing but time; nullopt: never.
  [[nodiscard]] std::optional<MonoMicros> NextExpiry() const;
  [[nodiscard]] bool entry_full() const;
  // Leases that this replica has put expiry records for into entries.
  [[nodiscard]] uint64_t expiries() const { return expiries_; }
  // The payload of the begun entry; nullopt when nothing was accepted. Ends it.
  std::optional<Bytes> FinishEntry();

  // ---- Every replica --------------------------------------------------------------
  // Applies the committed entry at `index` (kData payload). Errors: as LogFacts::ApplyEntry;
  // the caller halts the log.
  absl::Status Apply(Index index, std::string_view payload, TurnTime now);
  // A committed no-op or configuration.
  void ApplyEmpty(Index index);

  // When the earliest armed lease may expire by this node's clock; nullopt: none armed.
  [[nodiscard]] std::optional<MonoMicros> NextLeaseDeadline() const;
  // Time left of a lease, by this node's notes.
  [[nodiscard]] uint64_t LeaseRemainingMs(const std::string& name, TurnTime now) const;
  [[nodiscard]] cairn::v1::LeaseState DescribeLease(const std::string& name, TurnTime now) const;

  // Replaces everything by a snapshot (a lagging replica's).
  void Reset(LogFacts facts, Index applied, TurnTime now);
  // Moves on to where a run of entries leads that this replica does not apply one by one. As if it
  // did, now: leases that the run has not touched go on counting.
  void Skip(LogFacts facts, Index applied, TurnTime now);

 private:
  // The entry that is being built.
  struct Begun {
    Index index;
    MonoMicros mono;
    storage::EntryBuilder builder;
    uint64_t items = 0;
    uint64_t registrations = 0;
  };

  // ---- Judging (log_state_evaluate.cc, log_state_judge.cc) -------------------------
  Evaluation EvaluateAppend(const AppendOp& op, TurnTime now);
  Evaluation EvaluateRegistration();
  Evaluation EvaluateTrim(const TrimOp& op);
  Evaluation EvaluateSnapshot(const RegisterSnapshotOp& op);
  Evaluation EvaluateSettings(const SettingsOp& op);
  // ---- Imports (log_state_import.cc) ------------------------------------------------
  Evaluation EvaluateFinish(const FinishImportOp& op);
  // Of whatever is not allowed during an import, or only then.
  std::optional<Decided> JudgeImporting(bool wanted) const;
  Evaluation EvaluateAcquire(const AcquireOp& op, TurnTime now);
  Evaluation EvaluateRenew(const RenewOp& op, TurnTime now);
  Evaluation EvaluateRelease(const ReleaseOp& op, TurnTime now);
  Evaluation EvaluateTransfer(const TransferLeaseOp& op, TurnTime now);

  // Each is empty when nothing speaks against the request.
  std::optional<Decided> JudgeProducer(uint64_t id, uint64_t sequence) const;
  std::optional<Decided> JudgeLastSeq(std::optional<Seq> expected) const;
  std::optional<Decided> JudgeEpoch(const std::string& lease_name, Epoch epoch, TurnTime now) const;
  std::optional<Decided> JudgeHeld(const std::string& lease_name, TurnTime now) const;
  [[nodiscard]] Decided DuplicateOf(const ProducerResult& result) const;
  [[nodiscard]] Decided SequenceGap(uint64_t id, uint64_t sequence, uint64_t expected) const;

  // A reply that rests on the latest change of `fact`, or, when that is committed, on this
  // leader being up to date.
  [[nodiscard]] Decided RestsOn(Unsettled::Fact fact, Reply reply) const;

  // ---- Accepting: into the entry and into the speculation, by one code --------------
  // Adds records and moves the speculation over them; the returned step names their seqs.
  ItemStep AddRecords(std::string_view region, uint32_t count);
  // Adds an item and moves the speculation over it. Requires: the item holds.
  void AddItem(ItemStep step);
  void AddItem(cairn::v1::EntryItem item);
  // Adds a lease record and its item. Returns its seq.
  Seq AddLeaseRecord(cairn::v1::RecordKind kind, const cairn::v1::LeaseEvent& event);
  void AddExpiry(const std::string& lease_name, const Lease& lease);

  void ExpireLeases(TurnTime now);
  void DropSilentProducers(TurnTime now);
  void TrimByRetention(Seq first_seq);
  // As LogFacts::TrimLimit, of the speculation.
  [[nodiscard]] Seq TrimLimit();

  // True when the lease's time is over by this node's clock, and nothing uncommitted
  // renews, transfers or ends it.
  [[nodiscard]] bool LeaseOver(const std::string& name, const Lease& lease, TurnTime now) const;
  [[nodiscard]] cairn::v1::LeaseState Describe(const std::string& name, const Lease* lease,
                                               TurnTime now) const;
  void NoteLeases(const std::vector<std::string>& touched, TurnTime now);
  [[nodiscard]] LogFacts& spec() { return *speculative_; }

  LogFacts applied_;
  Index applied_index_;
  LogLimits limits_;
  LeaseNotes notes_;
  LogClock clock_;

  // Leader only.
  std::optional<LogFacts> speculative_;
  Unsettled unsettled_;
  std::optional<Begun> begun_;
  // No producer can be silent for long enough before this log time.
  int64_t producers_due_us_ = 0;
  uint64_t expiries_ = 0;
};

}  // namespace cairn::server
