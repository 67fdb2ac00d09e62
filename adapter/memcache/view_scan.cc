#include "adapter/memcache/view_scan.h"

#include <rocksdb/options.h>

#include <utility>

#include "adapter/memcache/view_impl.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "storage/rocks_status.h"

namespace cairn::adapter::memcache {
namespace {

using storage::FromRocks;

constexpr size_t kReadAheadBytes = size_t{2} << 20;
// For a digest.
constexpr size_t kSliceBytes = size_t{8} << 20;

}  // namespace

// An iterator sees the database as of its making, position and items alike.
struct ViewScan::Cursor {
  std::unique_ptr<rocksdb::Iterator> rows;

  absl::StatusOr<PositionRow> TakePosition() {
    rows->SeekToFirst();
    RETURN_IF_ERROR(FromRocks(rows->status()));
    if (!rows->Valid() || ToView(rows->key()) != kPositionKey) {
      return absl::DataLossError("the view has no position");
    }
    ASSIGN_OR_RETURN(PositionRow row, ParsePosition(ToView(rows->value())));
    rows->Next();
    return row;
  }

  absl::StatusOr<ItemRow> Item() const {
    ASSIGN_OR_RETURN(ItemRow row, ParseItem(ToView(rows->value())));
    row.item.key = ToView(rows->key()).substr(kItemPrefix.size());
    return row;
  }
};

ViewScan::ViewScan(std::unique_ptr<Cursor> cursor) : cursor_(std::move(cursor)) {}
ViewScan::~ViewScan() = default;

absl::StatusOr<std::unique_ptr<ViewScan>> ViewScan::Begin(const View& view) {
  rocksdb::ReadOptions read;
  // What is read once shall not drive out what Get reads again and again.
  read.fill_cache = false;
  read.readahead_size = kReadAheadBytes;
  auto cursor = std::make_unique<Cursor>();
  cursor->rows.reset(view.impl_->db->NewIterator(read));
  ASSIGN_OR_RETURN(const PositionRow row, cursor->TakePosition());
  if (row.importing) return view.impl_->Incomplete();
  std::unique_ptr<ViewScan> scan(new ViewScan(std::move(cursor)));
  scan->position_ = row.position;
  scan->estimate_ = view.EstimateSize();
  return scan;
}

absl::StatusOr<bool> ViewScan::Next(size_t max_bytes, UnixSeconds now,
                                    RecordReader::Visitor visit) {
  rocksdb::Iterator& rows = *cursor_->rows;
  for (size_t read_bytes = 0; rows.Valid() && read_bytes <= max_bytes; rows.Next()) {
    ASSIGN_OR_RETURN(const ItemRow row, cursor_->Item());
    const size_t bytes = row.item.key.size() + row.item.value.size();
    read_bytes += bytes;
    if (HasExpired(row.item.at, now)) continue;
    visit(row.item, row.stored_by);
    ++items_;
    bytes_ += bytes;
  }
  RETURN_IF_ERROR(FromRocks(rows.status()));
  return rows.Valid();
}

absl::StatusOr<ItemsDigest> DigestOf(const View& view, UnixSeconds now) {
  ASSIGN_OR_RETURN(const std::unique_ptr<ViewScan> scan, ViewScan::Begin(view));
  ItemsDigest digest;
  const auto add = [&digest](const EffectView& item, EffectId) { digest.Add(item); };
  for (bool more = true; more;) {
    ASSIGN_OR_RETURN(more, scan->Next(kSliceBytes, now, add));
  }
  return digest;
}

}  // namespace cairn::adapter::memcache
