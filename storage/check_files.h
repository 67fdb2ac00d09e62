// CheckFiles: the files of a data directory, each for itself.
//
// Every file is read to its end. What is judged, and by what, depends on its name:
//   FORMAT, IDENTITY, MARK     their text, their checksums
//   db/*.sst                   block checksums and the footer (check_tables.h)
//   db/*.log                   checksums and sequences of the turns (wal_scan.h), headers, stamps
//   db/CURRENT, db/MANIFEST-N  the name; the checksum of each record, through what was synced
//   all others                 hold no data: they must be readable, no more
#pragma once

#include <rocksdb/file_system.h>

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "storage/check_report.h"
#include "storage/data_dir.h"
#include "storage/recovery.h"
#include "storage/wal_scan.h"

namespace cairn::storage {

struct CheckedFiles {
  std::optional<SideMarkFound> mark;
  WalScan wals;
};

// Adds to `report`. Errors: the directory itself cannot be read.
absl::StatusOr<CheckedFiles> CheckFiles(rocksdb::FileSystem& fs, const DataDir& dir,
                                        const CheckProgress& progress, CheckReport& report);

}  // namespace cairn::storage
