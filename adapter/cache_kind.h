// CacheKind: which engine's cache a log is of, and how its records make units.
//
// Agents write a mark into each record's metadata, under a key of their own (redis/stream_mark.h,
// memcache/record_mark.h); the newest record of data decides.
//
// Threads: KindOfLog blocks; from any thread. UnitBegin is pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "cairn/log.h"

namespace cairn::adapter {

enum class CacheKind : uint8_t { kRedis, kMemcached };
// "Redis", "memcached".
std::string_view Name(CacheKind kind);

// Errors: kFailedPrecondition: the log has no record of data yet, or its newest was written by no
// agent of ours; those of the log.
absl::StatusOr<CacheKind> KindOfLog(const Log& log);

// Where the whole unit begins that ends with this record: itself, or the first record of its run.
// Nullopt: none ends there. Errors: those of the kind's mark.
absl::StatusOr<std::optional<Seq>> UnitBegin(CacheKind kind, const Record& record);

}  // namespace cairn::adapter
