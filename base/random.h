// Random: a small seeded generator (xoshiro256**, Blackman and Vigna 2018,
// seeded through splitmix64). The only source of randomness in a node, so that
// one seed replays a whole simulated cluster.
//
// Threads: not safe; each owner has its own.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "base/check.h"

namespace cairn {

class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15u;
      uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
      word = z ^ (z >> 31);
    }
  }

  uint64_t Next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // Uniform in [0, bound). Requires: bound > 0. (The modulo bias is below
  // bound / 2^64, which nothing here can notice.)
  uint64_t Below(uint64_t bound) {
    CHECK_GT(bound, 0u);
    return Next() % bound;
  }
  // Uniform in [low, high], both ends included.
  int64_t Between(int64_t low, int64_t high) {
    CHECK_LE(low, high);
    return low + static_cast<int64_t>(Below(static_cast<uint64_t>(high - low) + 1));
  }
  // Uniform in [0, 1).
  double Fraction() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  bool Chance(double probability) { return Fraction() < probability; }

 private:
  std::array<uint64_t, 4> state_{};
};

}  // namespace cairn
