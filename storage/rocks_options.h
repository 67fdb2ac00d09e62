// How Cairn tunes RocksDB, and why: the only place where its options are set.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/rate_limiter.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace cairn::storage {

// Families of key_codec.h. RocksDB insists on one called "default": it is `meta`.
enum class Family : uint8_t { kMeta, kEntries, kSeqs, kState };
inline constexpr size_t kFamilies = 4;
const char* FamilyName(Family family);

// Counts what flushes and compactions write. Threads: RocksDB's.
class TableBytesListener : public rocksdb::EventListener {
 public:
  void OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo& info) override;
  void OnExternalFileIngested(rocksdb::DB* db,
                              const rocksdb::ExternalFileIngestionInfo& info) override;
  void OnCompactionCompleted(rocksdb::DB* db, const rocksdb::CompactionJobInfo& info) override;
  [[nodiscard]] uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> bytes_{0};
};

// Hears of tables that a compaction could not read. RocksDB would take no write from then on; it
// goes on instead, and tries again a second later, without an end. Threads: RocksDB's.
class DamageListener : public rocksdb::EventListener {
 public:
  explicit DamageListener(std::function<void(const std::string& detail)> note)
      : note_(std::move(note)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;

 private:
  const std::function<void(const std::string& detail)> note_;
};

// What memtables and WAL files can take together, for the watermark.
uint64_t MemtablesAndWalBytes(uint64_t memtable_bytes);
// Length of a pool file: what one memtable of entries writes to the log, and some.
uint64_t WalFileBytes(uint64_t memtable_bytes);
// Groups of fewer bytes share tables of entries with others.
uint64_t OwnTableBytes(uint64_t memtable_bytes);

// How many WAL files may be in use at a time: the small families keep WALs alive until all of them
// together pass the limit that MakeDbOptions sets, and RocksDB takes one or two more until those
// families are flushed (docs/decisions/015).
uint32_t MostLiveWals();

// Holds flushes, compactions and the making of WAL files to a speed that is set from outside
// (background_pace.h), in portions of a few milliseconds. Without a bound at first.
std::shared_ptr<rocksdb::RateLimiter> MakeLimiter();

// `direct_io`: the file system takes O_DIRECT. `limiter` may be null.
rocksdb::DBOptions MakeDbOptions(rocksdb::Env* env, uint64_t memtable_bytes, bool create,
                                 bool direct_io, std::shared_ptr<rocksdb::RateLimiter> limiter,
                                 std::vector<std::shared_ptr<rocksdb::EventListener>> listeners);
// In the order of the enum.
std::vector<rocksdb::ColumnFamilyDescriptor> MakeFamilies(uint64_t memtable_bytes);

}  // namespace cairn::storage
