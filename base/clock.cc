#include "base/clock.h"

#include <ctime>

#include "base/check.h"

namespace cairn {
namespace {

int64_t ReadMicros(clockid_t id) {
  timespec ts{};
  CHECK_EQ(clock_gettime(id, &ts), 0);
  return ts.tv_sec * kMicrosPerSecond + ts.tv_nsec / 1000;
}

class OsClock final : public Clock {
 public:
  MonoMicros Mono() const override { return ReadMicros(CLOCK_BOOTTIME); }
  WallMicros Wall() const override { return ReadMicros(CLOCK_REALTIME); }
};

}  // namespace

const Clock& SystemClock() {
  static const OsClock clock;
  return clock;
}

}  // namespace cairn
