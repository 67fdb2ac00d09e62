// BackupManifest: what a backup directory holds, as its file `backup.json` says it.
//
//   {"backup":{"format":1,"cluster_id":…,"saved_at":…,"logs":[{…,"parts":[{…}]}]},
//    "checksum":"<XXH3-64 of the text of \"backup\", compact>"}
//
// It is written last, beside its place and renamed: a directory without it is no backup, but the
// remains of one that was cut short.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cairn/backup.h"
#include "cairn/types.h"

namespace cairn::cli {

inline constexpr int kBackupFormat = 1;

struct BackupPart {
  std::string file;  // Below the directory.
  uint64_t bytes = 0;
  uint64_t checksum = 0;  // XXH3-64 of the file.
};

struct BackedUpLog {
  std::string name;
  LogSettings settings;
  LogBase base;        // Before the first record.
  Seq last_seq;        // base.first_seq - 1 without records.
  uint64_t chain = 0;  // At last_seq.
  uint64_t records = 0;
  std::vector<BackupPart> parts;  // In order of their records.

  [[nodiscard]] uint64_t bytes() const;
};

struct BackupManifest {
  std::string cluster_id;
  std::string saved_at;  // When it was begun.
  std::vector<BackedUpLog> logs;

  [[nodiscard]] uint64_t bytes() const;
};

// Durable before it returns; so is the directory.
absl::Status WriteManifest(const std::string& dir, const BackupManifest& manifest);
// Errors: kNotFound: no backup; kDataLoss, naming the file: damaged; kFailedPrecondition: newer.
absl::StatusOr<BackupManifest> ReadManifest(const std::string& dir);

}  // namespace cairn::cli
