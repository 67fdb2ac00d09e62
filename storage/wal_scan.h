// Reads the write-ahead log before RocksDB does, to tell a torn end from damage.
//
// RocksDB's own recovery cannot: in a log with zeros behind it, it takes a hole for the end of a
// block, and a flipped length for the end of the log, and goes on without a word. The scan reads
// files as RocksDB does, without their stamps (wal_frames.h), and follows RocksDB's published log
// format: blocks of 32 KiB; records of {masked CRC-32C(4) length(2)
// type(1) data}; a batch is one FULL record, or FIRST MIDDLE… LAST, and begins with
// {sequence(8) count(4)}. Sequences are contiguous over all files, so a missing batch shows
// even where nothing looks damaged. One gap is no loss: ingesting a run takes a sequence past the
// log. The batch before it says so, by a note of kBeforeIngestion as its first (rocks_run.h).
//
// Read-only, but for CutWal, which a caller may use once the verdict is safe on disk.
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/recovery.h"
#include "storage/wal_frames.h"

namespace cairn::storage {

// What the batch begins with behind which sequences may be missing, and how many.
inline constexpr std::string_view kBeforeIngestion = "cairn-ingest";
inline constexpr uint64_t kIngestionSequences = 1;

// The number in the name of a WAL ("000012.log", without its folder); nullopt: not one.
std::optional<uint64_t> WalNumberOf(std::string_view name);

// What stands in the bytes of one WAL file. Offsets are in the log, not in its file.
struct WalFileScan {
  // End of the last whole batch before any damage.
  uint64_t valid_end = 0;
  uint64_t batches = 0;
  WalEnd end = WalEnd::kClean;
  // Of the first batch and behind the last one; both 0 without a batch.
  uint64_t first_sequence = 0;
  uint64_t next_sequence = 0;
  // The last batch is one behind which a run was ingested.
  bool before_ingestion = false;
};
// `expected_sequence`: behind the file before; 0: not known.
WalFileScan ScanWalBytes(std::string_view bytes, uint64_t expected_sequence);

// How far whole records follow each other from the beginning, with zeros where a block has no room
// for a header. Manifests have this format, too.
uint64_t WholeRecordsEnd(std::string_view bytes);

struct WalFile {
  std::string path;
  uint64_t number = 0;
  uint64_t bytes = 0;  // Of the file.
  // nullopt: its header is damaged, so nothing can be said of what is behind it.
  std::optional<WalGeneration> generation;
  WalFileScan scan;
};

// Where in the file a byte of its log is; its beginning, if its header is damaged.
uint64_t OffsetInFile(const WalFile& file, uint64_t log_offset);

struct WalScan {
  std::vector<WalFile> files;  // By number.
  WalEnd end = WalEnd::kClean;
  // Set unless `end` is kClean: the file in which the trouble begins.
  size_t bad_file = 0;
};
// All WAL files in `db_dir`. Errors: the file system's.
absl::StatusOr<WalScan> ScanWals(rocksdb::FileSystem& fs, const std::string& db_dir);

// Makes the log end before the trouble: copies every file from `bad_file` on to `keep_dir`,
// then overwrites what is behind the last good batch with zeros (sizes stay: the manifest checks
// that no file is shorter than what was synced). Requires: scan.end is not kClean. Durable before
// it returns.
absl::Status CutWal(rocksdb::FileSystem& fs, const WalScan& scan, const std::string& keep_dir);

}  // namespace cairn::storage
