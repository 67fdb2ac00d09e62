// Every key of the four column families, in one place.
//
//   entries  group(8) index(8)                one entry
//   seqs     group(8) first_seq(8)            index and time of an entry that has records
//   state    group(8) tag(1) [position(8)]    hard state, term rows, segment rows, trash row,
//                                             damage row, run row
//   meta     tag(1)                           turn, identity, formed
//
// Numbers are big-endian, so that the order of keys is the order of (group, position) and
// all rows of a group are one range. The bytes are a format: golden tests hold them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace cairn::storage {

// One list for `state` and `meta`, in the order of the rows on disk. Never renumber.
enum class KeyTag : uint8_t {
  kHardState = 0x01,  // state
  kTerm = 0x02,       // state; position: first index of the term
  kSegment = 0x03,    // state; position: index before the segment
  kTrash = 0x04,      // state; the group was removed
  kDamage = 0x05,     // state; what a rebuilt database could not take over
  kRun = 0x06,        // state; entries behind its index do not count: a run is being taken
  kTurn = 0x11,       // meta
  kIdentity = 0x12,   // meta
  kFormed = 0x13,     // meta
};

std::string EntryKey(GroupId group, Index index);
std::string SeqKey(GroupId group, Seq first_seq);
std::string HardStateKey(GroupId group);
std::string TermKey(GroupId group, Index first);
std::string SegmentKey(GroupId group, Index before_index);
std::string TrashKey(GroupId group);
std::string DamageKey(GroupId group);
std::string RunKey(GroupId group);
// Requires: one of the meta tags.
std::string MetaKey(KeyTag tag);

// The half-open range [begin, end) of all keys of a group; the same for the three column
// families that have groups. Requires of the end: not the highest id there can be (an id is
// a seq, and never comes near).
std::string GroupBegin(GroupId group);
std::string GroupEnd(GroupId group);

// The group that a key of entries, seqs or state belongs to; nullopt if it is too short.
std::optional<GroupId> GroupOfKey(std::string_view key);
// Position of a key of entries or seqs; nullopt unless it has exactly that shape.
std::optional<uint64_t> PositionOfKey(std::string_view key);

struct StateKey {
  GroupId group;
  KeyTag tag = KeyTag::kHardState;
  Index position;  // Zero for rows without one.
  bool operator==(const StateKey&) const = default;
};
// nullopt when the bytes are not a key of the state family.
std::optional<StateKey> ParseStateKey(std::string_view key);

}  // namespace cairn::storage
