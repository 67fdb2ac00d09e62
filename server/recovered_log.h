// RecoveredLog: one log of a node that is alone left of its cluster, as a log of a new cluster
// (docs/decisions/031).
//
//   the old directory ──► OnSegment, OnEntry ──► entries with their index and term, records, seqs,
//   (stopped_store.h)                            log times and chain as they were
//                     ──► Finish             ──► one entry of a later term, by which every lease
//                                                ends and every producer is dropped
//
// What is changed: the log has another id. It has one voter, at any time in its past: who voted in
// the old cluster must not count in this one, so entries that carried configurations do nothing,
// and the states that segments begin with name the one node. Its first entry, a leader's no-op, is
// gone: a replica that is filled takes over the state behind it, in which the chain is the old one,
// whose seed was the old id.
//
// Everything that the node held is kept, committed or not: it may have been acknowledged by those
// that are lost. It is applied on the way like on any replica, so a log goes no further than the
// first entry that contradicts itself.
//
// Threads: the caller's. Memory: some megabytes of entries. Lifetime: `store` outlives it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/group_events.h"
#include "server/log_facts.h"
#include "storage/log_store.h"
#include "storage/log_visitor.h"

namespace cairn::server {

// What a recovered log is, and what is known of what it lacks.
struct RecoveredLogReport {
  Seq first_seq;
  Seq last_seq;            // Of what was kept.
  uint64_t chain = 0;      // After last_seq.
  int64_t newest_us = 0;   // Log time of the last entry; 0: there is none.
  Seq committed_seq;       // Through this one the old cluster is known to have committed it.
  uint64_t leases = 0;     // Ended.
  uint64_t producers = 0;  // Dropped.
  // In which the old node was, and its newest entry's: a later one may have had a leader elsewhere.
  Term term;
  Term last_term;
  bool importing = false;
  bool doubtful = false;  // The old node was being refilled.
  bool voted = false;     // It was a voter, by the newest configuration that it held.
  bool placed = false;  // There is a configuration at all: the log was not merely on its way here.
};

class RecoveredLog final : public storage::LogVisitor {
 public:
  // `old_node` is the node that held it, `node` the only member of the new cluster. A null `store`:
  // nothing is written, only the report is made.
  struct Parts {
    GroupId id;  // In the new cluster.
    NodeId old_node;
    NodeId node;
    storage::StoredHardState hard_state;  // The old replica's.
    storage::LogStore* store = nullptr;
  };
  explicit RecoveredLog(const Parts& parts);

  absl::Status OnSegment(const storage::SegmentRow& row) override;
  absl::Status OnEntry(const storage::StoredEntry& entry) override;
  // After the last of them. Errors: the store's.
  absl::StatusOr<RecoveredLogReport> Finish(TurnTime now);

 private:
  // The row of the new log for one of the old; notes what it says about the replica.
  absl::StatusOr<storage::SegmentRow> Rewrite(const storage::SegmentRow& row, Index before,
                                              Term before_term);
  absl::Status NoteMembership(std::string_view bytes);
  absl::Status Install(const storage::SegmentRow& row, Index before, Term before_term);
  // The log's first entry: `first_row_` comes behind it.
  absl::Status PassFirst(const storage::StoredEntry& entry);
  void AddEnd(TurnTime now);
  absl::Status Flush();

  const Parts parts_;
  RecoveredLogReport report_;
  LogFacts facts_;
  std::optional<storage::SegmentRow> first_row_;  // Not installed yet.
  bool installed_ = false;
  Index begin_;  // Of the entry before its first.
  Index last_;
  storage::GroupWrite pending_;
  uint64_t pending_bytes_ = 0;
};

}  // namespace cairn::server
