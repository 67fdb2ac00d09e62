#include "cli/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::cli {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr double kKi = 1024;
constexpr double kKilo = 1000;
constexpr std::array kByteUnits = {
    Unit{"", 1},
    Unit{"B", 1},
    Unit{"k", kKi},
    Unit{"K", kKi},
    Unit{"KiB", kKi},
    Unit{"kB", kKilo},
    Unit{"KB", kKilo},
    Unit{"M", kKi* kKi},
    Unit{"MiB", kKi* kKi},
    Unit{"MB", kKilo* kKilo},
    Unit{"G", kKi* kKi* kKi},
    Unit{"GiB", kKi* kKi* kKi},
    Unit{"GB", kKilo* kKilo* kKilo},
    Unit{"T", kKi* kKi* kKi* kKi},
    Unit{"TiB", kKi* kKi* kKi* kKi},
    Unit{"TB", kKilo* kKilo* kKilo* kKilo},
};
constexpr std::array kDurationUnits = {
    Unit{"", 1000},       Unit{"ms", 1},          Unit{"s", 1000},
    Unit{"m", 60 * 1000}, Unit{"h", 3600 * 1000}, Unit{"d", 24 * 3600 * 1000.0},
};

// Splits "1.5 GiB" into its number and unit. False when there is no number.
bool SplitNumber(std::string_view text, double& number, std::string_view& unit) {
  // strtod also takes signs, hex, "inf" and "nan", none of which is a size.
  if (text.empty() || text.front() < '0' || text.front() > '9') return false;
  const size_t digits_end = text.find_first_not_of("0123456789.");
  const std::string digits(text.substr(0, digits_end));
  char* end = nullptr;
  number = std::strtod(digits.c_str(), &end);
  if (*end != '\0') return false;
  unit = digits_end == std::string_view::npos ? std::string_view() : text.substr(digits_end);
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  return true;
}

template <size_t N>
absl::StatusOr<uint64_t> ParseWithUnit(std::string_view text, const std::array<Unit, N>& units,
                                       std::string_view expected) {
  double number = 0;
  std::string_view unit_name;
  if (SplitNumber(text, number, unit_name)) {
    for (const Unit& unit : units) {
      if (unit.name != unit_name) continue;
      const double value = std::round(number * unit.factor);
      if (value < 0x1p63) return static_cast<uint64_t>(value);
    }
  }
  return absl::InvalidArgumentError(fmt::format("'{}' is not {}", text, expected));
}

}  // namespace

absl::StatusOr<uint64_t> ParseByteCount(std::string_view text) {
  return ParseWithUnit(text, kByteUnits, "a size; write it as 4096, 64KiB, 16MiB or 1GB");
}

absl::StatusOr<uint64_t> ParseDurationMs(std::string_view text) {
  return ParseWithUnit(text, kDurationUnits, "a duration; write it as 250ms, 10s, 5m, 2h or 7d");
}

absl::StatusOr<int64_t> ParseTimestampUs(std::string_view text) {
  absl::Time time;
  std::string error;
  for (const char* form : {"%Y-%m-%dT%H:%M:%E*S%Ez", "%Y-%m-%dT%H:%M:%E*S", "%Y-%m-%d %H:%M:%E*S",
                           "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    if (absl::ParseTime(form, ToAbsl(text), absl::UTCTimeZone(), &time, &error)) {
      return absl::ToUnixMicros(time);
    }
  }
  double seconds = 0;
  std::string_view rest;
  if (SplitNumber(text, seconds, rest) && rest.empty() && seconds < 1e12) {
    return static_cast<int64_t>(std::llround(seconds * 1e6));
  }
  return absl::InvalidArgumentError(fmt::format(
      "'{}' is not a time; write it as 2026-11-21T12:30:00Z or as seconds since 1970", text));
}

std::string FormatByteCount(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB", "PiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

std::string FormatTimestampUs(int64_t timestamp_us) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(timestamp_us),
                          absl::UTCTimeZone());
}

std::string FormatDurationMs(uint64_t duration_ms) {
  return absl::FormatDuration(absl::Milliseconds(static_cast<int64_t>(duration_ms)));
}

std::string FormatHash(uint64_t hash) { return fmt::format("{:016x}", hash); }

absl::StatusOr<uint64_t> ParseHash(std::string_view text) {
  std::string_view digits = text;
  if (digits.substr(0, 2) == "0x") digits.remove_prefix(2);
  uint64_t hash = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), hash, 16);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty()) {
    return absl::InvalidArgumentError(fmt::format(
        "'{}' is not a chain; it has up to 16 hex digits, as `log describe` prints", text));
  }
  return hash;
}

}  // namespace cairn::cli
