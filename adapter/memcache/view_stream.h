// A view as a stream of bytes: what a snapshot's object holds before compression.
//
//   magic       8   "CRNVIEW1"; the digit is the format
//   frames      …   each: type 1, length 4, CRC-32C 4 of type and payload, payload
//     'P'           once, first: the log's id, and the position (view_rows.h)
//     'I'           items, in the order of their keys: seq and index of the effect that stored each
//                   (varints), and that effect (effect_codec.h)
//     'E'           once, last: items 8, digest 16 (items_digest.h)
//
// Numbers are little-endian. A stream without its 'E' is not whole.
//
// Left out are items that a view may purge (PurgeHorizon), and no others: what has expired but a
// while ago comes along, so that the records behind the position find what they touch.
//
// Threads: one at a time. Bounds: one frame, kFrameBytes or one item.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/memcache/items_digest.h"
#include "adapter/memcache/view.h"
#include "adapter/memcache/view_scan.h"
#include "base/ids.h"

namespace cairn::adapter::memcache {

inline constexpr size_t kFrameBytes = size_t{256} << 10;

// Hands out the stream of what a scan reads; a objects::ObjectStore::Source.
class ViewStreamWriter {
 public:
  // The scan, which is at its beginning, outlives this.
  ViewStreamWriter(GroupId log_id, ViewScan* scan);

  // Fills `buffer` with 1 … `capacity` bytes; 0: the end. Errors: the scan's.
  absl::StatusOr<size_t> Read(char* buffer, size_t capacity);

  // Of what was handed out; all of it at the end.
  [[nodiscard]] const ItemsDigest& digest() const { return digest_; }

 private:
  absl::Status Refill();
  void AppendEnd();

  const UnixSeconds horizon_;
  ViewScan* const scan_;
  ItemsDigest digest_;
  std::string pending_;
  size_t taken_ = 0;  // Of pending_.
  bool more_ = true;
  bool ended_ = false;
};

// Takes a stream apart, however it is cut into pieces; a objects::ObjectStore::Sink.
//
// Errors, all of which are final: kFailedPrecondition: a newer format, or another log's;
// kDataLoss: damaged or cut short, saying where; what the visitor answered.
class ViewStreamReader {
 public:
  // Items come behind the position; the view of an item is valid until the visitor returns.
  using Visitor = std::function<absl::Status(const EffectView& item, EffectId stored_by)>;

  ViewStreamReader(GroupId log_id, Visitor visit);

  absl::Status Write(std::string_view bytes);
  // After the last byte. OK: all of the stream came, and the items are those that were written.
  absl::Status Finish();

  // Known from the first item on, and after Finish.
  [[nodiscard]] const std::optional<ViewPosition>& position() const { return position_; }
  [[nodiscard]] const ItemsDigest& digest() const { return digest_; }

 private:
  absl::StatusOr<bool> TakeFrame(std::string_view* rest);
  absl::Status TakeMagic(std::string_view* rest);
  absl::Status TakePosition(std::string_view payload);
  absl::Status TakeItems(std::string_view payload);
  absl::Status TakeEnd(std::string_view payload);
  [[nodiscard]] absl::Status Damaged(std::string_view what) const;

  const GroupId log_id_;
  const Visitor visit_;
  std::optional<ViewPosition> position_;
  ItemsDigest digest_;
  std::string held_;       // A frame that has not come whole.
  uint64_t frame_at_ = 0;  // Where in the stream held_ begins.
  bool began_ = false;
  bool ended_ = false;
  absl::Status status_;
};

}  // namespace cairn::adapter::memcache
