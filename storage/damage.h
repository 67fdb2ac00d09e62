// How damage to a log is told: what and where, in the words of whoever reads the log.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace cairn::storage {

// A log whose entries cannot be read, or are missing, from one on.
struct LogDamage {
  Index first;                 // The first entry that is not there.
  Seq segment_first_seq;       // Of the segment that it lies in.
  Seq next_seq;                // Of the first record that is not there.
  size_t segments_behind = 0;  // Whole segments that go with it.
  std::string_view why;
};

// One line without an end.
std::string Describe(const LogDamage& damage);

}  // namespace cairn::storage
