// Faults of clocks: wall clocks that jump, lease clocks that run fast or slow. The nodes share the
// machine's clocks; the shim bends what one of them reads (shim_control.h).
#include <fmt/format.h>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "tests/fault/fault.h"

namespace cairn::fault {
namespace {

// Within the drift margin that a lease's holder gives up (10 %).
constexpr int64_t kRatePpm = 80'000;

std::string Deviation(Lab& lab, size_t node) {
  const auto seen = lab.Metric(node, "cairn_clock_deviation_seconds");
  return seen && *seen != 0 ? fmt::format(", node reports {:+.0f} s", *seen) : "";
}

absl::StatusOr<std::string> Jump(Lab& lab, absl::Duration by) {
  const size_t node = lab.Draw(1, true).front();
  ShimPage& shim = lab.shim(node);
  const uint64_t before = shim->walls_bent;
  shim->wall_offset_us = absl::ToInt64Microseconds(by);
  lab.Hold();
  const std::string reported = Deviation(lab, node);
  shim->wall_offset_us = 0;
  const uint64_t bent = shim->walls_bent - before;
  if (bent == 0) return NoEffect(Lab::Name(node) + " never looked at its clock");
  return fmt::format("wall clock of {} {:+.0f} s, read {} times{}", Lab::Name(node),
                     absl::ToDoubleSeconds(by), bent, reported);
}

absl::StatusOr<std::string> JumpForward(Lab& lab) { return Jump(lab, absl::Seconds(120)); }
absl::StatusOr<std::string> JumpBack(Lab& lab) { return Jump(lab, -absl::Minutes(10)); }

// To and fro, as a clock does that two masters set.
absl::StatusOr<std::string> Strobe(Lab& lab) {
  const size_t node = lab.Draw(1, true).front();
  ShimPage& shim = lab.shim(node);
  const uint64_t before = shim->walls_bent;
  constexpr int kJumps = 40;
  for (int jump = 0; jump < kJumps; ++jump) {
    shim->wall_offset_us = lab.random().Between(-90'000'000, 90'000'000);
    lab.Wait(lab.options().hold / kJumps);
  }
  shim->wall_offset_us = 0;
  const uint64_t bent = shim->walls_bent - before;
  if (bent == 0) return NoEffect(Lab::Name(node) + " never looked at its clock");
  return fmt::format("wall clock of {} set {} times within ±90 s, read {} times", Lab::Name(node),
                     kJumps, bent);
}

absl::StatusOr<std::string> Rate(Lab& lab, int64_t ppm) {
  const size_t node = lab.Draw(1, true).front();
  ShimPage& shim = lab.shim(node);
  const uint64_t before = shim->clocks_bent;
  const int64_t gained_us = shim->gained_us;
  shim.SetRate(ppm);
  lab.Hold();
  shim.SetRate(0);
  const uint64_t bent = shim->clocks_bent - before;
  if (bent == 0) return NoEffect(Lab::Name(node) + " never looked at its clock");
  return fmt::format("lease clock of {} at {:+.0f} %, moved by {:+} ms, read {} times",
                     Lab::Name(node), static_cast<double>(ppm) / 10'000,
                     (shim->gained_us - gained_us) / 1000, bent);
}

absl::StatusOr<std::string> Fast(Lab& lab) { return Rate(lab, kRatePpm); }
absl::StatusOr<std::string> Slow(Lab& lab) { return Rate(lab, -kRatePpm); }

constexpr Fault kFaults[] = {
    {"clock-forward", kNothing, JumpForward}, {"clock-back", kNothing, JumpBack},
    {"clock-strobe", kNothing, Strobe},       {"clock-fast", kNothing, Fast},
    {"clock-slow", kNothing, Slow},
};

}  // namespace

std::span<const Fault> ClockFaults() { return kFaults; }

}  // namespace cairn::fault
