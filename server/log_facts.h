// LogFacts: everything that one log's committed entries have established.
//
// A replica moves its facts by ApplyEntry, entry by entry in index order; the leader moves a
// second, speculative copy item by item while it judges requests (server/log_state.h). Both
// go through ApplyItem, so what was promised and what is applied cannot drift apart.
//
// Deterministic: no clock, no randomness. Threads: the group's. Bounds: the tables are
// bounded by whoever proposes (LogLimits); ApplyEntry trusts no number in an entry.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "cairn/v1/log.pb.h"
#include "cairn/v1/store.pb.h"
#include "server/lease_table.h"
#include "server/producer_window.h"
#include "storage/entry_codec.h"

namespace cairn::server {

// Name of the registered snapshot that says how far a log is archived. Only the node that leads the
// log registers it.
inline constexpr char kArchiveSnapshot[] = "cairn-archive";

// Whether a log of these settings is archived, if those that do not say are (`by_default`).
[[nodiscard]] bool IsArchived(const cairn::v1::LogSettings& settings, bool by_default);

// Where an item stands.
struct EntryPlace {
  Index index;
  int64_t timestamp_us = 0;
};

// One item of an entry, with what it needs to know of the records it speaks of.
struct ItemStep {
  cairn::v1::EntryItem item;
  // The seqs of its records; last = first - 1 when it has none.
  Seq first_seq;
  Seq last_seq;
  // Append items: chain after the last of them.
  uint64_t chain_after = 0;
  // Lease records: the record itself.
  std::optional<cairn::v1::Record> lease_record;
};

struct LogFacts {
  GroupId log_id;
  Seq first_seq{1};  // Oldest that readers may ask for; at most last_seq + 1.
  Seq last_seq;
  uint64_t chain = 0;
  int64_t timestamp_us = 0;  // Of the last entry; 0: none yet.
  LeaseTable leases;
  ProducerTable producers;
  cairn::v1::LogSettings settings;
  std::vector<cairn::v1::RegisteredSnapshot> snapshots;  // By name.
  bool importing = false;                                // Takes imported records and nothing else.

  // A log without entries.
  static LogFacts Empty(GroupId log_id, const cairn::v1::LogSettings& settings);
  // Of a log without entries: it begins at `base`, and is imported.
  void BeginImport(const cairn::v1::LogBase& base);
  // Errors: kDataLoss naming what contradicts itself.
  static absl::StatusOr<LogFacts> FromSnapshot(const cairn::v1::LogStateSnapshot& snapshot);
  [[nodiscard]] cairn::v1::LogStateSnapshot ToSnapshot() const;

  // Moves over one data entry. On an error nothing has changed.
  // If `touched_leases` is given, the names of the leases that the entry granted, renewed or
  // ended are added to it.
  // Errors: kDataLoss when the entry contradicts the facts (seq, chain, fence, epoch,
  //   producer sequence): the pair assertion to what Evaluate promised. The message names
  //   log, index, expected and actual.
  absl::Status ApplyEntry(Index index, const storage::EntryView& entry,
                          std::vector<std::string>* touched_leases = nullptr);

  // Moves over one item, whose records (if any) are already counted in last_seq and chain.
  // Errors: kDataLoss.
  absl::Status ApplyItem(const EntryPlace& place, const ItemStep& step);

  // Null when no snapshot of that name is registered.
  [[nodiscard]] const cairn::v1::RegisteredSnapshot* FindSnapshot(const std::string& name) const;
  // The largest first_seq to which the log may be trimmed without force. `archived`: only what the
  // archive has may go.
  [[nodiscard]] Seq TrimLimit(bool archived) const;

 private:
  // What the snapshot of that name covers, as a first_seq.
  [[nodiscard]] Seq CoveredBy(const std::string& snapshot) const;
  absl::Status TryEntry(Index index, const storage::EntryView& entry,
                        std::vector<std::string>* touched_leases);
  absl::Status CheckHeader(const storage::EntryHeader& header) const;
  // The items in order, each with its part of the records; computes the chain after the
  // entry on the way. Changes nothing.
  absl::StatusOr<std::vector<ItemStep>> ReadSteps(const storage::EntryView& entry,
                                                  uint64_t* chain_after) const;
  absl::Status ApplySteps(const EntryPlace& place, Seq last_seq_after,
                          const std::vector<ItemStep>& steps);

  absl::Status ApplyAppend(const EntryPlace& place, const ItemStep& step);
  absl::Status ApplyRegistration(const EntryPlace& place, const cairn::v1::ProducerItem& item);
  absl::Status ApplyTrim(const cairn::v1::TrimItem& item);
  absl::Status ApplySettings(const cairn::v1::SettingsItem& item);
  void ApplySnapshot(const EntryPlace& place, const cairn::v1::SnapshotItem& item);
  absl::Status ApplyImport(const ItemStep& step) const;
  absl::Status ApplyFinish(const cairn::v1::FinishImportItem& item);
  absl::Status ApplyExpiry(const cairn::v1::ExpireProducersItem& item);
};

}  // namespace cairn::server
