// What a thread does for threads with more urgent work.
#pragma once

#include <sys/resource.h>

namespace cairn {

inline constexpr int kBackgroundNice = 10;

// For good: from now on the calling thread, and those that it starts, get a tenth of what others
// get of a processor that both want. (Nice values belong to threads on Linux, setpriority(2); going
// back takes a privilege.) Not less than that, since whoever waits for a lock waits for its holder.
// Costs nothing where it is refused. A process that was started with less keeps that.
inline void RunInBackground() {
  if (getpriority(PRIO_PROCESS, 0) < kBackgroundNice) {
    (void)setpriority(PRIO_PROCESS, 0, kBackgroundNice);
  }
}

}  // namespace cairn
