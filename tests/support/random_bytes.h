// Bytes without meaning, of which each value is as likely as another: they cannot be compressed,
// and no part of them is like another.
#pragma once

#include <cstddef>
#include <string>

#include "base/random.h"

namespace cairn::testing {

inline std::string RandomBytes(Random& random, size_t count) {
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Next());
  return bytes;
}

// The same in each test.
inline std::string RandomBytes(size_t count) {
  Random random(7);
  return RandomBytes(random, count);
}

}  // namespace cairn::testing
