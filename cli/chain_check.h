// ChainCheck: recomputes a log's chain over stored records (base/record_region.h).
//
// Fed with a replica's segment table and then its batches, in order, it says at which
// seq the stored bytes stop being what the log's chain promises.
// Threads: not safe.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "cairn/types.h"

namespace cairn::cli {

class ChainCheck {
 public:
  // `segments`: of the replica, oldest first; those without records are passed over.
  // `first_seq`: the oldest record that is served. Inside of a segment (the log was trimmed
  // there) no chain before it is known: the first one that the server gives is believed.
  ChainCheck(const std::vector<SegmentInfo>& segments, Seq first_seq);

  // One stored record. Errors: kDataLoss when its seq does not follow, or when the chain
  // before it is not the one that the segment it begins was sealed on.
  absl::Status Add(Seq seq, std::string_view record);
  // The chain that the server gave for the record added last; 0: none given.
  // Errors: kDataLoss when it differs.
  absl::Status ExpectChain(uint64_t chain);
  // After the last record. Errors: kDataLoss if records up to `last_seq` are missing, or
  // `chain` differs.
  absl::Status Finish(Seq last_seq, uint64_t chain);

  [[nodiscard]] uint64_t records() const { return records_; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] uint64_t chain() const { return chain_; }
  [[nodiscard]] Seq next_seq() const { return next_seq_; }
  // Segments whose first record was reached.
  [[nodiscard]] uint64_t segments_begun() const { return segments_begun_; }

 private:
  std::vector<SegmentInfo> segments_;
  size_t segments_begun_ = 0;
  Seq next_seq_;
  bool chain_known_ = true;
  uint64_t chain_ = 0;
  uint64_t records_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace cairn::cli
