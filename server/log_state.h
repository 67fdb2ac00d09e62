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

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "server/group_events.h"
#include "server/lease_table.h"
#include "server/producer_window.h"
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
};

// Everything that Apply changes.
struct LogFacts {
  GroupId log_id;
  Seq first_seq{1};  // Oldest that readers may ask for.
  Seq last_seq;
  uint64_t chain = 0;
  int64_t timestamp_us = 0;
  LeaseTable leases;
  ProducerTable producers;
  cairn::v1::LogSettings settings;
  std::vector<cairn::v1::RegisteredSnapshot> snapshots;

  // A log without entries.
  static LogFacts Empty(GroupId log_id, const cairn::v1::LogSettings& settings);
  static absl::StatusOr<LogFacts> FromSnapshot(const cairn::v1::LogStateSnapshot& snapshot);
  [[nodiscard]] cairn::v1::LogStateSnapshot ToSnapshot() const;

  // Moves over one data entry. On an error nothing has changed.
  // Errors: kDataLoss when the entry contradicts the facts (seq, chain, fence, epoch,
  //   producer sequence): the pair assertion to what Evaluate promised. The message names
  //   log, index, expected and actual.
  absl::Status ApplyEntry(Index index, const storage::EntryView& entry);
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
    kNothing,      // Tell now.
    kEntry,        // Tell once the entry at `index` is committed; if it is replaced: NOT_LEADER.
    kUpToDate,     // Tell after a read-index round confirms this leader; else NOT_LEADER.
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

  // Starts the entry that will stand at `index`. Its log time is chosen here (design 5.7).
  // Requires: leading(), no entry begun.
  void BeginEntry(Index index, TurnTime now);
  // Judges one request; what is accepted is already part of the begun entry and of the
  // speculation. Only for the ops that can be refused or appended: AppendOp,
  // RegisterProducerOp, AcquireOp, RenewOp, ReleaseOp, TransferLeaseOp, TrimOp,
  // RegisterSnapshotOp (its chain was compared by the caller), SettingsOp.
  Evaluation Evaluate(const RequestBody& body, TurnTime now);
  // A record of the catalog's (group 0): appended if `if_last_seq` is the speculative last.
  Evaluation EvaluateCatalog(const std::string& payload, Seq if_last_seq);
  // Work of the leader's own: expiry records of leases whose time is over, dropping of
  // silent producers, trims by retention. Adds to the begun entry.
  void EvaluateHousekeeping(TurnTime now, std::optional<Seq> retention_first_seq);
  // Whether EvaluateHousekeeping would find anything.
  [[nodiscard]] bool HousekeepingDue(TurnTime now) const;
  [[nodiscard]] bool entry_full() const;
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

 private:
  // The implementer completes this part.
  LogFacts applied_;
  Index applied_index_;
  LogLimits limits_;
  std::optional<LogFacts> speculative_;
};

}  // namespace cairn::server
