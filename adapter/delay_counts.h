// DelayCounts: a histogram of delays as Prometheus takes it (MetricsPage::Histogram).
//
// Threads: a plain value.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace cairn::adapter {

struct DelayCounts {
  static constexpr std::array<int64_t, 14> kBoundsUs = {
      250,    500,    1'000,   2'000,   4'000,     8'000,     16'000,
      32'000, 64'000, 128'000, 256'000, 1'000'000, 4'000'000, 10'000'000};

  std::array<uint64_t, kBoundsUs.size() + 1> counts{};  // The last: longer than all of them.
  uint64_t sum_us = 0;

  void Add(int64_t us) {
    const auto* bound = std::lower_bound(kBoundsUs.begin(), kBoundsUs.end(), us);
    ++counts[static_cast<size_t>(bound - kBoundsUs.begin())];
    sum_us += static_cast<uint64_t>(us);
  }
};

}  // namespace cairn::adapter
