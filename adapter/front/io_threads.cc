#include "adapter/front/io_threads.h"

#include <algorithm>
#include <thread>

namespace cairn::adapter {
namespace {

constexpr int kMostByDefault = 4;

}  // namespace

int CountIoThreads(int asked) {
  if (asked > 0) return asked;
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(cores / 2, 1, kMostByDefault);
}

}  // namespace cairn::adapter
