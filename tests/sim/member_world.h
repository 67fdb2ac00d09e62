// MemberWorld: a simulated cluster whose members come and go. One seed decides everything.
//
// Beside the worker box the real catalog, GroupKeeper and Steward run on each node (sim_host.h), so
// what moves a log, makes and drops replicas and removes members is the product's own code. Three
// nodes found the cluster; then nodes are added, drained, removed, replaced and wiped, logs are
// moved and trimmed, and meanwhile nodes crash, in the midst of a move or all at once, are cut off,
// and come back after they were removed. Under even seeds logs hibernate, and nobody asks for
// anything at times; under every third one logs are archived, by the real Archiver (sim_archive.h),
// and trimmed more often. The others are as they were before there were such things here.
//
// Checked after every turn of a node, for the catalog and every log: what LogWatch says (one leader
// a term, one chain a seq, leaders hold what was committed); every 20 ms: nobody could be elected
// who lacks what was committed (electable.h). When all has healed: every wish has been carried out,
// each log's voters are those that the catalog says, no node stores a replica that the catalog does
// not put there, all hold the same, the archive has every record that was ever committed, and some
// order of all operations explains every answer that a client got.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/world.h"

namespace cairn::sim {

struct MemberCounts {
  uint64_t joins = 0;
  uint64_t removals = 0;
  uint64_t wipes = 0;
  uint64_t moves = 0;      // Placements that were settled.
  uint64_t revenants = 0;  // Starts of nodes that had been removed.
  uint64_t runs = 0;       // Of the archive, that make up the logs,
  uint64_t dead_ends = 0;  // and that nobody registered.
};

class MemberWorld {
 public:
  MemberWorld(uint64_t seed, Faults faults);
  ~MemberWorld();

  Result Run(SimTime chaos_us);
  [[nodiscard]] const MemberCounts& counts() const { return counts_; }
  [[nodiscard]] const std::deque<std::string>& story() const { return story_; }

 private:
  struct Log {
    GroupId id;
    std::unique_ptr<LogWatch> watch;
    consensus::Membership members;  // Of its leader; the last that the story tells of.
    Seq archived;                   // As registered, where that was checked last.
  };

  void Note(std::string line);
  void Violation(std::string line);
  void AddNode();
  void Watch(GroupId id);
  void AddClients(Log& log);
  // The network between nodes, and requests.
  void Deliver(NodeId to, const server::OutMessage& message);
  // The disk of `to`, as `from` can read it through its process; null: it cannot.
  const storage::MemLogStore* StoreOf(NodeId from, NodeId to);
  void Pulse(const SimNode& from);
  bool Refuses(const SimNode& node, NodeId from);
  void Send(NodeId to, GroupId group, server::RequestBody body, SimTime deadline_us,
            server::ReplyTo reply_to);
  void AfterTurn(SimNode& node);
  void NoteMembers(const SimNode& node, Log& log, const server::Group& group);
  void NoteStates();

  // The operator's part (member_chaos.cc).
  static constexpr SimTime kTendUs = 20'000;
  static constexpr size_t kLogs = 2;
  void Tend();
  void CreateLogs();
  void StartMembers(const server::Catalog& catalog);
  void FinishWipe(const server::Catalog& catalog);
  void Ask(cairn::v1::CatalogCommand command, NodeId instead_of = NodeId());
  void AddMember();
  void ChangeState();
  void MoveLog();
  void Move(const server::CatalogLog& log, NodeId from, NodeId to);
  void ReplaceMember();
  void Trim();
  [[nodiscard]] NodeId AnyMember(const server::Catalog& catalog);
  [[nodiscard]] NodeId AnyTaker(const server::Catalog& catalog, const server::CatalogLog& log);
  [[nodiscard]] uint64_t Serving(const server::Catalog& catalog) const;

  // What happens (member_chaos.cc).
  struct Choice {
    int weight;
    void (MemberWorld::*action)();
  };
  void AddChoices();
  void Act();
  void Wipe();
  [[nodiscard]] storage::CrashFault AnyFault();
  // It is back after `longest_us` at most.
  void Crash(SimNode& node, SimTime longest_us);
  void CrashSomebody();
  void CrashMover();
  void CrashAll();
  void BringBackRemoved();
  void CutOff();
  void Split();
  void HealLater();
  void Heal();
  // Whether the group, or everything, works without any one node.
  [[nodiscard]] bool HasSpare(GroupId id) const;
  [[nodiscard]] bool MaySpareOne() const;
  [[nodiscard]] SimNode& AnyNode() { return *nodes_[random_.Below(nodes_.size())]; }

  // What hibernates (member_sleep.cc).
  [[nodiscard]] bool InLull() const { return !over_ && events_.now() < lull_ends_; }
  void BeginLull();
  void CutASleeper();
  void CutWhenAsleep(GroupId id, int patience);
  void AskWhenDeposed(GroupId id, NodeId old);
  // Who reads the log turns to one node, and who appends to another.
  void TurnClients(GroupId id, NodeId reads_at, NodeId appends_at);

  // The node that leads the group; null: none.
  [[nodiscard]] SimNode* LeaderOf(GroupId group) const;
  // As the catalog's leader has it; null: there is none.
  [[nodiscard]] const server::Catalog* CatalogNow() const;
  [[nodiscard]] SimNode& NodeOf(NodeId id) const { return *nodes_[id.value() - 1]; }
  [[nodiscard]] bool Exists(NodeId id) const { return id && id.value() <= nodes_.size(); }

  // The archive (member_archive.cc).
  [[nodiscard]] bool archives() const { return objects_ != nullptr; }
  // What is trimmed is archived, and what is registered is there.
  void CheckArchive(const SimNode& node, Log& log, const server::Group& group);
  [[nodiscard]] std::string WhyNotArchived() const;
  void CheckRecords(const Log& log);

  // What must be true (member_checks.cc).
  static constexpr SimTime kConvergeUs = 120 * kMicrosPerSecond;
  void CheckElectable();
  [[nodiscard]] bool HasConverged(GroupId group, const std::vector<NodeId>& voters) const;
  [[nodiscard]] std::string WhyNotSettled(const server::Catalog& catalog,
                                          const server::GroupView& catalog_group) const;
  [[nodiscard]] std::string WhyOrphaned(const server::Catalog& catalog) const;
  [[nodiscard]] std::string WhyNotConverged() const;
  void CheckEnd();

  const uint64_t seed_;
  const Faults faults_;
  Random random_;
  EventQueue events_;
  cairn::v1::ClusterFormed formed_;
  std::vector<SimLog> no_logs_;
  std::unique_ptr<SimNetwork> network_;
  std::unique_ptr<SimObjects> objects_;          // Null: nothing is archived.
  std::vector<std::unique_ptr<SimNode>> nodes_;  // By id, from 1.
  std::vector<Log> logs_;                        // The catalog's group is the first.
  struct Asker {
    GroupId log;
    bool reads;
    std::unique_ptr<SimClient> client;
  };
  std::vector<Asker> clients_;

  std::vector<Choice> choices_;  // What Act draws from.
  bool over_ = false;
  SimTime lull_ends_ = 0;   // Until then all that clients send is lost.
  SimTime quiet_ends_ = 0;  // Until then nothing else happens.
  uint64_t names_ = 0;
  std::set<NodeId> started_;  // At least once.
  std::set<NodeId> removed_;  // Stopped, since they were told so.
  NodeId wiped_;              // It has lost its disk and is a member still.
  MemberCounts counts_;
  Result result_;
  std::deque<std::string> story_;
};

}  // namespace cairn::sim
