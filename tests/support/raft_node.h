// RaftNode: the smallest driver that a Raft core can have, for tests: a log in memory, a
// disk that a crash falls back to, and writes that are done when the test says so.
//
// Does what consensus/ready.h asks of a driver, in that order; applies what is committed at
// once. Messages are left for the test to deliver or lose.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "consensus/raft_core.h"

namespace cairn::consensus {

// What survives a crash.
struct RaftDisk {
  HardState hard_state;
  Position before;        // Position before the first kept entry.
  Membership membership;  // As of `before`.
  std::vector<Entry> entries;

  [[nodiscard]] InitialState Load() const;
};

class RaftNode {
 public:
  // `now`: what its clock shows.
  RaftNode(const Config& config, RaftDisk disk, uint64_t seed, MonoMicros now = 0);

  [[nodiscard]] RaftCore& core() { return *core_; }
  [[nodiscard]] const RaftCore& core() const { return *core_; }
  [[nodiscard]] const Config& config() const { return config_; }

  // What one Collect brought about.
  struct Outcome {
    std::vector<Message> messages;
    std::vector<Write> writes;
    std::vector<Entry> applied;
    std::vector<ReadState> reads;
    std::optional<Fetch> fetch;
    bool role_changed = false;
  };
  // Time passes, with ticks or without.
  void SetTime(MonoMicros now);
  [[nodiscard]] MonoMicros now() const { return now_us_; }

  // Takes Readys until there are none.
  Outcome Collect();

  // Hands `message` to the core; what this node refuses is taken out as a group does it.
  void Step(Message message);

  // Completes the oldest write in flight; false when there is none. Collect comes after.
  bool PersistNext();
  [[nodiscard]] size_t writes_in_flight() const { return writes_.size(); }

  // The disk as it is, or as it was before the last `lost` writes reached it (at most 8 are
  // remembered).
  [[nodiscard]] const RaftDisk& disk(size_t lost = 0) const;
  [[nodiscard]] size_t disks_remembered() const { return history_.size(); }

  // Drops kept entries through `index`. Requires: applied.
  void Trim(Index index);

  // Entries in memory; the first stands at log_before().index + 1.
  [[nodiscard]] const std::vector<Entry>& log() const { return log_; }
  [[nodiscard]] Position log_before() const { return log_before_; }

  // The run that was offered and is to be fetched, and its end, by which the node does not fetch
  // any more: it is stepped in as it stands in the log of `from`, or was not to be had.
  [[nodiscard]] const std::optional<Fetch>& fetch() const { return fetch_; }
  void EndFetch(const RaftNode* from);

  // Appends of so many committed entries are offered as runs, and runs are taken; 0: neither.
  size_t run_entries = 0;
  // While set, every fill of an append that names entries waits for the disk.
  bool defer_fills = false;
  // Entries that one fill takes at most; 0: all.
  size_t fill_entries = 0;
  // New entries from this index on do not follow from what the node holds; 0: all do.
  Index refuses_from;

 private:
  bool Fill(Message& message);
  // Makes the offer of a run of `message`, if it names enough entries that are committed.
  bool OfferRun(Message& message);
  void SaySomethingOfRuns(Message& message) const;
  void TakeIn(const Write& write);

  Config config_;
  Random random_;
  MonoMicros now_us_ = 0;
  RaftDisk disk_;
  std::deque<RaftDisk> history_;  // Newest last; disk_ is not in it.
  std::unique_ptr<RaftCore> core_;
  Position log_before_;
  std::vector<Entry> log_;
  std::deque<Write> writes_;
  std::optional<Fetch> fetch_;
};

}  // namespace cairn::consensus
