// The data files of a backup: a log's records, as the bytes that the chain covers.
//
//   file   = block*
//   block  = length(4) checksum(8) body(length)     little-endian; checksum: XXH3-64 of the body
//   body   = cairn.v1.RecordBatch                    as LogService.Read sent it
//
// Batches follow each other without a gap, over all parts of a log. A part is at most a little over
// kPartBytes long.
//
// Threads: one at a time for each object.
#pragma once

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/backup_manifest.h"
#include "cli/raw_read.pb.h"

struct XXH3_state_s;

namespace cairn::cli {

inline constexpr uint64_t kPartBytes = 256ull << 20;

// Whole or not at all, and durable, the directory too.
absl::Status WriteDurably(const std::string& dir, const std::string& path, const std::string& text);
absl::Status SyncDirectory(const std::string& dir);

// Writes the parts of one log: "DIR/PREFIX-1", "DIR/PREFIX-2", …
class PartWriter {
 public:
  PartWriter(std::string dir, std::string prefix)
      : dir_(std::move(dir)), prefix_(std::move(prefix)) {}
  ~PartWriter();
  PartWriter(const PartWriter&) = delete;
  PartWriter& operator=(const PartWriter&) = delete;

  absl::Status Add(const RawRecordBatch& batch);
  // Syncs what is open. Nothing can be added then.
  absl::Status Finish();
  [[nodiscard]] const std::vector<BackupPart>& parts() const { return parts_; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }

 private:
  absl::Status Open();
  absl::Status Close();
  absl::Status Write(const std::string& bytes);

  const std::string dir_;
  const std::string prefix_;
  std::vector<BackupPart> parts_;
  uint64_t bytes_ = 0;
  std::FILE* file_ = nullptr;
  XXH3_state_s* state_ = nullptr;
};

// Reads the batches of one log, through all its parts.
class PartReader {
 public:
  PartReader(std::string dir, const std::vector<BackupPart>& parts)
      : dir_(std::move(dir)), parts_(parts) {}

  // nullopt behind the last one. Errors: kDataLoss, naming file and byte.
  absl::StatusOr<std::optional<RawRecordBatch>> Next();
  [[nodiscard]] uint64_t bytes() const { return bytes_; }

 private:
  const std::string dir_;
  const std::vector<BackupPart>& parts_;
  size_t next_part_ = 0;
  std::ifstream file_;
  uint64_t offset_ = 0;
  uint64_t bytes_ = 0;
};

// Reads the whole file. Errors: kDataLoss, naming it, when it is not what the manifest says.
absl::Status CheckPart(const std::string& dir, const BackupPart& part);

}  // namespace cairn::cli
