// LogWatch: everything that a simulated world knows of one log, and what must be true of it.
//
// From its clients: what they asked for and were told (tests/history), and when they believed to
// hold the lease. From its replicas, after each turn of one: who led which term, and which chain
// stands at which seq. From the stores: every record that was ever committed, read before a trim
// can take it.
//
// After every turn of a node:
//   election safety        one leader a term (thesis 3.6.3);
//   state-machine safety   one chain a seq and one term an index, whoever applied it;
//   leader completeness    the newest leader holds what was committed before it (thesis 3.6.3);
//   leases                 their time is neither cut short nor reset (lease_watch.h).
// When all has healed:
//   linearizable           some order of all operations explains every answer, given the log that
//                          stands in the end (which makes it durable, exactly once and fenced);
//   one holder             no two clients were entitled to the lease at the same moment.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "server/group.h"
#include "tests/history/history_types.h"
#include "tests/sim/lease_watch.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_node.h"

namespace cairn::sim {

// A client believed, by its own clock and margin, to hold the lease for [from, until) of
// virtual time.
struct Entitlement {
  int client = 0;
  Epoch epoch;
  SimTime from = 0;
  SimTime until = 0;
};

// Moments in the life of a leader at which its silence hurts most.
enum class Moment : uint8_t {
  kLeads,      // Its term begins.
  kCommits,    // It has committed for the first time in its term.
  kNewVoters,  // It has begun a change of voters.
};

// What became of a seed's log, beside violations.
struct LogCounts {
  uint64_t leader_changes = 0;  // Terms that were led, the first one not counted.
  uint64_t refills = 0;
  uint64_t suspects = 0;
};

class LogWatch {
 public:
  using Report = std::function<void(std::string)>;
  using OnMoment = std::function<void(Moment, NodeId)>;

  // `note` takes lines of the story. `on_moment` is called in the middle of AfterTurn.
  LogWatch(GroupId log, bool fenced, Report violation, Report note, OnMoment on_moment);

  // ---- What clients tell --------------------------------------------------------------
  // Returns the operation's handle. It is unknown until at() says otherwise.
  size_t Begin(history::Operation operation);
  // The acquisition at `handle` is tried again by itself while nobody knows what came of a try: an
  // earlier one may be granted late. Its holder's name is used by no other.
  void RepeatsByItself(size_t handle) { repeated_.push_back(handle); }
  [[nodiscard]] history::Operation& at(size_t handle) { return history_.operations[handle]; }
  void Entitle(const Entitlement& entitlement);
  // The client gave its lease up, or heard that it is lost, at `now`.
  void EndEntitlement(int client, SimTime now);
  // An answer showed that the log reaches `seq`.
  void Acknowledged(Seq seq) { acknowledged_ = std::max(acknowledged_, seq); }
  [[nodiscard]] Seq acknowledged() const { return acknowledged_; }
  // A client was told that what is before `first_seq` is trimmed.
  void CheckTrimmed(int client, Seq first_seq);
  // A tail handed out a record at `seq`, with the chain after it unless that is 0.
  void CheckTailed(int client, Seq seq, uint64_t chain);

  // ---- What replicas show ---------------------------------------------------------------
  void AfterTurn(SimNode& node, const server::Group& group);
  // Reads what `node` has applied and nobody read before. Requires: it is up.
  void Collect(const SimNode& node);
  // The last record that was read so.
  [[nodiscard]] Seq collected_seq() const {
    return history_.committed->records.empty() ? Seq() : history_.committed->records.back().seq;
  }

  // The last entry that any replica has applied.
  [[nodiscard]] consensus::Position newest_applied() const {
    return terms_.empty() ? consensus::Position()
                          : consensus::Position{terms_.rbegin()->second, terms_.rbegin()->first};
  }

  // When everything has healed, and `leader` has applied all.
  void CheckEnd(const SimNode& leader);
  // After that: whether `replica` holds every record that the log still has, with its chain.
  void CheckReplica(const SimNode& replica);

  [[nodiscard]] GroupId log() const { return history_.log_id; }
  [[nodiscard]] uint64_t done() const;
  [[nodiscard]] const LogCounts& counts() const { return counts_; }
  [[nodiscard]] const history::History& history() const { return history_; }

 private:
  void CollectEntry(const storage::StoredEntry& entry);
  // A lease ends by time only by the leader's own doing, which begins an entry, or for the grant
  // that stands behind it: a refused acquisition leaves nothing.
  void CheckExpiries(size_t first_record);
  void CheckPosition(const SimNode& node, const consensus::RaftCore& core);
  void FollowLeader(const SimNode& node, bool first, const consensus::RaftCore& core);
  void CheckNewLeader(const SimNode& node, const consensus::RaftCore& core);
  bool SkipTrimmed(const SimNode& node);
  void AddLateTries();
  void CheckEntitlements();

  const Report violation_;
  const Report note_;
  const OnMoment on_moment_;
  history::History history_;
  std::vector<size_t> repeated_;  // Places of acquisitions that the library tries again.
  std::vector<Entitlement> entitlements_;
  Seq acknowledged_;
  LogCounts counts_;

  // What is known to be committed or to have led, from any node at any time.
  std::map<Seq, uint64_t> chains_;
  std::map<Index, Term> terms_;
  Seq first_seq_;  // Of the replica that trimmed most.
  LeaseWatch leases_;
  std::map<Term, NodeId> leaders_;
  // Of the newest leader.
  Index committed_before_;  // When its term began.
  bool committed_ = false;
  std::vector<NodeId> voters_;          // Of the leader that is followed.
  std::map<NodeId, uint64_t> refills_;  // As each node counts them.
  std::set<std::pair<NodeId, Term>> suspects_;
  // Index and chain up to which records were collected.
  Index collected_;
  uint64_t collected_chain_ = 0;
};

}  // namespace cairn::sim
