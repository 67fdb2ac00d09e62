#include "tests/sim/faults.h"

#include <fmt/format.h>

#include <utility>

namespace cairn::sim {

Faults Faults::FromSeed(uint64_t seed, int nodes) {
  Random random(seed ^ 0x5eedfa17u);
  Faults f;
  f.nodes = f.voters = nodes;
  // One seed in thirty is a quiet day.
  const bool quiet = random.Chance(0.03);
  const auto chance = [&](double probability) { return random.Chance(quiet ? 0 : probability); };
  if (chance(0.5)) f.drop = random.Fraction() * 0.1;
  if (chance(0.4)) f.duplicate = random.Fraction() * 0.1;
  if (chance(0.4)) f.reorder = random.Fraction() * 0.1;
  if (chance(0.2)) f.delay_max_us = 20'000;
  f.partitions = chance(0.5);
  f.clogs = chance(0.3);
  f.client_cuts = chance(0.3);
  if (chance(0.3)) f.late = random.Fraction() * 0.05;
  f.crashes = chance(0.7);
  f.crash_points = chance(0.5);
  f.recovery_crashes = chance(0.7);
  f.pauses = chance(0.4);
  f.power_cuts = chance(0.4);
  if (chance(0.3)) f.sync_max_us = 5'000;
  if (chance(0.3)) f.slow_sync = 0.01;
  f.stalled_disks = chance(0.3);
  f.disk_full = chance(0.15);
  f.leader_hunts = chance(0.4);
  f.change_overs = chance(0.5);
  if (chance(0.5)) f.drift = random.Fraction() * 0.04;
  f.wall_jumps = chance(0.3);
  f.transfers = chance(0.5);
  f.trims = chance(0.95);
  f.membership = chance(0.3);
  if (chance(0.9)) f.segment_bytes = 1 << random.Between(8, 14);
  if (chance(0.5)) f.cache_bytes = random.Below(8192);
  if (chance(0.4)) f.entry_bytes = 64 + random.Below(random.Chance(0.5) ? 1024 : 128);
  if (chance(0.4)) f.append_message_bytes = 1 + random.Below(random.Chance(0.5) ? 4096 : 64);
  // A quiet log lets conditions meet, a busy one fills entries and queues.
  if (chance(0.3)) f.think_us = random.Between(500, 60'000);
  // What is damaged must be held by a majority that stays, so that it can be repaired: no voters
  // go meanwhile.
  f.damage = !f.membership && chance(0.25);
  f.lost_turns = !f.membership && chance(0.35);
  f.bit_flips = !f.membership && chance(0.4);
  if (f.membership) f.nodes += 2;
  f.logs = random.Chance(0.4) ? 1 : 2;
  f.fenced = f.logs > 1 && random.Chance(0.5);
  f.lulls = chance(0.6);
  if (random.Chance(0.8)) f.hibernate_ticks = 1 + static_cast<uint32_t>(random.Below(12));
  f.old_sleepers = f.hibernate_ticks != 0 && chance(0.4);
  if (random.Chance(0.5)) f.fill_message_bytes = 0;
  // Mostly all or none, as it should be.
  if (random.Chance(0.25)) {
    f.lease_nodes = random.Chance(0.7) ? f.nodes : static_cast<int>(random.Between(1, f.nodes));
    f.lease_races = chance(0.7);
  }
  return f;
}

std::string Faults::ToString() const {
  std::string out = fmt::format("nodes={} voters={} logs={}", nodes, voters, logs);
  const auto rate = [&](const char* name, double value) {
    if (value > 0) out += fmt::format(" {}={:.3f}", name, value);
  };
  const std::pair<const char*, bool> flags[] = {
      {"fenced", fenced},
      {"partitions", partitions},
      {"clogs", clogs},
      {"client_cuts", client_cuts},
      {"damage", damage},
      {"crashes", crashes},
      {"crash_points", crash_points},
      {"recovery_crashes", recovery_crashes},
      {"pauses", pauses},
      {"power_cuts", power_cuts},
      {"stalled_disks", stalled_disks},
      {"lulls", lulls},
      {"disk_full", disk_full},
      {"lost_turns", lost_turns},
      {"bit_flips", bit_flips},
      {"wall_jumps", wall_jumps},
      {"leader_hunts", leader_hunts},
      {"old_sleepers", old_sleepers},
      {"lease_races", lease_races},
      {"change_overs", change_overs},
      {"transfers", transfers},
      {"trims", trims},
      {"membership", membership},
  };
  for (const auto& [name, on] : flags) {
    if (on) out += fmt::format(" {}", name);
  }
  rate("drop", drop);
  rate("duplicate", duplicate);
  rate("reorder", reorder);
  rate("late", late);
  rate("slow_sync", slow_sync);
  rate("drift", drift);
  if (archive_object_bytes != 0) {
    out += fmt::format(" archive={}/{}ms", archive_object_bytes, archive_age_ms);
  }
  return out + fmt::format(
                   " leases={} hibernate={} delay={}..{}us sync={}..{}us segment={} cache={} "
                   "entry={} message={} "
                   "fill={} think={}us",
                   lease_nodes, hibernate_ticks, delay_min_us, delay_max_us, sync_min_us,
                   sync_max_us, segment_bytes, cache_bytes, entry_bytes, append_message_bytes,
                   fill_message_bytes, think_us);
}

}  // namespace cairn::sim
