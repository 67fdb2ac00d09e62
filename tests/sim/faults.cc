#include "tests/sim/faults.h"

#include <fmt/format.h>

namespace cairn::sim {

Faults Faults::FromSeed(uint64_t seed, int nodes) {
  Random random(seed ^ 0x5eedfa17u);
  Faults f;
  f.nodes = nodes;
  if (random.Chance(0.5)) f.drop = random.Fraction() * 0.1;
  if (random.Chance(0.4)) f.duplicate = random.Fraction() * 0.1;
  if (random.Chance(0.4)) f.reorder = random.Fraction() * 0.1;
  if (random.Chance(0.2)) f.delay_max_us = 20'000;
  f.partitions = random.Chance(0.5);
  f.crashes = random.Chance(0.5);
  f.power_cuts = random.Chance(0.4);
  if (random.Chance(0.3)) f.sync_max_us = 5'000;
  if (random.Chance(0.3)) f.slow_sync = 0.01;
  f.disk_full = random.Chance(0.15);
  if (random.Chance(0.5)) f.drift = random.Fraction() * 0.04;
  f.wall_jumps = random.Chance(0.3);
  f.transfers = random.Chance(0.3);
  f.trims = random.Chance(0.4);
  if (random.Chance(0.5)) f.segment_bytes = 1 << random.Between(8, 16);
  if (random.Chance(0.5)) f.cache_bytes = random.Below(8192);
  if (random.Chance(0.3)) f.entry_bytes = 64 + random.Below(1024);
  if (random.Chance(0.3)) f.append_message_bytes = 1 + random.Below(4096);
  f.damage = random.Chance(0.2);
  f.bit_flips = !f.power_cuts && random.Chance(0.3);
  return f;
}

std::string Faults::ToString() const {
  return fmt::format(
      "nodes={} drop={:.3f} duplicate={:.3f} reorder={:.3f} delay={}..{}us partitions={} "
      "crashes={} power_cuts={} sync={}..{}us slow_sync={} disk_full={} drift={:.3f} "
      "wall_jumps={} transfers={} trims={} damage={} bit_flips={} segment={} cache={} entry={} "
      "message={}",
      nodes, drop, duplicate, reorder, delay_min_us, delay_max_us, partitions, crashes, power_cuts,
      sync_min_us, sync_max_us, slow_sync, disk_full, drift, wall_jumps, transfers, trims, damage,
      bit_flips, segment_bytes, cache_bytes, entry_bytes, append_message_bytes);
}

}  // namespace cairn::sim
