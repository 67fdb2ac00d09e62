// RunCheck: takes the entries of a fetched run one by one and believes none (decision 028).
//
//   the other node's disk ── rows ──► EntryRef ── Take ──► what the core is told: positions
//                                                    └──────► storage::RunBuilder, by the caller
//
// An entry has to follow from the one before: index, term, seq, log time and chain; the last one
// has to end where the offer says. What is left to believe is what is believed of any append: that
// the leader of that term holds these entries.
//
// Threads: none of its own. Bound: a few words for each entry, and its payload only if it is a
// membership, which the core reads.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "base/ids.h"
#include "consensus/types.h"
#include "server/entry_ring.h"
#include "server/group_events.h"
#include "storage/log_store.h"

namespace cairn::server {

class RunCheck {
 public:
  explicit RunCheck(const RunRequest& request);

  // Errors: kDataLoss, naming the entry, expected against actual.
  absl::Status Take(const storage::EntryRef& entry);
  // After the last one.
  [[nodiscard]] absl::Status Finish() const;

  // The next entry that Take expects.
  [[nodiscard]] Index next() const { return last_.index + 1; }
  [[nodiscard]] const LogPosition& position() const { return position_; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  // As the core is to see them: without payloads, but for memberships.
  [[nodiscard]] std::vector<consensus::Entry> TakeEntries() { return std::move(entries_); }

 private:
  absl::Status TakeData(const storage::EntryRef& entry);

  const consensus::Position through_;
  consensus::Position last_;
  LogPosition position_;
  uint64_t bytes_ = 0;
  std::vector<consensus::Entry> entries_;
};

}  // namespace cairn::server
