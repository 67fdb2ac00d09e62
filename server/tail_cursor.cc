#include "server/tail_cursor.h"

#include <algorithm>
#include <utility>

namespace cairn::server {
namespace {

// What a batch costs beside its records (TailChunk::bytes).
constexpr uint64_t kBatchBytes = 32;

// How many of `wanted` records from `offset` on fit into `room` bytes.
uint32_t CountFitting(const storage::EntryView& view, uint32_t offset, uint32_t wanted,
                      uint64_t room) {
  const char* begin = view.records_region().data();
  uint32_t count = 0;
  view.ForEachRecord([&](uint32_t i, std::string_view record) {
    const char* end = record.data() + record.size();
    if (i < offset) {
      begin = end;
    } else if (i - offset == count && count < wanted &&
               static_cast<uint64_t>(end - begin) <= room) {
      ++count;
    }
  });
  return count;
}

}  // namespace

ChunkCut TailCursor::BeginChunk() const {
  const auto credit = static_cast<uint64_t>(std::max<int64_t>(credit_bytes, 0));
  return ChunkCut(std::min(credit, kTailChunkBytes));
}

TailCursor::Cut TailCursor::Take(const Bytes& payload, const storage::EntryHeader& header,
                                 ChunkCut& out) {
  if (header.record_count == 0 || header.last_seq() < next) return Cut::kWhole;
  if (from_timestamp_us && header.timestamp_us < *from_timestamp_us) {
    next = header.last_seq() + 1;
    return Cut::kWhole;
  }
  from_timestamp_us.reset();
  const size_t region_at = storage::kEntryHeaderBytes + header.items_bytes;
  if (header.first_seq > next || payload.size() < region_at) return Cut::kDamaged;

  const auto offset = static_cast<uint32_t>(next - header.first_seq);
  const auto wanted =
      static_cast<uint32_t>(std::min(std::min(header.last_seq(), last) - next + 1, records_left));
  const uint64_t free = out.free() > kBatchBytes ? out.free() - kBatchBytes : 0;
  std::string_view records = payload.view().substr(region_at);
  uint32_t count = wanted;
  if (wanted != header.record_count || records.size() > free) {
    const auto view = storage::EntryView::Parse(payload.view());
    if (!view.ok()) return Cut::kDamaged;
    count = CountFitting(*view, offset, wanted, free);
    if (count == 0 && !out.chunk.batches.empty()) return Cut::kInside;
    count = std::max(count, 1u);  // A record bigger than the credit has to pass somehow.
    records = view->RecordsRegion(offset, count);
  }
  out.bytes += records.size() + kBatchBytes;
  out.chunk.batches.push_back({.first_seq = next,
                               .count = count,
                               .timestamp_us = header.timestamp_us,
                               .chain = offset + count == header.record_count ? header.chain : 0,
                               .owner = payload,
                               .records = records});
  next += count;
  records_left -= count;
  return count == wanted ? Cut::kWhole : Cut::kInside;
}

std::optional<TailChunk> TailCursor::CutFromCold() {
  ChunkCut out = BeginChunk();
  while (!cold.empty() && !out.full() && !Finished()) {
    const Cut cut = Take(cold.front().payload, cold.front().header, out);
    if (cut == Cut::kDamaged) return std::nullopt;
    if (cut == Cut::kInside) break;
    cold.pop_front();
  }
  return std::move(out.chunk);
}

}  // namespace cairn::server
