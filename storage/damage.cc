#include "storage/damage.h"

#include <fmt/format.h>

#include <iterator>

namespace cairn::storage {

std::string Describe(const LogDamage& damage) {
  std::string text = fmt::format(
      "entry {} in the segment that begins at seq {}: {}. From seq {} to the end of the log",
      damage.first, damage.segment_first_seq, damage.why, damage.next_seq);
  if (damage.segments_behind > 0)
    fmt::format_to(std::back_inserter(text), ", {} segments on,", damage.segments_behind);
  return text + " it has to come from peers";
}

}  // namespace cairn::storage
