// What a crowd did to one key: judged exactly, as CheckRegister (register_history.h) does, but in
// n log n however many calls overlap, because every answer says which write it shows.
//
//   CheckSets        sets of values that all differ, and reads
//   CheckIncrements  increments whose answers are the new value, and reads; a successful
//                    compare-and-swap to the next number is one, too
//
// Sets: in any order that explains the answers, a set and the reads that show it stand together, so
// what must be decided is the order of these groups. One must come before another if one of its
// calls ended before one of the other's began; there is an order unless two must each come before
// the other (Gibbons and Korach, "Testing shared memories"). Increments: their values are the
// order; unanswered ones fill the values that nobody was told.
//
// An unanswered write may take effect at any moment after its begin, or never.
//
// Threads: none; pure functions.
#pragma once

#include <vector>

#include "tests/history/register_history.h"

namespace cairn::history {

// The key is absent, or 0, before the first call. Requires: the values are neither 0 nor the same.
RegisterVerdict CheckSets(const std::vector<RegisterCall>& calls);

// The key is 0 before the first call.
RegisterVerdict CheckIncrements(const std::vector<RegisterCall>& calls);

}  // namespace cairn::history
