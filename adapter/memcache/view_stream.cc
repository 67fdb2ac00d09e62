#include "adapter/memcache/view_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "adapter/memcache/varint.h"
#include "adapter/memcache/view_rows.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "storage/crc32c.h"

namespace cairn::adapter::memcache {
namespace {

constexpr std::string_view kMagic = "CRNVIEW1";
constexpr char kPosition = 'P';
constexpr char kItems = 'I';
constexpr char kEnd = 'E';

constexpr size_t kFrameHeadBytes = 1 + 4 + 4;
constexpr size_t kEndBytes = 8 + 16;
// An item, and what stands with it.
constexpr size_t kMaxFrameBytes =
    kFrameBytes + kMaxEffectHeadBytes + 2 * kMaxVarintBytes + kMaxValueBytes;

void AppendNumber(uint64_t number, size_t bytes, std::string* out) {
  for (size_t i = 0; i < bytes; ++i) out->push_back(static_cast<char>(number >> (8 * i)));
}

uint64_t NumberAt(std::string_view bytes, size_t at, size_t size) {
  uint64_t number = 0;
  for (size_t i = 0; i < size; ++i) {
    number |= uint64_t{static_cast<uint8_t>(bytes[at + i])} << (8 * i);
  }
  return number;
}

uint32_t Checksum(char type, std::string_view payload) {
  return storage::Crc32cExtend(storage::Crc32c({&type, 1}), payload);
}

void AppendFrame(char type, std::string_view payload, std::string* out) {
  out->push_back(type);
  AppendNumber(payload.size(), 4, out);
  AppendNumber(Checksum(type, payload), 4, out);
  *out += payload;
}

}  // namespace

ViewStreamWriter::ViewStreamWriter(GroupId log_id, ViewScan* scan)
    : horizon_(PurgeHorizon(scan->position().log_time_us)), scan_(scan), pending_(kMagic) {
  CHECK_EQ(scan->items(), uint64_t{0});
  const PositionRow row = {.log_id = log_id, .importing = false, .position = scan->position()};
  AppendFrame(kPosition, EncodePosition(row), &pending_);
}

absl::StatusOr<size_t> ViewStreamWriter::Read(char* buffer, size_t capacity) {
  while (taken_ == pending_.size() && !ended_) RETURN_IF_ERROR(Refill());
  const size_t bytes = std::min(capacity, pending_.size() - taken_);
  std::memcpy(buffer, pending_.data() + taken_, bytes);
  taken_ += bytes;
  return bytes;
}

absl::Status ViewStreamWriter::Refill() {
  pending_.clear();
  taken_ = 0;
  if (!more_) {
    AppendEnd();
    return absl::OkStatus();
  }
  std::string items;
  const auto add = [this, &items](const EffectView& item, EffectId stored_by) {
    AppendVarint(stored_by.seq.value(), &items);
    AppendVarint(stored_by.index, &items);
    AppendEffect(item, &items);
    digest_.Add(item);
  };
  ASSIGN_OR_RETURN(more_, scan_->Next(kFrameBytes, horizon_, add));
  if (!items.empty()) AppendFrame(kItems, items, &pending_);
  return absl::OkStatus();
}

void ViewStreamWriter::AppendEnd() {
  std::string end;
  AppendNumber(digest_.items(), 8, &end);
  AppendNumber(digest_.low(), 8, &end);
  AppendNumber(digest_.high(), 8, &end);
  AppendFrame(kEnd, end, &pending_);
  ended_ = true;
}

ViewStreamReader::ViewStreamReader(GroupId log_id, Visitor visit)
    : log_id_(log_id), visit_(std::move(visit)) {}

absl::Status ViewStreamReader::Damaged(std::string_view what) const {
  return absl::DataLossError(
      fmt::format("the stream of a view, at byte {}: expected {}", frame_at_, what));
}

absl::Status ViewStreamReader::Write(std::string_view bytes) {
  RETURN_IF_ERROR(status_);
  held_ += bytes;
  std::string_view rest = held_;
  for (bool taken = true; taken && status_.ok();) {
    const size_t before = rest.size();
    absl::StatusOr<bool> frame = TakeFrame(&rest);
    status_ = frame.status();
    taken = frame.ok() && *frame;
    frame_at_ += before - rest.size();
  }
  held_.erase(0, held_.size() - rest.size());
  return status_;
}

absl::Status ViewStreamReader::Finish() {
  RETURN_IF_ERROR(status_);
  if (!held_.empty() || !ended_) status_ = Damaged("more: it is cut short");
  return status_;
}

// False: there is none yet.
absl::StatusOr<bool> ViewStreamReader::TakeFrame(std::string_view* rest) {
  if (!began_) {
    if (rest->size() < kMagic.size()) return false;
    RETURN_IF_ERROR(TakeMagic(rest));
    return true;
  }
  if (rest->size() < kFrameHeadBytes) return false;
  const char type = rest->front();
  const auto bytes = static_cast<size_t>(NumberAt(*rest, 1, 4));
  if (ended_ || bytes > kMaxFrameBytes) return Damaged(ended_ ? "nothing" : "a frame's length");
  if (rest->size() < kFrameHeadBytes + bytes) return false;
  const std::string_view payload = rest->substr(kFrameHeadBytes, bytes);
  if (NumberAt(*rest, 5, 4) != Checksum(type, payload)) return Damaged("a frame of its checksum");
  if (position_.has_value() == (type == kPosition)) return Damaged("one position, before all else");
  absl::Status taken = Damaged("a frame of a known type");
  if (type == kPosition) taken = TakePosition(payload);
  if (type == kItems) taken = TakeItems(payload);
  if (type == kEnd) taken = TakeEnd(payload);
  RETURN_IF_ERROR(taken);
  rest->remove_prefix(kFrameHeadBytes + bytes);
  return true;
}

absl::Status ViewStreamReader::TakeMagic(std::string_view* rest) {
  const std::string_view magic = rest->substr(0, kMagic.size());
  if (magic == kMagic) {
    rest->remove_prefix(kMagic.size());
    began_ = true;
    return absl::OkStatus();
  }
  const size_t name_bytes = kMagic.size() - 1;
  if (magic.substr(0, name_bytes) != kMagic.substr(0, name_bytes)) return Damaged("a view");
  return absl::FailedPreconditionError(fmt::format(
      "a view's stream of format {}, and this agent knows {}", magic.back(), kMagic.back()));
}

absl::Status ViewStreamReader::TakePosition(std::string_view payload) {
  ASSIGN_OR_RETURN(PositionRow row, ParsePosition(payload));
  if (row.log_id != log_id_) {
    return absl::FailedPreconditionError(
        fmt::format("the stream of a view of log {}, not of {}", row.log_id, log_id_));
  }
  position_ = std::move(row.position);
  return absl::OkStatus();
}

absl::Status ViewStreamReader::TakeItems(std::string_view payload) {
  while (!payload.empty()) {
    uint64_t seq = 0;
    uint64_t index = 0;
    if (!TakeVarint(&payload, &seq) || !TakeVarint(&payload, &index) || index > UINT32_MAX) {
      return Damaged("where an item was stored");
    }
    ASSIGN_OR_RETURN(const EffectView item, TakeEffect(&payload));
    if (item.kind != EffectKind::kStore) return Damaged("an item");
    digest_.Add(item);
    RETURN_IF_ERROR(visit_(item, EffectId{Seq(seq), static_cast<uint32_t>(index)}));
  }
  return absl::OkStatus();
}

absl::Status ViewStreamReader::TakeEnd(std::string_view payload) {
  if (payload.size() != kEndBytes) return Damaged("a count and a digest");
  const ItemsDigest written(NumberAt(payload, 0, 8), NumberAt(payload, 16, 8),
                            NumberAt(payload, 8, 8));
  if (written != digest_)
    return Damaged(fmt::format("{}, found {}", written.ToText(), digest_.ToText()));
  ended_ = true;
  return absl::OkStatus();
}

}  // namespace cairn::adapter::memcache
