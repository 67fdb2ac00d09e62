#include "tests/support/raft_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "base/check.h"
#include "tests/support/raft_node.h"
#include "tests/support/raft_script_words.h"

namespace cairn::consensus {
namespace {

class Cluster {
 public:
  // Runs one command; what it prints is in `out`.
  void Run(Command command) {
    const bool quietly = command.name() == "quietly";
    if (quietly) command.DropFirstWord();
    const auto found = Commands().find(command.name());
    if (found == Commands().end()) {
      Print(fmt::format("unknown command: {}", command.name()));
      return;
    }
    (this->*found->second)(command);
    if (quietly) out_.clear();
  }

  std::vector<std::string> TakeOutput() { return std::exchange(out_, {}); }

 private:
  using Handler = void (Cluster::*)(const Command&);
  using Link = std::pair<NodeId, NodeId>;

  static const std::map<std::string, Handler>& Commands() {
    static const auto* commands = new std::map<std::string, Handler>{
        {"nodes", &Cluster::Nodes},
        {"disk", &Cluster::Disk},
        {"tick", &Cluster::Tick},
        {"pause", &Cluster::Pause},
        {"campaign", &Cluster::Campaign},
        {"elect", &Cluster::Elect},
        {"propose", &Cluster::Propose},
        {"read", &Cluster::Read},
        {"change", &Cluster::Change},
        {"transfer", &Cluster::Transfer},
        {"refuse", &Cluster::Refuse},
        {"persist", &Cluster::Persist},
        {"deliver", &Cluster::Deliver},
        {"drop", &Cluster::Drop},
        {"repeat", &Cluster::Repeat},
        {"reverse", &Cluster::Reverse},
        {"cut", &Cluster::Cut},
        {"heal", &Cluster::Heal},
        {"settle", &Cluster::Settle},
        {"crash", &Cluster::Crash},
        {"restart", &Cluster::Restart},
        {"linkdown", &Cluster::LinkDown},
        {"linkup", &Cluster::LinkUp},
        {"gone", &Cluster::Gone},
        {"silent", &Cluster::Silent},
        {"heard", &Cluster::Heard},
        {"unreachable", &Cluster::Unreachable},
        {"defer", &Cluster::Defer},
        {"undefer", &Cluster::Undefer},
        {"runs", &Cluster::Runs},
        {"fetched", &Cluster::Fetched},
        {"trim", &Cluster::Trim},
        {"show", &Cluster::Show},
        {"progress", &Cluster::ShowProgress},
        {"links", &Cluster::ShowLinks},
    };
    return *commands;
  }

  void Print(std::string line) { out_.push_back(std::move(line)); }
  void Print(NodeId id, const std::string& what) { Print(fmt::format("{}: {}", id, what)); }

  RaftNode& NodeOf(NodeId id) {
    CHECK(nodes_.contains(id));
    return *nodes_.at(id);
  }

  // Does `f` to a node and prints what comes of it.
  template <class F>
  void Act(NodeId id, const F& f) {
    RaftNode& node = NodeOf(id);
    f(node.core());
    Absorb(id);
  }

  void HandOver(Message message) {
    const NodeId to = message.to;
    NodeOf(to).Step(std::move(message));
    Absorb(to);
  }

  void Absorb(NodeId id) {
    RaftNode& node = NodeOf(id);
    RaftNode::Outcome outcome = node.Collect();
    const RaftCore& core = node.core();
    core.CheckInvariants();
    if (outcome.role_changed) {
      Print(id, fmt::format("{} term={}", Name(core.role()), core.term()) +
                    (core.leader() ? fmt::format(" leader={}", core.leader()) : ""));
    }
    for (const Write& write : outcome.writes) Print(id, Describe(write));
    for (Message& message : outcome.messages) Post(std::move(message));
    if (outcome.fetch) {
      Print(id, fmt::format("fetches {} through {} from {}", ToString(outcome.fetch->prev),
                            ToString(outcome.fetch->through), outcome.fetch->from));
    }
    if (!outcome.applied.empty()) Print(id, "commit " + Describe(outcome.applied));
    for (const ReadState& read : outcome.reads) {
      Print(id, read.confirmed ? fmt::format("read {} index={}", read.context, read.index)
                               : fmt::format("read {} unconfirmed", read.context));
    }
  }

  void Post(Message message) {
    std::string line = ToString(message);
    const Link link{message.from, message.to};
    if (cut_.contains(link) || !nodes_.contains(message.to)) {
      Print(line + "  (lost)");
      return;
    }
    Print(std::move(line));
    links_[link].push_back(std::move(message));
  }

  // ---- The cluster --------------------------------------------------------------------

  void Nodes(const Command& command) {
    *this = Cluster();
    Membership membership;
    for (size_t i = 0; i < command.size(); ++i) {
      if (command.word(i) != "lease") membership.voters.push_back(command.node(i));
    }
    membership.learners = command.nodes("learners");
    const std::vector<std::string> penalty = Split(command.option("penalty", ""), ':');
    for (const NodeId id : membership.All()) {
      Config& config = configs_[id];
      config = {.self = id,
                .election_ticks = static_cast<uint32_t>(command.option("election", 10)),
                .heartbeat_ticks = 1,
                .inflight_bytes = command.option("window_bytes", 1 << 20),
                .inflight_messages = static_cast<uint32_t>(command.option("window", 16)),
                .append_entries = static_cast<uint32_t>(command.option("batch", 16)),
                .uncommitted_bytes = command.option("uncommitted", 1 << 20),
                .lease_reads = command.has_word("lease"),
                .hibernate_ticks = static_cast<uint32_t>(command.option("hibernate", 0)),
                .priority_penalty_ticks = 0,
                .standing = Standing::kSound};
      if (!penalty.empty() && penalty[0] == ToString(id)) {
        config.priority_penalty_ticks = static_cast<uint32_t>(std::stoul(penalty.at(1)));
      }
      if (id == NodeId(command.option("wakeful", uint64_t{0}))) config.hibernate_ticks = 0;
      Start(id, {.hard_state = {}, .before = {}, .membership = membership, .entries = {}});
    }
  }

  void Start(NodeId id, const RaftDisk& disk) {
    // Other numbers at each start, as in life.
    const uint64_t seed = id.value() + 1000 * starts_[id]++;
    nodes_[id] = std::make_unique<RaftNode>(configs_.at(id), disk, seed);
    disks_.erase(id);
  }

  void Disk(const Command& command) {
    const NodeId id = command.node(0);
    RaftDisk disk = NodeOf(id).disk();
    disk.entries.clear();
    for (const std::string& position : Split(command.option("log", ""), ',')) {
      const std::vector<std::string> parts = Split(position, '/');
      const Term term(std::stoull(parts.at(0)));
      const std::string payload = fmt::format("old {}", position);
      disk.entries.push_back({.index = Index(std::stoull(parts.at(1))),
                              .term = term,
                              .kind = EntryKind::kData,
                              .payload = Bytes(payload)});
      disk.hard_state.term = std::max(disk.hard_state.term, term);
    }
    disk.hard_state.term = Term(command.option("term", disk.hard_state.term.value()));
    disk.hard_state.vote = NodeId(command.option("vote", uint64_t{0}));
    disk.hard_state.commit = Index(command.option("commit", uint64_t{0}));
    Start(id, disk);
    Absorb(id);
  }

  void Crash(const Command& command) {
    const NodeId id = command.node(0);
    disks_[id] = std::move(nodes_.at(id));
    nodes_.erase(id);
    if (command.has_word("keep")) return;
    for (auto& [link, messages] : links_) {
      if (link.second == id) messages.clear();
    }
  }

  void Restart(const Command& command) {
    const NodeId id = command.node(0);
    if (nodes_.contains(id)) Crash(command);
    const std::string standing = command.option("standing", "sound");
    configs_.at(id).standing = standing == "lost"        ? Standing::kLost
                               : standing == "ambiguous" ? Standing::kAmbiguous
                                                         : Standing::kSound;
    const RaftDisk disk = disks_.at(id)->disk(command.option("lose", uint64_t{0}));
    Start(id, disk);
    Absorb(id);
  }

  // ---- Inputs -----------------------------------------------------------------------

  void Tick(const Command& command) {
    for (uint64_t i = command.number_or(1, 1); i > 0; --i) {
      TickOnce(command.node(0));
    }
  }

  void TickOnce(NodeId id) {
    PassTicks(id, 1);
    Act(id, [](RaftCore& core) { core.Tick(); });
  }

  // Time that the node's clock shows.
  void PassTicks(NodeId id, uint64_t ticks) {
    RaftNode& node = NodeOf(id);
    node.SetTime(node.now() + static_cast<int64_t>(ticks) * node.config().tick_us);
  }

  void Pause(const Command& command) { PassTicks(command.node(0), command.number(1)); }

  void Campaign(const Command& command) {
    const size_t silent = out_.size();
    for (int i = 0; i < 100 && out_.size() == silent; ++i) {
      TickOnce(command.node(0));
    }
  }

  void Elect(const Command& command) {
    Campaign(command);
    Settle(Command("settle"));
  }

  void Propose(const Command& command) {
    for (uint64_t i = command.number_or(1, 1); i > 0; --i) {
      Position position;
      ProposeResult result = ProposeResult::kAccepted;
      const Bytes payload(std::string(command.option("bytes", 10), 'x'));
      RaftCore& core = NodeOf(command.node(0)).core();
      result = core.Propose(EntryKind::kData, payload, &position);
      if (result != ProposeResult::kAccepted) Print(command.node(0), Name(result));
    }
    Absorb(command.node(0));
  }

  void Read(const Command& command) {
    Act(command.node(0), [&](RaftCore& core) {
      for (size_t i = 1; i < command.size(); ++i) core.ReadIndex(command.number(i));
    });
  }

  void Change(const Command& command) {
    Act(command.node(0), [&](RaftCore& core) {
      Position position;
      const absl::Status status =
          core.ProposeChange({command.nodes("voters"), command.nodes("learners")}, &position);
      if (!status.ok()) Print(command.node(0), "refused: " + std::string(status.message()));
    });
  }

  void Transfer(const Command& command) {
    Act(command.node(0), [&](RaftCore& core) {
      if (!core.TransferLeadership(NodeId(command.option("to", uint64_t{0})))) {
        Print(command.node(0), "refused");
      }
    });
  }

  void Refuse(const Command& command) {
    NodeOf(command.node(0)).refuses_from = Index(command.number(1));
  }
  void LinkDown(const Command& command) {
    Act(command.node(0), [&](RaftCore& core) { core.OnLinkDown(command.node(1)); });
  }
  void LinkUp(const Command& command) {
    Act(command.node(0), [&](RaftCore& core) { core.OnLinkUp(command.node(1)); });
  }
  void Gone(const Command& command) {
    Act(command.node(0), [](RaftCore& core) { core.OnLeaderGone(); });
  }
  void Silent(const Command& command) {
    Act(command.node(0), [&](RaftCore& core) { core.OnNodeSilent(command.node(1)); });
  }
  void Heard(const Command& command) {
    Act(command.node(0), [&](RaftCore& core) { core.OnNodeHeard(command.node(1)); });
  }
  void Unreachable(const Command& command) {
    Act(command.node(0), [&](RaftCore& core) { core.OnUnreachable(command.node(1)); });
  }
  void Defer(const Command& command) { NodeOf(command.node(0)).defer_fills = true; }
  void Undefer(const Command& command) {
    NodeOf(command.node(0)).defer_fills = false;
    Act(command.node(0), [&](RaftCore& core) { core.OnAppendReady(command.node(1)); });
  }

  void Persist(const Command& command) {
    RaftNode& node = NodeOf(command.node(0));
    uint64_t count = command.has_word("all") ? node.writes_in_flight() : command.number_or(1, 1);
    for (; count > 0 && node.PersistNext(); --count) Absorb(command.node(0));
  }

  void Runs(const Command& command) { NodeOf(command.node(0)).run_entries = command.number(1); }

  void Fetched(const Command& command) {
    RaftNode& node = NodeOf(command.node(0));
    node.EndFetch(command.has_word("not") ? nullptr : &NodeOf(node.fetch()->from));
    Absorb(command.node(0));
  }

  void Trim(const Command& command) {
    NodeOf(command.node(0)).Trim(Index(command.number(1)));
    Absorb(command.node(0));
  }

  // ---- The network --------------------------------------------------------------------

  // Does `f` to messages of the links that the command names, oldest first.
  void ForLinks(const Command& command, const std::function<void(Message)>& f) {
    std::string pattern;
    uint64_t limit = UINT64_MAX;
    for (size_t i = 0; i < command.size(); ++i) {
      if (command.word(i).find("->") != std::string::npos) {
        pattern = command.word(i);
      } else {
        limit = command.number(i);
      }
    }
    const auto [from, to] = ParseLink(pattern.empty() ? "->" : pattern);
    std::vector<Message> chosen;
    for (auto& [link, messages] : links_) {
      if ((from && link.first != from) || (to && link.second != to)) continue;
      for (uint64_t i = 0; i < limit && !messages.empty(); ++i) {
        chosen.push_back(std::move(messages.front()));
        messages.pop_front();
      }
    }
    for (Message& message : chosen) f(std::move(message));
  }

  static Link ParseLink(const std::string& text) {
    const size_t arrow = text.find("->");
    const auto id = [](const std::string& s) { return NodeId(s.empty() ? 0 : std::stoull(s)); };
    return {id(text.substr(0, arrow)), id(text.substr(arrow + 2))};
  }

  void Deliver(const Command& command) {
    ForLinks(command, [&](Message message) { HandOver(std::move(message)); });
  }

  void Drop(const Command& command) {
    ForLinks(command, [](const Message&) {});
  }

  void Repeat(const Command& command) {
    auto& messages = links_[ParseLink(command.word(0))];
    messages.push_back(messages.front());
  }

  void Reverse(const Command& command) {
    auto& messages = links_[ParseLink(command.word(0))];
    std::reverse(messages.begin(), messages.end());
  }

  void Cut(const Command& command) {
    if (command.size() == 1) {
      cut_.insert(ParseLink(command.word(0)));
      return;
    }
    cut_.insert({command.node(0), command.node(1)});
    cut_.insert({command.node(1), command.node(0)});
  }

  void Heal(const Command&) { cut_.clear(); }

  void Settle(const Command& command) {
    std::set<NodeId> among;
    for (size_t i = 0; i < command.size(); ++i) among.insert(command.node(i));
    const auto in = [&](NodeId id) { return among.empty() || among.contains(id); };
    for (bool busy = true; busy;) {
      busy = false;
      for (auto& [id, node] : nodes_) {
        if (!in(id) || !node->PersistNext()) continue;
        busy = true;
        Absorb(id);
      }
      for (auto& [link, messages] : links_) {
        if (!in(link.first) || !in(link.second) || messages.empty()) continue;
        busy = true;
        Message message = std::move(messages.front());
        messages.pop_front();
        HandOver(std::move(message));
      }
    }
  }

  // ---- Views ----------------------------------------------------------------------------

  void Show(const Command& command) {
    for (size_t i = 0; i < command.size(); ++i) {
      const RaftNode& node = NodeOf(command.node(i));
      const RaftCore& core = node.core();
      std::string line =
          fmt::format("{} term={} leader={} commit={} persisted={} log=", Name(core.role()),
                      core.term(), core.leader(), core.commit(), core.persisted());
      line += core.terms().Before().index ? ToString(core.terms().Before()) + "|" : "";
      line += Describe(node.log());
      line += " " + ToString(core.membership());
      if (core.suspect()) line += " suspect";
      if (core.asleep()) line += " asleep";
      if (core.standing() != Standing::kSound) line += fmt::format(" {}", Name(core.standing()));
      Print(command.node(i), line);
    }
  }

  void ShowProgress(const Command& command) {
    for (const auto& [id, progress] : NodeOf(command.node(0)).core().progress()) {
      std::string line = fmt::format("{} match={} next={}", Name(progress.state()),
                                     progress.match(), progress.next());
      if (progress.inflight_messages() > 0) {
        line += fmt::format(" inflight={} bytes={}", progress.inflight_messages(),
                            progress.inflight_bytes());
      }
      if (progress.deferred()) line += " deferred";
      if (progress.unsound()) line += " unsound";
      Print(id, line);
    }
  }

  void ShowLinks(const Command&) {
    for (const auto& [link, messages] : links_) {
      for (const Message& message : messages) Print(ToString(message));
    }
  }

  std::map<NodeId, Config> configs_;
  std::map<NodeId, std::unique_ptr<RaftNode>> nodes_;
  std::map<NodeId, std::unique_ptr<RaftNode>> disks_;  // Of crashed nodes.
  std::map<NodeId, uint64_t> starts_;
  std::map<Link, std::deque<Message>> links_;
  std::set<Link> cut_;
  std::vector<std::string> out_;
};

}  // namespace

std::string RunRaftScript(const std::string& script) {
  Cluster cluster;
  std::string text;
  std::istringstream in(script);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("  ", 0) == 0) continue;  // An output of before.
    text += line + "\n";
    if (line.empty() || line[0] == '#') continue;
    cluster.Run(Command(line));
    for (const std::string& output : cluster.TakeOutput()) text += "  " + output + "\n";
  }
  return text;
}

}  // namespace cairn::consensus
