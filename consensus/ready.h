// Ready: the work that one or more steps of the Raft core ask for.
//
// The driver (server/group) takes the Ready after each turn and does, in this order:
//   1. sends `messages`: nothing in them depends on the write below;
//   2. hands `write`, if any, to the store. Writes of a group must reach the disk in
//      order. When it is on disk: core.OnPersisted(write->id). Votes and
//      acknowledgements that depend on it come out of that call;
//   3. applies entries up to `commit` and then calls core.OnApplied.
// A Ready may be merged over several steps before it is taken: one message list, one
// write.
#pragma once

#include <optional>
#include <vector>

#include "consensus/membership.h"
#include "consensus/message.h"
#include "consensus/types.h"

namespace cairn::consensus {

enum class Role : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

// Everything here becomes durable together or not at all.
struct Write {
  WriteId id = 0;
  // Unset: unchanged by this write.
  std::optional<HardState> hard_state;
  // Consecutive. The first one replaces whatever the store holds from its index on.
  std::vector<Entry> entries;
  // Set: drop the whole log; it now begins after this position, with the state that
  // the snapshot describes. `entries` then continue it.
  struct InstallSnapshot {
    Position position;
    Bytes snapshot;
  };
  std::optional<InstallSnapshot> install;
};

// A read that was asked for with ReadIndex(context).
struct ReadState {
  uint64_t context = 0;
  // Whether leadership was confirmed after the read was asked for. False: ask again.
  bool confirmed = false;
  // The read may be answered once this index is applied here.
  Index index;
};

// Entries that a leader has offered in bulk and that are wanted here: (prev, through]. The driver
// fetches them from `from` and steps them in as one append of that node's, of `term`, whose entries
// but for kConfig have no payloads. It may be asked for the same again meanwhile.
struct Fetch {
  NodeId from;
  Term term;
  Position prev;
  Position through;
};

struct Ready {
  std::vector<Message> messages;
  std::optional<Write> write;
  // Committed through here (0: unchanged). Entries that are committed may not yet be
  // on this node's own disk; they are on a majority's.
  Index commit;
  std::vector<ReadState> read_states;
  std::optional<Fetch> fetch;
  // Set when term, role or leader changed.
  bool role_changed = false;

  [[nodiscard]] bool empty() const {
    return messages.empty() && !write && !commit && read_states.empty() && !fetch && !role_changed;
  }
};

}  // namespace cairn::consensus
