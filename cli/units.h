// Units: how people write sizes, durations and times, and how we print them.
//
// Parsing is strict: the whole text must be understood, or the error says which
// forms are. Printing never feeds parsing; JSON carries plain numbers instead.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace cairn::cli {

// "128", "64KiB", "64k", "1.5 GiB", "10MB": a count of bytes. k, M, G, T (with or
// without "iB") are powers of 1024; kB, MB, GB, TB are powers of 1000.
absl::StatusOr<uint64_t> ParseByteCount(std::string_view text);

// "250ms", "10s", "1.5m", "2h", "7d"; a bare number is seconds. In milliseconds.
absl::StatusOr<uint64_t> ParseDurationMs(std::string_view text);

// "2026-11-21T12:30:00Z", "2026-11-21 12:30:00.5", "2026-11-21" (UTC) or seconds since
// the Unix epoch ("1795262400.25"). In microseconds since the epoch.
absl::StatusOr<int64_t> ParseTimestampUs(std::string_view text);

// "1.5 MiB", "128 B".
std::string FormatByteCount(uint64_t bytes);
// "2026-11-21T12:30:00.250000Z".
std::string FormatTimestampUs(int64_t timestamp_us);
// "250ms", "10s", "1h30m".
std::string FormatDurationMs(uint64_t duration_ms);
// 16 lower-case hex digits.
std::string FormatHash(uint64_t hash);
// The reverse of FormatHash; 1 … 16 hex digits, "0x" allowed.
absl::StatusOr<uint64_t> ParseHash(std::string_view text);

}  // namespace cairn::cli
