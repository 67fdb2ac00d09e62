// RaftWorld: nodes, a network and disks in one thread; a seed decides what is delivered, lost,
// repeated, reordered, persisted, crashed, cut off, asked and changed.
//
// After every step it judges what has become visible: election safety, log matching, leader
// completeness, state machine safety and stale reads. The first contradiction is kept.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/raft_node.h"

namespace cairn::consensus {

struct Faults {
  double drop = 0;
  double repeat = 0;
  double crash = 0;   // Per step.
  double cut = 0;     // Per step: links are cut or healed.
  double change = 0;  // Per step: a membership change is asked for.
  double trim = 0;    // Per step.
  double doubt = 0;   // Of a crash: the node cannot tell whether its last turn is whole.
  double lose = 0;    // Of a crash: turns are gone, as long as all other disks are sound.
  bool reorder = false;
  bool lease_reads = false;
  uint32_t hibernate_ticks = 0;  // Not 0: there are lulls, and nodes are said to be silent.
  size_t run_entries = 0;        // Not 0: so many committed entries are fetched in bulk.
};

class RaftWorld {
 public:
  RaftWorld(uint64_t seed, size_t count, const Faults& faults) : random_(seed), faults_(faults) {
    Membership membership;
    for (uint64_t id = 1; id <= count; ++id) membership.voters.push_back(NodeId(id));
    // In worlds of change, two nodes more begin outside.
    const uint64_t spare = faults.change > 0 ? 2 : 0;
    for (uint64_t id = 1; id <= count + spare; ++id) {
      const RaftDisk disk{.hard_state = {},
                          .before = {},
                          .membership = id <= count ? membership : Membership(),
                          .entries = {}};
      Start(NodeId(id), disk, Standing::kSound);
    }
  }

  void Run(int steps) {
    for (int step = 0; step < steps && violation_.empty(); ++step) Step();
  }

  // No more faults: there must be one leader, and what it proposes must be committed
  // everywhere.
  void HealAndAgree() {
    healed_ = true;
    cut_.clear();
    for (const NodeId a : Ids()) {
      for (const NodeId b : Ids()) Act(a, [&] { nodes_[a]->core().OnNodeHeard(b); });
    }
    for (int round = 0; round < 600 && violation_.empty(); ++round) {
      now_us_ += Config().tick_us;
      for (const NodeId id : Ids()) Act(id, [&] { nodes_[id]->core().Tick(); });
      for (int i = 0; i < 6; ++i) Settle();
      const RaftNode* leader = TheLeader();
      if (leader == nullptr || !leader->core().LeadsWithCommittedTerm()) continue;
      if (!proposed_last_) {
        Act(leader->core().self(), [&] { Propose(leader->core().self()); });
        continue;
      }
      if (EverybodyHas(leader->core().last().index) && EverybodyReads()) return;
    }
    if (violation_.empty() && !WaitsForOperator())
      violation_ = "no agreement after the world was healed" + Describe();
  }

  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] size_t committed() const { return committed_.size(); }
  [[nodiscard]] size_t reads() const { return reads_answered_; }

 private:
  void Start(NodeId id, const RaftDisk& disk, Standing standing) {
    const Config config{.self = id,
                        .election_ticks = 5,
                        .heartbeat_ticks = 1,
                        .inflight_bytes = 64,
                        .inflight_messages = 4,
                        .append_entries = 3,
                        .uncommitted_bytes = 200,
                        .lease_reads = faults_.lease_reads,
                        .hibernate_ticks = faults_.hibernate_ticks,
                        .priority_penalty_ticks = 0,
                        .standing = standing};
    nodes_[id] = std::make_unique<RaftNode>(config, disk, random_.Next(), now_us_);
    nodes_[id]->run_entries = faults_.run_entries;
    applied_through_[id] = disk.before.index;
  }

  void Step() {
    const NodeId id = AnyNode();
    if (faults_.hibernate_ticks > 0) MaybeLull();
    // In a lull nobody asks for anything.
    const uint64_t dice = random_.Below(lull_steps_ > 0 ? 83 : 100);
    if (dice < 60) {
      for (uint64_t count = random_.Below(8); count > 0; --count) DeliverOne();
    } else if (dice < 72) {
      Act(id, [&] { nodes_[id]->PersistNext(); });
    } else if (dice < 83) {
      TickSome(id);
    } else if (dice < 93) {
      Act(id, [&] {
        for (uint64_t count = random_.Below(4); count > 0; --count) Propose(id);
      });
    } else if (dice < 96) {
      Act(id, [&] { Read(id); });
    } else if (dice < 97) {
      Act(id, [&] { nodes_[id]->core().TransferLeadership(NodeId()); });
    } else if (dice < 98 && nodes_[id]->fetch()) {
      EndFetch(id);
    } else if (dice < 98) {
      Act(id, [&] { nodes_[id]->core().OnUnreachable(AnyNode()); });
    } else {
      Act(id, [&] { nodes_[id]->core().OnLeaderGone(); });
    }
    if (random_.Chance(faults_.crash)) Crash(AnyNode());
    if (random_.Chance(faults_.cut)) ChangeLinks();
    if (random_.Chance(faults_.change)) Change();
    if (random_.Chance(faults_.trim)) Trim(AnyNode());
  }

  void MaybeLull() {
    if (lull_steps_ > 0) --lull_steps_;
    if (random_.Chance(0.01)) lull_steps_ = random_.Below(300);
    if (!random_.Chance(0.02)) return;
    const NodeId id = AnyNode();
    const NodeId other = AnyNode();
    const bool silent = random_.Chance(0.5);
    Act(id, [&] {
      RaftCore& core = nodes_[id]->core();
      silent ? core.OnNodeSilent(other) : core.OnNodeHeard(other);
    });
  }

  // What a node fetches has come, or has not; and whose it was may have gone on since.
  void EndFetch(NodeId id) {
    const Fetch& wanted = *nodes_[id]->fetch();
    const RaftNode& from = *nodes_[wanted.from];
    const bool there =
        from.core().terms().Matches(wanted.through) && from.log_before().index <= wanted.prev.index;
    Act(id, [&] { nodes_[id]->EndFetch(there && !random_.Chance(0.3) ? &from : nullptr); });
  }

  std::vector<NodeId> Ids() const {
    std::vector<NodeId> ids;
    for (const auto& node : nodes_) ids.push_back(node.first);
    return ids;
  }

  NodeId AnyNode() {
    auto node = nodes_.begin();
    std::advance(node, random_.Below(nodes_.size()));
    return node->first;
  }

  template <class F>
  void Act(NodeId id, const F& f) {
    nodes_[id]->SetTime(now_us_);
    f();
    Absorb(id);
  }

  // Takes what the node's last input brought about, and judges it.
  void Absorb(NodeId id) {
    RaftNode& node = *nodes_[id];
    RaftNode::Outcome outcome = node.Collect();
    for (Message& message : outcome.messages) {
      if (!nodes_.contains(message.to)) continue;
      network_.push_back(std::move(message));
    }
    for (const Write& write : outcome.writes) {
      if (write.install) applied_through_[id] = write.install->position.index;
    }
    for (const Entry& entry : outcome.applied) CheckApplied(id, entry);
    for (const ReadState& read : outcome.reads) CheckRead(id, read);
    node.core().CheckInvariants();
    CheckLeader(node);
  }

  // ---- Checks -----------------------------------------------------------------------

  // State machine safety: one entry per index, for ever, and no holes.
  void CheckApplied(NodeId id, const Entry& entry) {
    Index& through = applied_through_[id];
    if (entry.index != through + 1) Fail("a hole in what node ", id, " applied");
    through = entry.index;
    const auto [known, inserted] = committed_.emplace(entry.index, entry);
    if (!(known->second == entry)) Fail("two entries are committed at index ", entry.index);
    newest_committed_ = std::max(newest_committed_, entry.index);
  }

  // Election safety, and leader completeness: who leads a newer term holds all that is
  // committed.
  void CheckLeader(const RaftNode& node) {
    const RaftCore& core = node.core();
    if (core.role() != Role::kLeader) return;
    const auto [known, inserted] = leaders_.emplace(core.term(), core.self());
    if (known->second != core.self()) Fail("two leaders in term ", core.term());
    if (!inserted) return;
    for (const auto& [index, entry] : committed_) {
      if (index <= core.terms().Before().index) continue;
      if (core.terms().At(index) != entry.term) Fail("the new leader lacks index ", index);
    }
    CheckLogMatching();
  }

  // Two logs that agree on an entry's index and term agree on everything before it.
  void CheckLogMatching() {
    for (const auto& [a_id, a] : nodes_) {
      for (const auto& [b_id, b] : nodes_) {
        if (a_id < b_id) CompareLogs(*a, *b);
      }
    }
  }

  void CompareLogs(const RaftNode& a, const RaftNode& b) {
    const Index begin = std::max(a.log_before().index, b.log_before().index) + 1;
    const Index end = std::min(a.core().last().index, b.core().last().index) + 1;
    bool agreed = false;
    for (Index i = end.Previous(); i >= begin && i; i = i.Previous()) {
      const Entry& x = a.log().at(i - a.log_before().index - 1);
      const Entry& y = b.log().at(i - b.log_before().index - 1);
      agreed |= x.term == y.term;
      if (agreed && !(x == y)) Fail("logs differ below a match, at index ", i);
    }
  }

  // A confirmed read covers all that had been committed anywhere when it was asked for.
  void CheckRead(NodeId id, const ReadState& read) {
    const auto asked = reads_.find(read.context);
    if (asked == reads_.end()) {
      Fail("a read is answered twice or was never asked by node ", id);
      return;
    }
    if (read.confirmed && read.index < asked->second) Fail("a stale read at node ", id);
    if (read.confirmed) ++reads_answered_;
    reads_.erase(asked);
  }

  template <class T>
  void Fail(const char* what, T detail, const char* more = "") {
    if (violation_.empty()) violation_ = what + ToString(detail) + more;
  }

  std::string Describe() const {
    std::string text;
    for (const auto& [id, node] : nodes_) {
      const RaftCore& core = node->core();
      text += fmt::format(
          "\n{}: role={} term={} leader={} commit={} last={} before={} persisted={} "
          "standing={} {}",
          id, static_cast<int>(core.role()), core.term(), core.leader(), core.commit(),
          ToString(core.last()), ToString(core.terms().Before()), core.persisted(),
          static_cast<int>(core.standing()), ToString(core.membership()));
      for (const auto& [peer, progress] : core.progress()) {
        text += fmt::format("\n   {}: state={} match={} next={} unsound={}", peer,
                            static_cast<int>(progress.state()), progress.match(), progress.next(),
                            progress.unsound());
      }
    }
    return text;
  }

  // ---- Deeds ------------------------------------------------------------------------

  // All see one clock, that goes on whoever ticks. Now and then it goes on by more, as for those
  // who stand still meanwhile.
  void TickSome(NodeId id) {
    const auto ticks = static_cast<int64_t>(random_.Chance(0.01) ? random_.Below(100) : 1);
    now_us_ += ticks * Config().tick_us / static_cast<int64_t>(nodes_.size());
    Act(id, [&] { nodes_[id]->core().Tick(); });
  }

  void Propose(NodeId id) {
    RaftCore& core = nodes_[id]->core();
    Position position;
    const std::string payload(random_.Below(40), static_cast<char>('a' + random_.Below(26)));
    const ProposeResult could = core.CanPropose();
    const ProposeResult result = core.Propose(EntryKind::kData, Bytes(payload), &position);
    if (could != result) Fail("CanPropose was wrong at node ", id);
    if (healed_ && result == ProposeResult::kAccepted) proposed_last_ = true;
  }

  void Read(NodeId id) {
    const uint64_t context = ++last_context_;
    reads_[context] = newest_committed_;
    nodes_[id]->core().ReadIndex(context);
  }

  void DeliverOne() {
    if (network_.empty()) return;
    const size_t place = faults_.reorder ? random_.Below(network_.size()) : 0;
    Message message = network_[place];
    if (!random_.Chance(faults_.repeat)) {
      network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(place));
    }
    if (!healed_ && random_.Chance(faults_.drop)) return;
    Hand(std::move(message));
  }

  void Hand(Message message) {
    if (cut_.contains({message.from, message.to})) return;
    const NodeId to = message.to;
    Act(to, [&] { nodes_[to]->core().Step(std::move(message)); });
  }

  // Everything that is under way arrives.
  void Settle() {
    std::vector<Message> now = std::exchange(network_, {});
    for (Message& message : now) Hand(std::move(message));
    for (const NodeId id : Ids()) {
      RaftNode& node = *nodes_[id];
      if (node.fetch()) EndFetch(id);
      while (node.writes_in_flight() > 0) Act(id, [&] { node.PersistNext(); });
    }
  }

  void Crash(NodeId id) {
    // Doubt lasts over further restarts until the core has shaken it off.
    Standing standing = nodes_[id]->core().standing();
    size_t lost = 0;
    if (random_.Chance(faults_.doubt)) standing = std::max(standing, Standing::kAmbiguous);
    if (random_.Chance(faults_.lose) && OthersAreSound(id)) {
      // One turn that it acknowledged: a flipped bit. Several: a lost file.
      lost = std::min<size_t>(nodes_[id]->disks_remembered(), 1 + random_.Below(8));
      standing = std::max(standing, lost > 1 ? Standing::kLost : Standing::kAmbiguous);
    }
    const RaftDisk disk = nodes_[id]->disk(lost);
    Start(id, disk, standing);
    for (const NodeId peer : Ids()) {
      if (peer == id || random_.Chance(0.5)) continue;
      Act(peer, [&] { nodes_[peer]->core().OnUnreachable(id); });
    }
  }

  bool OthersAreSound(NodeId id) const {
    return std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& node) {
      return node.first == id || node.second->core().standing() == Standing::kSound;
    });
  }

  // One link changes its state, or all do: a partition in two, or the end of all cuts.
  void ChangeLinks() {
    const uint64_t dice = random_.Below(10);
    if (dice < 5) {
      const std::pair<NodeId, NodeId> link{AnyNode(), AnyNode()};
      SetCut(link, !cut_.contains(link));
      return;
    }
    std::set<NodeId> side;
    for (const auto& [id, node] : nodes_) {
      if (dice < 8 && random_.Chance(0.5)) side.insert(id);
    }
    for (const auto& [a, a_node] : nodes_) {
      for (const auto& [b, b_node] : nodes_) {
        SetCut({a, b}, side.contains(a) != side.contains(b));
      }
    }
  }

  void SetCut(std::pair<NodeId, NodeId> link, bool cut) {
    if (cut == cut_.contains(link)) return;
    RaftCore& core = nodes_[link.first]->core();
    if (cut) {
      cut_.insert(link);
      Act(link.first, [&] { core.OnLinkDown(link.second); });
    } else {
      cut_.erase(link);
      Act(link.first, [&] { core.OnLinkUp(link.second); });
    }
  }

  static bool Has(const std::vector<NodeId>& ids, NodeId id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  }

  // Any set of members may be the next voters, so that old and new ones need not overlap.
  void Change() {
    const NodeId id = AnyNode();
    RaftCore& core = nodes_[id]->core();
    if (core.role() != Role::kLeader) return;
    const Membership& now = core.membership();
    MembershipChange change;
    if (random_.Chance(0.4)) {
      change.voters = now.voters;  // Whoever else there is may learn.
    } else {
      for (const NodeId each : now.All()) {
        if (random_.Chance(0.5)) change.voters.push_back(each);
      }
    }
    for (const auto& [each, node] : nodes_) {
      if (Has(change.voters, each)) continue;
      if (!now.Contains(each) || random_.Chance(0.7)) change.learners.push_back(each);
    }
    Position position;
    Act(id, [&] { (void)core.ProposeChange(change, &position); });
  }

  void Trim(NodeId id) {
    RaftNode& node = *nodes_[id];
    const Index end = std::min(node.core().applied(), node.core().persisted());
    if (node.core().role() == Role::kCandidate || end <= node.log_before().index) return;
    // The store trims behind all writes in flight; so does this one.
    if (node.writes_in_flight() > 0) return;
    node.Trim(end);
  }

  const RaftNode* TheLeader() const {
    const RaftNode* leader = nullptr;
    for (const auto& [id, node] : nodes_) {
      if (node->core().role() != Role::kLeader) continue;
      if (leader == nullptr || leader->core().term() < node->core().term()) leader = node.get();
    }
    return leader;
  }

  bool EverybodyHas(Index index) const {
    const RaftNode* leader = TheLeader();
    for (const NodeId id : leader->core().membership().All()) {
      const RaftCore& core = nodes_.at(id)->core();
      if (core.applied() < index || core.persisted() < index) return false;
      if (core.standing() != Standing::kSound) return false;
    }
    return true;
  }

  // One node lost data and others doubt theirs: nobody can tell whether the sound ones,
  // less than a majority, hold all that was committed (design section 8, "Recovery").
  bool WaitsForOperator() const {
    size_t sound = 0;
    bool lost = false;
    for (const auto& [id, node] : nodes_) {
      sound += node->core().standing() == Standing::kSound ? 1 : 0;
      lost |= node->core().standing() == Standing::kLost;
    }
    return lost && sound * 2 <= nodes_.size();
  }

  // Asks for a read at each node; all have to be answered, if only with a no.
  bool EverybodyReads() {
    if (last_reads_.empty()) {
      for (const NodeId id : Ids()) {
        Act(id, [&] { Read(id); });
        last_reads_.push_back(last_context_);
      }
    }
    return std::none_of(last_reads_.begin(), last_reads_.end(),
                        [&](uint64_t context) { return reads_.contains(context); });
  }

  Random random_;
  const Faults faults_;
  std::map<NodeId, std::unique_ptr<RaftNode>> nodes_;
  std::vector<Message> network_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  MonoMicros now_us_ = 0;
  uint64_t lull_steps_ = 0;
  bool healed_ = false;
  bool proposed_last_ = false;
  std::vector<uint64_t> last_reads_;  // Contexts.

  std::string violation_;
  std::map<Term, NodeId> leaders_;
  std::map<Index, Entry> committed_;
  Index newest_committed_;
  std::map<NodeId, Index> applied_through_;
  uint64_t last_context_ = 0;
  std::map<uint64_t, Index> reads_;  // What was committed when it was asked for.
  size_t reads_answered_ = 0;
};

}  // namespace cairn::consensus
