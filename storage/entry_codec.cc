#include "storage/entry_codec.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <bit>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/strings.h"

namespace cairn::storage {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are stored as they lie");

template <class T>
void Put(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof bytes);
}

template <class T>
T Get(std::string_view in, size_t offset) {
  T value;
  std::memcpy(&value, in.data() + offset, sizeof value);
  return value;
}

absl::Status Damaged(const std::string& what) {
  return absl::DataLossError(ToAbsl("entry: " + what));
}

}  // namespace

uint64_t ChainSeed(GroupId log_id) {
  // Not zero for log 0, and unlike a chain of any record.
  const uint64_t words[2] = {0x6e72696143ull /* "Cairn" */, log_id.value()};
  return XXH3_64bits(words, sizeof words);
}

EntryBuilder::EntryBuilder(Seq last_seq, uint64_t chain, int64_t timestamp_us)
    : first_seq_(last_seq + 1), last_seq_(last_seq), chain_(chain), timestamp_us_(timestamp_us) {}

uint32_t EntryBuilder::AddRecord(std::string_view serialized_record) {
  AppendRecordTo(records_, serialized_record);
  chain_ = ChainNext(chain_, serialized_record);
  ++last_seq_;
  return record_count_++;
}

uint32_t EntryBuilder::AddRecordsRegion(std::string_view region, uint32_t count) {
  const uint32_t offset = record_count_;
  records_.append(region);
  for (uint32_t i = 0; i < count; ++i) {
    const std::optional<std::string_view> record = SplitRecord(region);
    CHECK(record.has_value());
    chain_ = ChainNext(chain_, *record);
  }
  CHECK(region.empty());
  last_seq_ += count;
  record_count_ += count;
  return offset;
}

void EntryBuilder::AddItem(cairn::v1::EntryItem item) { *items_.add_items() = std::move(item); }

Bytes EntryBuilder::Finish() {
  std::string items;
  CHECK(items_.SerializeToString(&items));
  std::string out;
  out.reserve(kEntryHeaderBytes + items.size() + records_.size());
  out.push_back(static_cast<char>(kEntryFormatVersion));
  out.append(3, '\0');
  Put<uint32_t>(out, record_count_);
  Put<uint64_t>(out, first_seq_.value());
  Put<int64_t>(out, timestamp_us_);
  Put<uint64_t>(out, chain_);
  Put<uint32_t>(out, static_cast<uint32_t>(items.size()));
  Put<uint32_t>(out, 0);
  CHECK_EQ(out.size(), kEntryHeaderBytes);
  out.append(items);
  out.append(records_);
  return Bytes(std::move(out));
}

absl::StatusOr<uint32_t> CheckRecords(std::string_view region) {
  const size_t total = region.size();
  uint32_t count = 0;
  while (!region.empty()) {
    if (!SplitRecord(region)) {
      return Damaged(fmt::format("record {} at byte {} of {} is not whole", count,
                                 total - region.size(), total));
    }
    ++count;
  }
  return count;
}

absl::StatusOr<EntryHeader> ParseEntryHeader(std::string_view payload) {
  if (payload.size() < kEntryHeaderBytes) {
    return Damaged(
        fmt::format("{} bytes, the header alone has {}", payload.size(), kEntryHeaderBytes));
  }
  if (const auto version = Get<uint8_t>(payload, 0); version != kEntryFormatVersion) {
    return Damaged(fmt::format("format version {}, expected {}", version, kEntryFormatVersion));
  }
  if ((Get<uint32_t>(payload, 0) >> 8) != 0 || Get<uint32_t>(payload, 36) != 0) {
    return Damaged("reserved bytes are not zero");
  }
  EntryHeader header;
  header.record_count = Get<uint32_t>(payload, 4);
  header.first_seq = Seq(Get<uint64_t>(payload, 8));
  header.timestamp_us = Get<int64_t>(payload, 16);
  header.chain = Get<uint64_t>(payload, 24);
  header.items_bytes = Get<uint32_t>(payload, 32);
  if (header.items_bytes > payload.size() - kEntryHeaderBytes) {
    return Damaged(
        fmt::format("{} bytes of items in a payload of {}", header.items_bytes, payload.size()));
  }
  if (!header.first_seq) return Damaged("first_seq is 0");
  return header;
}

absl::StatusOr<EntryView> EntryView::Parse(std::string_view payload) {
  absl::StatusOr<EntryHeader> header = ParseEntryHeader(payload);
  if (!header.ok()) return header.status();
  EntryView view;
  view.header_ = *header;
  view.items_ = payload.substr(kEntryHeaderBytes, header->items_bytes);
  view.records_ = payload.substr(kEntryHeaderBytes + header->items_bytes);
  absl::StatusOr<uint32_t> count = CheckRecords(view.records_);
  if (!count.ok()) return count.status();
  if (*count != header->record_count) {
    return Damaged(fmt::format("{} records, the header says {}", *count, header->record_count));
  }
  return view;
}

std::string_view EntryView::TakeRecord(std::string_view& region) {
  const std::optional<std::string_view> record = SplitRecord(region);
  CHECK(record.has_value());
  return *record;
}

std::string_view EntryView::RecordsRegion(uint32_t offset, uint32_t count) const {
  CHECK_LE(uint64_t{offset} + count, uint64_t{header_.record_count});
  if (offset == 0 && count == header_.record_count) return records_;
  std::string_view rest = records_;
  for (uint32_t i = 0; i < offset; ++i) TakeRecord(rest);
  const std::string_view begin = rest;
  for (uint32_t i = 0; i < count; ++i) TakeRecord(rest);
  return begin.substr(0, begin.size() - rest.size());
}

absl::StatusOr<cairn::v1::EntryItems> EntryView::Items() const {
  cairn::v1::EntryItems items;
  if (!items.ParseFromArray(items_.data(), static_cast<int>(items_.size()))) {
    return Damaged(fmt::format("{} bytes of items do not parse", items_.size()));
  }
  return items;
}

uint64_t EntryView::ComputeChain(uint64_t chain_before) const {
  ForEachRecord(
      [&](uint32_t, std::string_view record) { chain_before = ChainNext(chain_before, record); });
  return chain_before;
}

uint64_t EntryView::ChainAfter(uint64_t chain_before, uint32_t offset) const {
  CHECK_LT(offset, header_.record_count);
  std::string_view rest = records_;
  for (uint32_t i = 0; i <= offset; ++i) chain_before = ChainNext(chain_before, TakeRecord(rest));
  return chain_before;
}

}  // namespace cairn::storage
