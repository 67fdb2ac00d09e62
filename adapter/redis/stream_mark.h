// StreamMark: what a record of a cache's log says of its payload, as text under the metadata key
// "redis":
//
//   v1 <engine>/<version> <replid> <end_offset> db=<n> [run=<k>/first|middle|last]
//
// `replid` and `end_offset` are the engine's that executed the writes: where its stream stood
// behind the record's last byte. `db` is selected before the first byte, so that a reader may begin
// at any record. A unit larger than a record is a *run*: k counts its records from 1, and it is
// applied only when the last has come.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "adapter/mark_text.h"

namespace cairn::adapter::redis {

inline constexpr std::string_view kStreamMarkKey = "redis";

// Another key, in the record that opens a reign under which data were adopted: the seq as of which
// they are a snapshot. A memory that did not begin with that, or a newer one, lacks them.
inline constexpr std::string_view kAdoptedKey = "redis-adopted";

// "redis/7.0.15".
struct EngineVersion {
  std::string name;  // "redis", "valkey"
  uint32_t major = 0;
  uint32_t minor = 0;
  uint32_t patch = 0;

  // Errors: kInvalidArgument.
  static absl::StatusOr<EngineVersion> Parse(std::string_view text);
  [[nodiscard]] std::string ToText() const;
  bool operator==(const EngineVersion&) const = default;
};

// Whether `reader` understands all that `writer` streams. Patch releases of both projects keep
// their formats, so major and minor decide. Redis and Valkey have parted after 7.2; across them
// only what is not newer is understood.
bool Understands(const EngineVersion& reader, const EngineVersion& writer);

struct StreamMark {
  EngineVersion engine;
  std::string replid;  // 40 hexadecimal digits.
  uint64_t end_offset = 0;
  uint32_t db = 0;
  RunPart part = RunPart::kNone;
  uint64_t run_number = 0;  // 1, 2, … within a run.

  // Errors: kInvalidArgument saying what was expected. Only what ToText writes is accepted.
  static absl::StatusOr<StreamMark> Parse(std::string_view text);
  [[nodiscard]] std::string ToText() const;
  bool operator==(const StreamMark&) const = default;
};

}  // namespace cairn::adapter::redis
