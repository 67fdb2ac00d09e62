// InvalidationPositions: how far each target has been told of each log, on the disk.
//
// One file, positions.json, replaced whole and synced, so that a crash leaves an old one or the new
// one. An older one costs deletions that are sent again.
//
// Threads: Load and Save block; the rest is pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/memcache/invalidation_lane.h"
#include "base/ids.h"

namespace cairn::adapter::memcache {

struct StoredPosition {
  Seq seq;
  uint64_t gaps = 0;
  std::optional<InvalidationGap> last_gap;
  bool operator==(const StoredPosition&) const = default;
};

// By the log's id, which is never another log's, and the target's address.
using InvalidationPositions = std::map<std::pair<uint64_t, std::string>, StoredPosition>;

std::string FormatPositions(const InvalidationPositions& positions);
// Errors: kFailedPrecondition for a newer format; kDataLoss for what is none.
absl::StatusOr<InvalidationPositions> ParsePositions(std::string_view text);

// Empty when there is no file yet. Errors: those of ParsePositions; kUnavailable.
absl::StatusOr<InvalidationPositions> LoadPositions(const std::string& directory);
absl::Status SavePositions(const std::string& directory, const InvalidationPositions& positions);

}  // namespace cairn::adapter::memcache
