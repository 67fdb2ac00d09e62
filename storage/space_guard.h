// SpaceGuard: foresees a full disk, instead of meeting it.
//
// Below the watermark leaders refuse data appends, and below half of it those elsewhere send this
// node nothing if they can. What must go on (votes, leases, trims, membership) still writes; when
// less than a quarter of the watermark is left, the ballast, a file that only takes room, is
// deleted to make some. Both heal by themselves: the ballast is made again once there is room for
// it above the watermark.
//
// Threads: FreeRoom from any thread, one statvfs in 100 ms at most; Upkeep from one.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "base/clock.h"
#include "storage/log_store.h"

namespace cairn::storage {

class SpaceGuard {
 public:
  struct Options {
    std::string dir;
    std::string ballast_path;
    uint64_t watermark_bytes = 0;
    uint64_t ballast_bytes = 0;  // 0: none.
    const Clock* clock = nullptr;
    std::function<uint64_t()> free_bytes;  // Empty: statvfs of `dir`.
  };
  explicit SpaceGuard(Options options);

  [[nodiscard]] Room FreeRoom() const;
  // Makes or gives up the ballast. Errors: the ballast file's.
  absl::Status Upkeep();

 private:
  [[nodiscard]] uint64_t FreeBytes() const;
  absl::Status MakeBallast() const;

  const Options options_;
  mutable std::atomic<MonoMicros> next_look_us_{0};
  mutable std::atomic<Room> room_{Room::kEnough};
};

}  // namespace cairn::storage
