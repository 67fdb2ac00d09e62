// Unsettled: what a leader has proposed and not yet seen committed, as far as a refusal may
// rest on it (architecture section 7).
//
// A refusal reveals state. One that is true only if an uncommitted entry stays must not be
// told before that entry is committed; so, next to the speculative facts, the leader keeps
// which uncommitted entry brought which fact about. Everything at or below the applied index
// is settled and forgotten.
//
// Bounds: one element per uncommitted entry with records, and per uncommitted change of a
// lease or dropped producer; the core bounds uncommitted bytes. Threads: the group's.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "base/ids.h"
#include "server/lease_table.h"

namespace cairn::server {

class Unsettled {
 public:
  // Facts of which only the latest change matters.
  enum class Fact : uint8_t { kFirstSeq, kSettings, kSnapshots, kProducers, kLeases };

  struct Run {
    Index index;
    Seq last_seq;  // After the entry, as far as it is built.
  };
  struct LeaseChange {
    Index index;
    std::string name;
    Epoch ended;                 // 0: it was free before.
    std::optional<Lease> after;  // nullopt: free.
  };

  // Records up to `last_seq` stand in the entry at `index`.
  void OnRecords(Index index, Seq last_seq);
  void OnLeaseChange(LeaseChange change);
  void OnProducerDropped(Index index, uint64_t id);
  void OnChange(Fact fact, Index index) { changed_[static_cast<size_t>(fact)] = index; }

  // Everything up to `index` is committed.
  void Settle(Index index);
  void Clear();

  // The unsettled entry that holds `seq`; nullptr: none does.
  [[nodiscard]] const Run* EntryOf(Seq seq) const;
  // The change that ended `epoch`, or the last one of the same lease in the same entry;
  // nullptr: no unsettled one did.
  [[nodiscard]] const LeaseChange* EndOf(const std::string& name, Epoch epoch) const;
  // The entry that drops the producer; nullopt: no unsettled one does.
  [[nodiscard]] std::optional<Index> DropOf(uint64_t id) const;
  // The latest unsettled change of the fact; nullopt: it is settled.
  [[nodiscard]] std::optional<Index> ChangeOf(Fact fact) const;

 private:
  struct Drop {
    Index index;
    uint64_t id;
  };
  Index settled_;
  std::deque<Run> runs_;  // Ascending by index and by last_seq.
  std::deque<LeaseChange> lease_changes_;
  std::deque<Drop> drops_;
  std::array<Index, 5> changed_{};
};

}  // namespace cairn::server
