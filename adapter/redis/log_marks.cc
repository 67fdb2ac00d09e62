#include "adapter/redis/log_marks.h"

#include <fmt/format.h>

#include <utility>

#include "adapter/redis/stream_cutter.h"
#include "base/status_macros.h"

namespace cairn::adapter::redis {
namespace {

absl::Status Cut(std::string_view payload, StreamCutter* cutter) {
  while (!payload.empty()) RETURN_IF_ERROR(cutter->Next(&payload).status());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<StreamPlace>> LogMarks::Read(Record* record) {
  const auto found = record->metadata.find(std::string(kStreamMarkKey));
  if (found == record->metadata.end()) {
    return absl::DataLossError(
        fmt::format("the metadata has no key '{}': not of a cache", kStreamMarkKey));
  }
  absl::StatusOr<StreamMark> mark = StreamMark::Parse(found->second);
  if (!mark.ok()) return absl::DataLossError(mark.status().message());
  const bool part_only = mark->part == RunPart::kFirst || mark->part == RunPart::kMiddle;
  if (part_only) return std::optional<StreamPlace>();
  StreamPlace place{mark->replid, StreamOffset(mark->end_offset)};
  Whole whole{record->seq, *std::move(mark), ""};
  if (whole.mark.part == RunPart::kNone) whole.payload = std::move(record->payload);
  last_ = std::move(whole);
  return std::optional<StreamPlace>(std::move(place));
}

absl::StatusOr<uint32_t> LogMarks::Database(const ReadAgain& read_again) const {
  const StreamMark& mark = last_->mark;
  // Offsets do not matter here: only what is selected.
  StreamCutter cutter(0, mark.db);
  if (mark.part == RunPart::kNone) {
    RETURN_IF_ERROR(Cut(last_->payload, &cutter));
    return cutter.db();
  }
  const Seq first = last_->seq - (mark.run_number - 1);
  RETURN_IF_ERROR(read_again(
      first, last_->seq, [&cutter](std::string_view payload) { return Cut(payload, &cutter); }));
  return cutter.db();
}

}  // namespace cairn::adapter::redis
