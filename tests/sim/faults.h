// Faults: what one seed does to its world.
//
// A seed draws a subset of the faults (none at all too), and how bad each is, so that rare
// combinations come up and a quiet run is among them ("swarm" testing). Knobs of the system
// itself (segment size, caches, batch sizes) are drawn as well: bugs hide behind big buffers.
#pragma once

#include <cstdint>
#include <string>

#include "base/random.h"
#include "tests/sim/sim_clock.h"

namespace cairn::sim {

struct Faults {
  // Network.
  double drop = 0;
  double duplicate = 0;
  double reorder = 0;  // Chance of a long extra delay.
  SimTime delay_min_us = 50;
  SimTime delay_max_us = 400;
  bool partitions = false;   // One-way and two-way, some links, whole nodes, halves, bridges.
  bool clogs = false;        // Many links stop, and come back one by one.
  bool client_cuts = false;  // Clients do not reach a node that its peers reach.
  double late = 0;      // Chance of a spell in which a client's packets take up to 700 ms more.
  bool damage = false;  // Some entries of a node arrive damaged, at one other or at all.
  // Processes and disks.
  bool crashes = false;           // kill -9.
  bool crash_points = false;      // kill -9 or power loss at a step of the way of a write.
  bool recovery_crashes = false;  // A node that came back goes again before it is ready.
  bool pauses = false;            // SIGSTOP of nodes and clients, past their leases too.
  bool power_cuts = false;        // Unsynced batches are lost or torn, on one node or on all.
  SimTime sync_min_us = 80;
  SimTime sync_max_us = 400;
  double slow_sync = 0;        // Chance that a sync takes 100 times as long.
  bool stalled_disks = false;  // For seconds, now and then, until the power goes perhaps.
  bool disk_full = false;
  bool lost_turns = false;  // Synced ones, of a killed process, one node at a time.
  bool bit_flips = false;   // In the stored log of a killed process, one node at a time.
  // Nobody asks for anything, for up to seconds; what hibernates is hit by what comes then.
  bool lulls = false;
  // Several in a row (chaos_recipes.cc).
  bool leader_hunts = false;  // Whoever leads falls silent soon after.
  bool old_sleepers = false;  // Who led and sleeps is cut off, deposed, and then asked.
  bool lease_races = false;   // While a leader has a lease, another one is elected.
  bool change_overs = false;  // Who slept wakes up, who was awake loses its power or falls silent.
  // Clocks.
  double drift = 0;  // Rates lie within 1 ± drift, and change within it.
  bool wall_jumps = false;
  // Commands.
  bool transfers = false;  // Leadership is moved under load.
  bool trims = false;
  bool membership = false;  // Voters and learners come and go under load.
  // Knobs.
  uint64_t segment_bytes = 64 << 20;
  uint64_t cache_bytes = 64 << 20;
  uint64_t entry_bytes = 1 << 20;
  uint64_t append_message_bytes = 4 << 20;
  uint64_t fill_message_bytes = 256 << 10;  // 0: what is filled is not held back.
  int nodes = 3;   // Processes; with `membership` not all of them vote at first.
  int voters = 3;  // The first ones, at the beginning.
  int logs = 1;
  uint32_t hibernate_ticks = 0;       // 0: no log hibernates.
  int lease_nodes = 0;                // The first so many have leases for reads.
  uint64_t archive_object_bytes = 0;  // Of the members' world; 0: nothing is archived.
  uint64_t archive_age_ms = 0;
  SimTime think_us = 6'000;  // Most that a client waits between two calls.
  bool fenced = false;       // The last log takes appends under an epoch only.

  // `nodes` is what the cluster begins with.
  static Faults FromSeed(uint64_t seed, int nodes);
  [[nodiscard]] std::string ToString() const;
};

}  // namespace cairn::sim
