// Faults of agents' clocks: wall clocks that jump, lease clocks that run fast or slow. Engines keep
// the machine's: the shim bends what an agent reads (tests/fault/shim_control.h).
//
// It is the primary's clock that decides whether its lease still holds. Now and then the others'
// are off in the same way, so that the log's leader is the only one whose clock is right.
#include <fmt/format.h>

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/status_macros.h"
#include "tests/failover/cache_faults.h"
#include "tests/fault/fault.h"

namespace cairn::failover {
namespace {

using fault::NoEffect;
using fault::ShimControl;
using fault::ShimPage;

// Which of the shim's counts.
using ReadsOf = std::atomic<uint64_t> ShimControl::*;
using Turn = std::function<void(ShimPage&)>;

constexpr double kAllChance = 0.3;
// Within the drift margin that a lease's holder gives up (10 %).
constexpr int64_t kRatePpm = 80'000;

absl::StatusOr<std::vector<size_t>> DrawVictims(CacheLab& lab) {
  ASSIGN_OR_RETURN(const size_t primary, lab.Primary());
  std::vector<size_t> victims = {primary};
  if (!lab.random().Chance(kAllChance)) return victims;
  for (size_t agent = 0; agent < lab.agents(); ++agent) {
    if (agent != primary) victims.push_back(agent);
  }
  return victims;
}

// Longer than the lease, mostly.
void HoldOn(CacheLab& lab) { lab.Wait(absl::Milliseconds(lab.random().Between(1'000, 5'000))); }

// One of them, as it was.
struct Victim {
  size_t agent = 0;
  uint64_t reads = 0;
  int64_t gained_us = 0;
};

// What the victim's clock did since; an error if the victim did not look at it.
absl::StatusOr<std::string> Evidence(CacheLab& lab, const Victim& before, ReadsOf reads) {
  const ShimPage& shim = lab.shim(before.agent);
  const std::string name = CacheLab::Name(before.agent);
  const uint64_t bent = shim.operator->()->*reads - before.reads;
  if (bent == 0) return NoEffect(name + " never looked at its clock");
  const int64_t moved_ms = (shim->gained_us - before.gained_us) / 1000;
  return fmt::format("{}{} ({} reads)", name,
                     moved_ms == 0 ? "" : fmt::format(" {:+} ms", moved_ms), bent);
}

// Bends the clocks of the victims, lets that last and ends it.
absl::StatusOr<std::string> Bend(CacheLab& lab, ReadsOf reads, const Turn& begin, const Turn& end) {
  ASSIGN_OR_RETURN(const std::vector<size_t> agents, DrawVictims(lab));
  std::vector<Victim> victims;
  for (const size_t agent : agents) {
    ShimPage& shim = lab.shim(agent);
    victims.push_back({agent, shim.operator->()->*reads, shim->gained_us});
    begin(shim);
  }
  HoldOn(lab);
  for (const size_t agent : agents) end(lab.shim(agent));
  std::string all;
  for (const Victim& victim : victims) {
    ASSIGN_OR_RETURN(const std::string one, Evidence(lab, victim, reads));
    all += (all.empty() ? "" : ", ") + one;
  }
  return all;
}

absl::StatusOr<std::string> Jump(CacheLab& lab, absl::Duration by) {
  const Turn begin = [by](ShimPage& shim) { shim->wall_offset_us = absl::ToInt64Microseconds(by); };
  const Turn end = [](ShimPage& shim) { shim->wall_offset_us = 0; };
  ASSIGN_OR_RETURN(const std::string who, Bend(lab, &ShimControl::walls_bent, begin, end));
  return fmt::format("wall clock {:+.0f} s: {}", absl::ToDoubleSeconds(by), who);
}

absl::StatusOr<std::string> Forward(CacheLab& lab) { return Jump(lab, absl::Seconds(120)); }
absl::StatusOr<std::string> Back(CacheLab& lab) { return Jump(lab, -absl::Minutes(10)); }

absl::StatusOr<std::string> Rate(CacheLab& lab, int64_t ppm) {
  const Turn begin = [ppm](ShimPage& shim) { shim.SetRate(ppm); };
  const Turn end = [](ShimPage& shim) { shim.SetRate(0); };
  ASSIGN_OR_RETURN(const std::string who, Bend(lab, &ShimControl::clocks_bent, begin, end));
  return fmt::format("lease clock {:+.0f} %: {}", static_cast<double>(ppm) / 10'000, who);
}

absl::StatusOr<std::string> Fast(CacheLab& lab) { return Rate(lab, kRatePpm); }
absl::StatusOr<std::string> Slow(CacheLab& lab) { return Rate(lab, -kRatePpm); }

}  // namespace

std::vector<CacheFault> AgentClockFaults() {
  return {{.name = "clocks-forward", .run = Forward},
          {.name = "clocks-back", .run = Back},
          {.name = "clocks-fast", .run = Fast},
          {.name = "clocks-slow", .run = Slow}};
}

}  // namespace cairn::failover
