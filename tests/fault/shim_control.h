// ShimControl: the page of memory through which the drill tells a node's shim what to do, and the
// shim what it did.
//
// The shim (shim.cc) is a library that is loaded before all others into an otherwise unchanged
// cairnd or cairn-agent. It stands between it and the C library's clock_gettime, fsync and
// fdatasync: the wall clock may jump, CLOCK_BOOTTIME (by which leases are counted) may run fast or
// slow, syncs may take longer or fail. The page is a file that both map, so a fault begins and ends
// without a restart, in the very process that leads.
//
// It also tells how much memory the process has allocated (scripts/soak).
//
// CLOCK_BOOTTIME never goes back: when a rate ends, what it gained or lost stays.
//
// Threads: fields are atomics; ShimPage belongs to one thread. Lifetime: the file lives in the
//   directory of the drill and survives restarts of the node.
#pragma once

#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace cairn::fault {

// Zeros mean: do nothing.
struct ShimControl {
  std::atomic<int64_t> wall_offset_us;
  // boot' = boot + gained_us + (boot - rate_since_us) * rate_ppm / 1e6.
  std::atomic<int64_t> rate_ppm;
  std::atomic<int64_t> rate_since_us;
  std::atomic<int64_t> gained_us;
  std::atomic<int64_t> sync_delay_us;
  std::atomic<int64_t> syncs_to_fail;

  // Evidence, written by the shim: how often a clock was read that was off.
  std::atomic<uint64_t> clocks_bent;
  std::atomic<uint64_t> syncs_delayed;
  std::atomic<uint64_t> syncs_failed;

  // What the process has allocated and not freed, as of the last sync but at most once a second.
  // Resident memory also has what the allocator keeps, which may be as much again.
  std::atomic<uint64_t> heap_bytes;

  // Of clocks_bent those of the wall clock: what a rate has gained stays, and bends for ever.
  std::atomic<uint64_t> walls_bent;
};
static_assert(std::atomic<int64_t>::is_always_lock_free);

// What this process has allocated and not freed.
inline uint64_t HeapBytes() {
  const struct mallinfo2 heap = mallinfo2();
  return heap.uordblks + heap.hblkhd;
}

// The variable that names the file.
inline constexpr const char* kShimVariable = "CAIRN_FAULT_SHIM";
// Set: programs that the process starts are left alone, as an agent's engine. Else they are not,
// since a node that repairs itself executes its own program anew.
inline constexpr const char* kShimOnceVariable = "CAIRN_FAULT_SHIM_ONCE";

// One process's page, from the drill's side.
class ShimPage {
 public:
  // Makes the file, with zeros. CHECKs that it can be made.
  explicit ShimPage(const std::string& path);
  ~ShimPage();
  ShimPage(const ShimPage&) = delete;
  ShimPage& operator=(const ShimPage&) = delete;

  ShimControl* operator->() const { return control_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  // CLOCK_BOOTTIME runs that much faster (or slower) from now on. 0: as it should.
  void SetRate(int64_t ppm);

 private:
  const std::string path_;
  ShimControl* control_;
};

}  // namespace cairn::fault
