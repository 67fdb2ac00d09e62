// Backup: making a log again from its records, with their seqs, log times and chain.
//
//   BeginImport ──► ImportRecords … ──► FinishImport
//
// A log that is imported takes nothing else until it is finished, and no import afterwards. What
// errors leave half done is found by GetChain: an import goes on from where the log ends.
//
// Threads: safe from any thread; cheap to copy. Lifetime: the Client must outlive it.
// Blocking: every method blocks up to its timeout.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "cairn/types.h"

namespace cairn {

// What was before the first record of a log.
struct LogBase {
  Seq first_seq{1};          // Of the first record.
  uint64_t chain = 0;        // Before it.
  int64_t timestamp_us = 0;  // Log time before it; 0: not known.
};

// Records of one log time.
struct ImportBatch {
  int64_t timestamp_us = 0;
  std::vector<std::string> records;  // Each a serialized cairn.v1.Record, as it was stored.
};

// Where a log stands.
struct ChainPoint {
  Seq seq;
  uint64_t chain = 0;      // At seq.
  bool importing = false;  // It waits for records, or for FinishImport.
};

class Backup {
 public:
  explicit Backup(client::Core* core) : core_(core) {}

  // Creates a log that waits for its records. Errors: LOG_EXISTS, INVALID, TABLE_FULL; a lost
  // connection gives an unknown outcome.
  absl::StatusOr<LogId> BeginImport(std::string_view name, const LogSettings& settings,
                                    const LogBase& base, const CallOptions& options = {});
  // Adds `batches` behind `if_last_seq`; at most 65,536 records and 16 MiB. Errors:
  // CONDITION_FAILED; INVALID if the log takes no imports. Any error may leave some imported.
  absl::StatusOr<ChainPoint> ImportRecords(const Log& log, Seq if_last_seq,
                                           const std::vector<ImportBatch>& batches,
                                           const CallOptions& options = {});
  // Opens the log for everything else. Errors: CONDITION_FAILED, CHAIN_MISMATCH when it does not
  // end so; INVALID if it was finished before.
  absl::Status FinishImport(const Log& log, Seq last_seq, uint64_t chain,
                            const CallOptions& options = {});
  // The chain at `seq` (nullopt: the last one), which is kept or just before the first that is.
  // Errors: TRIMMED, SEQ_IN_FUTURE.
  absl::StatusOr<ChainPoint> GetChain(const Log& log, std::optional<Seq> seq = std::nullopt,
                                      const CallOptions& options = {});

 private:
  client::Core* core_;
};

}  // namespace cairn
