// SideMark: a lower bound, beside the database, of the turns that were acknowledged.
//
// After each sync of the write-ahead log, and before anybody is told, the number of the turn
// is overwritten here. The file itself is synced lazily: after kill -9 it is exact (the page
// cache lives), after a power cut it is a little old. Recovery compares (recovery.h).
//
// Two slots, written in turn and a page apart, so that a torn write loses one at most:
//   magic(8) turn(8) boot_id(40, zero-padded) manifest number(8) manifest bytes(8)
//   checksum(8), XXH3-64 of what stands before it
// at offsets 0 and 4096. The newest one that matches its checksum counts.
//
// Threads: all of it; one mutex, held while a slot is written.
#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "storage/recovery.h"

namespace cairn::storage {

class SideMark {
 public:
  // Makes the file, with turn 0, durably.
  static absl::Status Create(rocksdb::FileSystem& fs, const std::string& path,
                             const std::string& boot_id);
  // What an earlier process left; nullopt when the file is missing or neither slot matches.
  static std::optional<SideMarkFound> Load(rocksdb::FileSystem& fs, const std::string& path,
                                           const std::string& boot_id);
  // For writing. The newest slot is kept: the other one is overwritten first.
  static absl::StatusOr<std::unique_ptr<SideMark>> Open(rocksdb::FileSystem& fs,
                                                        const std::string& path,
                                                        const std::string& boot_id);
  // Syncs and closes.
  ~SideMark();
  SideMark(const SideMark&) = delete;
  SideMark& operator=(const SideMark&) = delete;

  // To the page cache only.
  absl::Status Write(uint64_t turn, ManifestExtent manifest);
  // The same turn again, if the manifest is another one than was written last.
  absl::Status WriteManifest(ManifestExtent manifest);
  // Does nothing when nothing was written since the last one.
  absl::Status Sync();

 private:
  SideMark(std::unique_ptr<rocksdb::FSRandomRWFile> file, std::string boot_id, size_t next_slot,
           uint64_t turn);
  absl::Status WriteSlot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<rocksdb::FSRandomRWFile> file_;
  const std::string boot_id_;
  absl::Mutex mutex_;
  size_t next_slot_ ABSL_GUARDED_BY(mutex_);
  uint64_t turn_ ABSL_GUARDED_BY(mutex_);
  ManifestExtent manifest_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> dirty_{false};
};

// What is wrong with the bytes of a mark; empty: nothing. A slot that was never written is in
// order.
std::string DamageOfMark(std::string_view bytes);

// /proc/sys/kernel/random/boot_id; empty, which equals no other, when it cannot be read.
std::string CurrentBootId();

}  // namespace cairn::storage
