#include "adapter/memcache/view_rows.h"

#include <fmt/format.h>

#include "adapter/memcache/varint.h"
#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

constexpr char kRowFormat = 1;
constexpr size_t kChainBytes = 8;

constexpr uint8_t kBinaryBit = 1;
constexpr uint8_t kFlagsBit = 2;
constexpr uint8_t kTimeBit = 4;

absl::Status NotARow(std::string_view what, std::string_view value) {
  return absl::DataLossError(fmt::format("{} bytes that are no {}", value.size(), what));
}

template <class Tag>
bool TakeOrdinal(std::string_view* rest, Ordinal<Tag>* ordinal) {
  uint64_t number = 0;
  if (!TakeVarint(rest, &number)) return false;
  *ordinal = Ordinal<Tag>(number);
  return true;
}

bool TakeSigned(std::string_view* rest, int64_t* number) {
  uint64_t folded = 0;
  if (!TakeVarint(rest, &folded)) return false;
  *number = UnZigZag(folded);
  return true;
}

bool TakeChain(std::string_view* rest, uint64_t* chain) {
  if (rest->size() < kChainBytes) return false;
  for (size_t i = 0; i < kChainBytes; ++i) {
    *chain |= uint64_t{static_cast<uint8_t>((*rest)[i])} << (8 * i);
  }
  rest->remove_prefix(kChainBytes);
  return true;
}

// Behind the format and the flag.
bool TakeFields(std::string_view rest, PositionRow* row) {
  ViewPosition& position = row->position;
  ReadPosition& read = position.read;
  const bool whole = TakeOrdinal(&rest, &row->log_id) && TakeOrdinal(&rest, &read.seq) &&
                     TakeOrdinal(&rest, &read.epoch) && TakeOrdinal(&rest, &read.place_epoch) &&
                     TakeOrdinal(&rest, &read.place.offset) &&
                     TakeOrdinal(&rest, &position.chain_seq) &&
                     TakeSigned(&rest, &position.log_time_us) &&
                     TakeSigned(&rest, &position.flush_due_at) && TakeChain(&rest, &position.chain);
  read.place.history = rest;
  return whole;
}

}  // namespace

std::string ItemsEnd() { return std::string(kItemPrefix) + std::string(kMaxKeyBytes + 1, '\xff'); }

std::string ItemKey(std::string_view key) {
  std::string row_key;
  row_key.reserve(1 + key.size());
  row_key += kItemPrefix;
  row_key += key;
  return row_key;
}

std::string EncodePosition(const PositionRow& row) {
  const ViewPosition& position = row.position;
  const ReadPosition& read = position.read;
  std::string value = {kRowFormat, row.importing ? '\1' : '\0'};
  AppendVarint(row.log_id.value(), &value);
  AppendVarint(read.seq.value(), &value);
  AppendVarint(read.epoch.value(), &value);
  AppendVarint(read.place_epoch.value(), &value);
  AppendVarint(read.place.offset.value(), &value);
  AppendVarint(position.chain_seq.value(), &value);
  AppendVarint(ZigZag(position.log_time_us), &value);
  AppendVarint(ZigZag(position.flush_due_at), &value);
  for (size_t i = 0; i < kChainBytes; ++i) {
    value.push_back(static_cast<char>(position.chain >> (8 * i)));
  }
  return value + read.place.history;
}

absl::StatusOr<PositionRow> ParsePosition(std::string_view value) {
  if (value.size() < 2 || value[0] < kRowFormat) return NotARow("position", value);
  if (value[0] > kRowFormat) {
    return absl::FailedPreconditionError(
        fmt::format("a position of format {}, and this agent knows {}: upgrade it", int{value[0]},
                    int{kRowFormat}));
  }
  PositionRow row;
  row.importing = value[1] != 0;
  if (value[1] > 1 || !TakeFields(value.substr(2), &row)) return NotARow("position", value);
  return row;
}

std::string ItemHead(const EffectView& item, EffectId stored_by) {
  uint8_t bits = 0;
  if (item.binary) bits |= kBinaryBit;
  if (item.client_flags != 0) bits |= kFlagsBit;
  if (item.at != 0) bits |= kTimeBit;
  std::string head(1, static_cast<char>(bits));
  AppendVarint(stored_by.seq.value(), &head);
  AppendVarint(stored_by.index, &head);
  if (item.client_flags != 0) AppendVarint(item.client_flags, &head);
  if (item.at != 0) AppendVarint(ZigZag(item.at), &head);
  return head;
}

absl::StatusOr<ItemRow> ParseItem(std::string_view value) {
  if (value.empty()) return NotARow("item", value);
  const auto bits = static_cast<uint8_t>(value[0]);
  std::string_view rest = value.substr(1);
  ItemRow row;
  row.item.kind = EffectKind::kStore;
  row.item.binary = (bits & kBinaryBit) != 0;
  uint64_t index = 0;
  uint64_t flags = 0;
  const bool whole = (bits & ~(kBinaryBit | kFlagsBit | kTimeBit)) == 0 &&
                     TakeOrdinal(&rest, &row.stored_by.seq) && TakeVarint(&rest, &index) &&
                     ((bits & kFlagsBit) == 0 || TakeVarint(&rest, &flags)) &&
                     ((bits & kTimeBit) == 0 || TakeSigned(&rest, &row.item.at));
  if (!whole || index > UINT32_MAX || flags > UINT32_MAX) return NotARow("item", value);
  row.stored_by.index = static_cast<uint32_t>(index);
  row.item.client_flags = static_cast<uint32_t>(flags);
  row.item.value = rest;
  return row;
}

}  // namespace cairn::adapter::memcache
