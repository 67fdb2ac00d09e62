// KeyspaceDigest: what tells whether two engines hold the same: keys per database, and the engine's
// own digest over all of them (DEBUG DIGEST), which does not depend on how values are encoded.
//
// Both are of a replica: one that is not fed keeps its keys as they are, expired ones too.
//
// Threads: the engine thread (engine_socket.h). Errors: those of engine_link.h; kInternal for
// answers that are none.
#pragma once

#include <asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "adapter/redis/engine_link.h"
#include "adapter/snapshot_manifest.h"

namespace cairn::adapter::redis {

struct KeyspaceDigest {
  std::vector<SnapshotDatabase> databases;  // By number; those with keys.
  std::string digest;                       // 40 hexadecimal digits; empty: DEBUG is refused.

  [[nodiscard]] uint64_t keys() const;
  // "12 keys in 2 databases, digest 5f…".
  [[nodiscard]] std::string ToText() const;
};

// OK when both are equal, as far as both engines told; else kDataLoss with both.
absl::Status ExpectEqual(const KeyspaceDigest& expected, const KeyspaceDigest& found);

// What INFO keyspace says. Errors: kInvalidArgument.
absl::StatusOr<std::vector<SnapshotDatabase>> ParseKeyspace(std::string_view info);

asio::awaitable<absl::StatusOr<KeyspaceDigest>> ReadKeyspace(EngineLink* link);

}  // namespace cairn::adapter::redis
