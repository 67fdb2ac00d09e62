// The shim: a library that is loaded into cairnd or cairn-agent before all others (LD_PRELOAD) and
// bends its clocks and its syncs as the page says that CAIRN_FAULT_SHIM names (shim_control.h).
//
// Without the variable, or a file that can be mapped, everything passes unchanged. Its clock takes
// no lock and no memory: that is called from everywhere, the heap included.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

#include "tests/fault/shim_control.h"

namespace cairn::fault {
namespace {

using GetTime = int (*)(clockid_t, timespec*);

// Null until the library is set up; others are called before that.
std::atomic<ShimControl*> control{nullptr};
std::atomic<GetTime> real_get_time{nullptr};

__attribute__((constructor)) void SetUp() {
  real_get_time = reinterpret_cast<GetTime>(dlsym(RTLD_NEXT, "clock_gettime"));
  const char* const path = std::getenv(kShimVariable);
  if (path == nullptr) return;
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (std::getenv(kShimOnceVariable) != nullptr) unsetenv(kShimVariable);
  if (fd < 0) return;
  void* const page = mmap(nullptr, sizeof(ShimControl), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (page != MAP_FAILED) control = static_cast<ShimControl*>(page);
}

int RealTime(clockid_t clock, timespec* time) {
  const GetTime get_time = real_get_time;
  if (get_time != nullptr) return get_time(clock, time);
  return static_cast<int>(syscall(SYS_clock_gettime, clock, time));
}

// How far the clock is off at this moment, in microseconds.
int64_t Deviation(const ShimControl& page, clockid_t clock, const timespec& now) {
  if (clock == CLOCK_REALTIME) return page.wall_offset_us;
  if (clock != CLOCK_BOOTTIME) return 0;
  const int64_t now_us = now.tv_sec * 1'000'000 + now.tv_nsec / 1000;
  const int64_t rate = page.rate_ppm;
  const int64_t while_bent = rate == 0 ? 0 : (now_us - page.rate_since_us) * rate / 1'000'000;
  return page.gained_us + while_bent;
}

void Add(timespec* time, int64_t us) {
  constexpr int64_t kNanos = 1'000'000'000;
  const int64_t nanos = time->tv_nsec + us % 1'000'000 * 1000;
  time->tv_sec += us / 1'000'000 + (nanos < 0 ? -1 : nanos / kNanos);
  time->tv_nsec = (nanos + kNanos) % kNanos;
}

// Now and then, on the thread that syncs.
void TellHeap(ShimControl& page) {
  static std::atomic<int64_t> told_s{0};
  timespec now{};
  if (RealTime(CLOCK_MONOTONIC, &now) != 0 || told_s.exchange(now.tv_sec) == now.tv_sec) return;
  page.heap_bytes = HeapBytes();
}

// Whether the sync shall fail; waits as long as it shall take.
bool Bend() {
  ShimControl* const page = control;
  if (page == nullptr) return false;
  TellHeap(*page);
  if (const int64_t delay_us = page->sync_delay_us; delay_us > 0) {
    ++page->syncs_delayed;
    const timespec wait = {delay_us / 1'000'000, delay_us % 1'000'000 * 1000};
    nanosleep(&wait, nullptr);
  }
  int64_t left = page->syncs_to_fail;
  while (left > 0 && !page->syncs_to_fail.compare_exchange_weak(left, left - 1)) {
  }
  if (left <= 0) return false;
  ++page->syncs_failed;
  errno = EIO;
  return true;
}

}  // namespace
}  // namespace cairn::fault

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const int result = cairn::fault::RealTime(clock, time);
  cairn::fault::ShimControl* const page = cairn::fault::control;
  if (result != 0 || page == nullptr) return result;
  const int64_t deviation_us = cairn::fault::Deviation(*page, clock, *time);
  if (deviation_us == 0) return 0;
  page->clocks_bent.fetch_add(1, std::memory_order_relaxed);
  if (clock == CLOCK_REALTIME) page->walls_bent.fetch_add(1, std::memory_order_relaxed);
  cairn::fault::Add(time, deviation_us);
  return 0;
}

int fdatasync(int fd) {
  if (cairn::fault::Bend()) return -1;
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}

int fsync(int fd) {
  if (cairn::fault::Bend()) return -1;
  return static_cast<int>(syscall(SYS_fsync, fd));
}

}  // extern "C"
