// PlantedBug: mistakes put into the product on purpose, to see whether the tests find them.
//
// A check that never fails proves little. So a few dozen mistakes that systems of this kind have
// really made stand in the product's own code, each as one line at the place where it would be
// made, and the simulator must find each within a stated number of seeds:
//
//   if (PLANTED(kAckBeforeSync)) return Send(to, response);
//
// Read such a line as if it were not there: PLANTED is the constant false, and the compiler drops
// the line, unless the build has CAIRN_PLANTED_BUGS, which no build has but the one that
// scripts/planted-bugs makes. There at most one mistake is on, chosen by name before anything
// runs. A few lines silence a CHECK or a second check that would notice the mistake at once, so
// that the tests have to find what users would see.
//
// What came of it: docs/testing.md, "Planted bugs".
// Threads: the choice is made while there is one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// X(enumerator, name, origin, story). Origins:
//   kDesign   thought up from the design document alone, before the simulator was looked at;
//   kField    a public report of another system, or its literature, tells of it;
//   kCode     thought up while reading this code.
#define CAIRN_PLANTED_BUGS_LIST(X)                                                           \
  X(kAckBeforeSync, "ack-before-sync", kField,                                               \
    "a follower acknowledges entries that are not on its disk yet")                          \
  X(kOwnCopyBeforeSync, "own-copy-before-sync", kField,                                      \
    "a leader counts its own copy towards a commit before its sync")                         \
  X(kConditionOnApplied, "condition-on-applied", kDesign,                                    \
    "if_last_seq is judged against the applied state, not against what is proposed already") \
  X(kWaiterByIndexOnly, "waiter-by-index-only", kDesign,                                     \
    "a deposed leader takes any entry at a waiter's index for the one that it had proposed") \
  X(kAppendedTwice, "appended-twice", kField,                                                \
    "the request that fills an entry stays in the queue and goes into the next entry too")

namespace cairn {

enum class PlantedBug : uint8_t {
  kNone,
#define CAIRN_PLANTED_BUGS_ENUMERATOR(id, name, origin, story) id,
  CAIRN_PLANTED_BUGS_LIST(CAIRN_PLANTED_BUGS_ENUMERATOR)
#undef CAIRN_PLANTED_BUGS_ENUMERATOR
};

#ifdef CAIRN_PLANTED_BUGS

namespace internal {
inline PlantedBug planted_bug = PlantedBug::kNone;
inline uint64_t planted_bug_hits = 0;

inline bool PlantedBugHit(PlantedBug bug) {
  if (bug != planted_bug) return false;
  ++planted_bug_hits;
  return true;
}
}  // namespace internal

// Switches the mistake of that name on. False: there is none.
bool SwitchOnPlantedBug(std::string_view name);
// How often the one that is on was asked for. Where its line can tell it says PLANTED last, so
// that this counts how often it made a difference.
inline uint64_t PlantedBugHits() { return internal::planted_bug_hits; }
// A line each: name, origin, story, between tabs.
std::string DescribePlantedBugs();

#define PLANTED(bug) (::cairn::internal::PlantedBugHit(::cairn::PlantedBug::bug))

#else

// Names the enumerator, so that a wrong name compiles nowhere.
#define PLANTED(bug) (static_cast<void>(::cairn::PlantedBug::bug), false)

#endif

}  // namespace cairn
