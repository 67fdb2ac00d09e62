// View: the items of a memcached cache, folded from its log into a local RocksDB. It warms up cold
// engines, answers reads on a miss, and is what snapshots are made of.
//
//   Tailer ──batches──► Apply ──► RocksDB ──► Get, ViewScan, StoreViewSnapshot
//   snapshot ──► ViewImport ────────┘
//
// Items and position change in one step, so that what is there after any crash is the fold of the
// log through position():
//   process killed   everything that Apply returned OK for is there. Nothing is synced, but all of
//                    it was handed to the operating system.
//   power lost       the newest of it may be missing; the log has it. Or RocksDB finds that what
//                    the disk kept does not fit together, and Open says so (kDataLoss).
// Nothing is ever passed over in silence; a view that cannot be used is removed (Remove) and begun
// anew from a snapshot, or from the log's first record.
//
// Expired items read as absent at once. They leave the disk when tables are rewritten, once the
// *log's* time, as of the position, has passed their end by kPurgeMarginSeconds. The log's time,
// since a view that lags by hours must still find the item that a TouchEffect of those hours
// prolongs. The margin, since a primary judges by its own clock whether an item lives, and the
// log's leader by another what time it is: as long as the two differ by less, no later effect can
// touch what is gone.
//
// Threads: Apply, Confirm, Reset and imports belong to one thread at a time; the others run beside
// it on any thread, and see the state between two steps. Scans must not outlive the view.
// Bounds: options.cache_bytes, three memtables, the messages given to Apply, one value that is
// larger than a record, and the disk. A flush is O(1); its space comes back as tables are
// rewritten.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/memcache/effect.h"
#include "adapter/memcache/record_reader.h"
#include "base/ids.h"
#include "cairn/types.h"

namespace rocksdb {
class FileSystem;
}  // namespace rocksdb

namespace cairn::adapter::memcache {

class ViewImport;
class ViewScan;

inline constexpr int64_t kPurgeMarginSeconds = 3'600;

// What a view's items stand for.
struct ViewPosition {
  ReadPosition read;  // The items are those of the log through read.seq.
  // The newest record, at or before read.seq, behind which the log's chain is known: the end of a
  // group commit. 0: none yet.
  Seq chain_seq;
  uint64_t chain = 0;
  int64_t log_time_us = 0;       // Of the record read.seq.
  UnixSeconds flush_due_at = 0;  // Of the FlushAtEffect that is pending; 0: none is.
  bool operator==(const ViewPosition&) const = default;
};

// An item, and which effect stored it. A touch changes the item, but not its id.
struct ViewItem {
  Item item;
  bool binary = false;
  EffectId stored_by;
  bool operator==(const ViewItem&) const = default;
};

struct ViewOptions {
  std::string directory;  // Made if it is not there; its parent is.
  GroupId log_id;
  std::string lease_name = "primary";
  // Blocks of tables that were read, indexes and filters. At least 1 MiB.
  size_t cache_bytes = size_t{64} << 20;
  // Of what is not in tables yet; there are up to three. 1 MiB … 1 GiB.
  size_t memtable_bytes = size_t{32} << 20;
  std::shared_ptr<rocksdb::FileSystem> file_system;  // Null: the operating system's.
};

class View {
 public:
  // Opens the directory's view, or makes an empty one.
  // Errors, each naming the directory and what to do:
  //   kFailedPrecondition  a view of another log, of a newer format, or something that is no view
  //   kUnavailable         another process has it open; trouble with the disk
  //   kDataLoss            damaged: Remove, and begin anew
  static absl::StatusOr<std::unique_ptr<View>> Open(ViewOptions options);
  // Removes a view that is not open, of whatever log and format. OK when there is none.
  // Errors: kFailedPrecondition when the directory is something else's.
  static absl::Status Remove(const std::string& directory);

  ~View();
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  // Folds the batches of one message of a tail, in order. Records at or before position() are
  // passed over. A long message is several steps, each of whole records.
  // Errors, after which the view stays as of its last step and answers the same until it is opened
  // anew:
  //   kFailedPrecondition  RecordReader's: a newer format; or the view is incomplete()
  //   kDataLoss            RecordReader's; a gap, or another chain: not the log of before
  //   kResourceExhausted, kUnavailable  the disk's
  absl::Status Apply(std::span<const RecordBatch> batches);

  // Whether the log whose chain behind `seq` is `chain` can be the view's: after reopening, or from
  // a CaughtUp. OK unless both are known and differ: kDataLoss.
  [[nodiscard]] absl::Status Confirm(Seq seq, uint64_t chain) const;

  // Back to nothing, at position 0, in one durable step; ends an unfinished import.
  // Requires: no ViewImport is alive.
  absl::Status Reset();

  // The item that the key has at `now`; nullopt: none, or it has expired.
  // Errors: kFailedPrecondition: incomplete(); kDataLoss, kUnavailable: the disk's.
  [[nodiscard]] absl::StatusOr<std::optional<ViewItem>> Get(std::string_view key,
                                                            UnixSeconds now) const;

  [[nodiscard]] ViewPosition position() const;
  // An import was begun and not finished: there is no position yet, and nothing to read. Import
  // again, or Reset.
  [[nodiscard]] bool incomplete() const;

  // Roughly, without reading anything. Overwritten, flushed and expired items may be counted until
  // tables are rewritten.
  struct Size {
    uint64_t items = 0;
    uint64_t disk_bytes = 0;
  };
  [[nodiscard]] Size EstimateSize() const;

 private:
  friend class ViewImport;
  friend class ViewScan;
  struct Impl;
  explicit View(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

// Items that have expired by then may go from a view at this time of its log.
UnixSeconds PurgeHorizon(int64_t log_time_us);

}  // namespace cairn::adapter::memcache
