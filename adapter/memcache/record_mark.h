// RecordMark: what a record of a memcached cache's log says of its payload, as text under the
// metadata key "memcache":
//
//   v1 <history> <offset>+<effects> [run=<k>/first|middle|last]
//
// `history` names the life of the memory that executed the effects, `offset` counts those before
// the record, so that the record ends at offset + effects (StreamPlace, adapter/role_events.h).
//
// A record without effects that is no part of a run opens a reign: it only names a place. An effect
// larger than a record is a *run* of records: k counts them from 1, the last has the effect
// counted, and only with the last it counts at all.
//
// "v1" is the format of mark and payload (effect_codec.h). A reader stops in front of a format that
// it does not know: the writer is newer, and guessing would lose data.
//
// Threads: pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "adapter/mark_text.h"
#include "adapter/role_events.h"
#include "cairn/types.h"

namespace cairn::adapter::memcache {

inline constexpr std::string_view kRecordMarkKey = "memcache";
inline constexpr size_t kMaxHistoryBytes = 64;

struct RecordMark {
  std::string history;  // 1 … kMaxHistoryBytes of [0-9A-Za-z_-].
  StreamOffset offset;  // Before the record's first effect.
  uint64_t effects = 0;
  RunPart part = RunPart::kNone;
  uint64_t run_number = 0;  // 1, 2, … within a run.

  // Errors: kFailedPrecondition for a format that is not ours; kDataLoss for whatever else is
  // wrong, saying what was expected. Only what ToText writes is accepted.
  static absl::StatusOr<RecordMark> Parse(std::string_view text);
  // Of a data record. Errors: those of Parse; kDataLoss when there is no mark.
  static absl::StatusOr<RecordMark> Of(const Record& record);
  [[nodiscard]] std::string ToText() const;

  // Behind the record.
  [[nodiscard]] StreamPlace End() const { return {history, offset + effects}; }
  // Names a place and says nothing.
  [[nodiscard]] bool opens_reign() const { return effects == 0 && part == RunPart::kNone; }
  bool operator==(const RecordMark&) const = default;
};

// A PlaceReader (adapter/log_facts.h), from one record alone: where the stream stands behind it,
// unless it ends within a run.
absl::StatusOr<std::optional<StreamPlace>> ReadPlace(Record* record);

}  // namespace cairn::adapter::memcache
