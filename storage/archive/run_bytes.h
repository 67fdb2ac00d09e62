// The bytes of a run: an object of the archive, in the format of a backup's parts (docs/backup.md).
//
//   run   = block*
//   block = length(4) checksum(8) body(length)     little-endian; checksum: XXH3-64 of the body
//   body  = cairn.v1.RecordBatch                   its records last, as they are stored
//
// A run verifies itself: blocks match their checksums, seqs are dense, and the chain that the run's
// name says is before it leads over all records to the one that the name says is behind it.
//
// Threads: one at a time for each object. Bounds: a run is held in memory whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "storage/archive/run_name.h"

namespace cairn::archive {

// Consecutive records of one log time.
struct Batch {
  Seq first_seq;
  uint32_t count = 0;
  int64_t timestamp_us = 0;
  uint64_t chain = 0;        // After the last one.
  std::string_view records;  // A records region (base/record_region.h).
};

// Puts a run together.
class RunBuilder {
 public:
  // `first_seq` and `chain_before` are those of the first record to come.
  RunBuilder(Seq first_seq, uint64_t chain_before);

  // Adds records, the first of which is `next_seq()`. Errors: kDataLoss when they are not whole.
  absl::Status Add(int64_t timestamp_us, std::string_view records);
  [[nodiscard]] Seq next_seq() const { return name_.last_seq + 1; }
  [[nodiscard]] uint64_t chain() const { return name_.chain; }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  [[nodiscard]] const RunName& name() const { return name_; }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  RunName name_;  // So far.
  std::string bytes_;
};

// A run that was read and verified.
class Run {
 public:
  // Errors: kDataLoss, naming the byte, when `bytes` are not what `name` says.
  static absl::StatusOr<Run> Verify(const RunName& name, std::string bytes);

  [[nodiscard]] const RunName& name() const { return name_; }
  // In order; views into bytes().
  [[nodiscard]] const std::vector<Batch>& batches() const { return batches_; }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  explicit Run(const RunName& name, std::string bytes) : name_(name), bytes_(std::move(bytes)) {}
  absl::Status Read();

  RunName name_;
  Bytes bytes_;
  std::vector<Batch> batches_;
};

}  // namespace cairn::archive
