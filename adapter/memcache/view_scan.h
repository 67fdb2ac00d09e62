// ViewScan: all items of a view as of one position, beside the thread that goes on applying: for
// warming up an engine, a snapshot, a digest.
//
//   auto scan = ViewScan::Begin(view);
//   for (bool more = true; more;) {
//     ASSIGN_OR_RETURN(more, (*scan)->Next(size_t{1} << 20, now, send_to_engine));
//   }
//   // Then the records of the log behind (*scan)->position().read.seq.
//
// It goes in slices, so that a coroutine can pause between two of them; each goes on where the one
// before ended. Items come in the order of their keys, each once.
//
// Threads: one at a time, any. Lifetime: within the view's. While it lives RocksDB keeps what has
// been overwritten since it began: end it soon. Bounds: one block of a table, and one item.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "adapter/memcache/effect_codec.h"
#include "adapter/memcache/items_digest.h"
#include "adapter/memcache/record_reader.h"
#include "adapter/memcache/view.h"

namespace cairn::adapter::memcache {

class ViewScan {
 public:
  // Errors: kFailedPrecondition: the view is incomplete; the disk's.
  static absl::StatusOr<std::unique_ptr<ViewScan>> Begin(const View& view);
  ~ViewScan();
  ViewScan(const ViewScan&) = delete;
  ViewScan& operator=(const ViewScan&) = delete;

  // What the items stand for, exactly.
  [[nodiscard]] const ViewPosition& position() const { return position_; }
  // As it began; for the end of a progress bar (View::EstimateSize).
  [[nodiscard]] const View::Size& estimate() const { return estimate_; }

  // Visits items that live at `now`, each as the effect that would store it, until what was read
  // exceeds `max_bytes` of keys and values; at least one is read. False: that was the last.
  // Errors: kDataLoss, kUnavailable: the disk's. The scan is over then.
  absl::StatusOr<bool> Next(size_t max_bytes, UnixSeconds now, RecordReader::Visitor visit);

  // Visited so far.
  [[nodiscard]] uint64_t items() const { return items_; }
  // Their keys and values.
  [[nodiscard]] uint64_t bytes() const { return bytes_; }

 private:
  struct Cursor;
  explicit ViewScan(std::unique_ptr<Cursor> cursor);

  const std::unique_ptr<Cursor> cursor_;
  ViewPosition position_;
  View::Size estimate_;
  uint64_t items_ = 0;
  uint64_t bytes_ = 0;
};

// Of the items that live at `now`.
absl::StatusOr<ItemsDigest> DigestOf(const View& view, UnixSeconds now);

}  // namespace cairn::adapter::memcache
