// The rows of a view's database: every key and value of it, in one place.
//
//   0x00          the position. Format 1; whether an import is unfinished 1; then varints: log id,
//                 seq, epoch, place epoch, place offset, chain seq, log time and pending flush
//                 (zigzag); chain 8, little-endian; the place's history, to the end
//   0x01 key      an item. Bits 1: binary 1, client flags follow 2, a time follows 4; then varints:
//                 seq and index of the effect that stored it, client flags, expires_at (zigzag);
//                 the value, to the end
//
// So the position stands before all items, and an iterator reads both as of one moment. Checksums
// are RocksDB's. A position also stands in the stream of a snapshot (view_stream.h).
//
// Threads: pure. Errors: kDataLoss: bytes that are no such row; kFailedPrecondition: a newer
// format.
#pragma once

#include <rocksdb/slice.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "adapter/memcache/effect_codec.h"
#include "adapter/memcache/record_reader.h"
#include "adapter/memcache/view.h"
#include "base/ids.h"

namespace cairn::adapter::memcache {

inline constexpr std::string_view kPositionKey("\x00", 1);
inline constexpr std::string_view kItemPrefix("\x01", 1);
// Behind all items: no key of an item is as long.
std::string ItemsEnd();
std::string ItemKey(std::string_view key);

struct PositionRow {
  GroupId log_id;
  bool importing = false;  // The items are part of a snapshot; the position is none.
  ViewPosition position;
  bool operator==(const PositionRow&) const = default;
};
std::string EncodePosition(const PositionRow& row);
absl::StatusOr<PositionRow> ParsePosition(std::string_view value);

// An item's value, as it is put together without a copy of the item's own value.
std::string ItemHead(const EffectView& item, EffectId stored_by);

// As a kStore without its key; points into the row.
struct ItemRow {
  EffectView item;
  EffectId stored_by;
};
absl::StatusOr<ItemRow> ParseItem(std::string_view value);

inline std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }
inline rocksdb::Slice ToSlice(std::string_view view) { return {view.data(), view.size()}; }

}  // namespace cairn::adapter::memcache
