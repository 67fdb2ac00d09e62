// The vocabulary of the Raft core: entries, hard state, and how a node's own disk
// is to be trusted after a restart.
//
// "Thesis" in this folder is Ongaro, Consensus: Bridging Theory and Practice (2014).
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace cairn::consensus {

// The core reads the payload of kConfig only.
enum class EntryKind : uint8_t {
  kNoop = 0,    // A new leader's first entry (thesis 3.6.2, 6.4). Empty payload.
  kData = 1,    // Opaque.
  kConfig = 2,  // An encoded Membership (membership.h).
};

struct Entry {
  Index index;
  Term term;
  EntryKind kind = EntryKind::kData;
  Bytes payload;

  bool operator==(const Entry&) const = default;
};

// What must survive a crash beside the entries. `commit` is a hint that saves a
// restarted node a wait; a lost update of it is harmless.
struct HardState {
  Term term;
  NodeId vote;  // Zero: voted for nobody in `term`.
  Index commit;

  bool operator==(const HardState&) const = default;
};

// Position of an entry. Ordered as elections order logs: by term, then by index
// (thesis 3.6.1).
struct Position {
  Term term;
  Index index;

  auto operator<=>(const Position&) const = default;
};

// How far the node trusts its own disk (design section 8, "Recovery").
enum class Standing : uint8_t {
  // Everything that was acknowledged is there.
  kSound = 0,
  // The last turn before a crash is damaged and it cannot be told whether it was
  // acknowledged.
  kAmbiguous = 1,
  // Acknowledged data or a vote is gone.
  kLost = 2,
};

// Identifies one write that the core asked for; writes of a group are numbered
// 1, 2, 3, … and complete in order.
using WriteId = uint64_t;

}  // namespace cairn::consensus
