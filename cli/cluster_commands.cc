// `cairn cluster …`: who is in the cluster, who leads what, and moving leaderships.
#include "base/check.h"
#include "base/status_macros.h"
#include "cli/cluster_view.h"
#include "cli/commands.h"
#include "cli/member_commands.h"

namespace cairn::cli {
namespace {

Runner DeclareStatus(CLI::App& app) {
  auto log = std::make_shared<std::string>();
  app.add_option("--log", *log, "Show only the logs whose names start with this");
  return [log](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(const ClusterStatusView view, CollectClusterStatus(session, *log));
    session.out().Show(view);
    return view.unreachable == 0 ? ExitCode::kOk : ExitCode::kUnavailable;
  };
}

struct MemberRowView {
  NodeId node_id;
  std::string name;
  std::string address;
  std::string zone;
  std::string state;
  uint64_t replicas = 0;
  Hash incarnation;
  template <class F>
  void Fields(F&& field) const {
    field("node_id", node_id);
    field("name", name);
    field("address", address);
    field("zone", zone);
    field("state", state);
    field("replicas", replicas);
    field("incarnation", incarnation);
  }
};

struct MembersView {
  std::string cluster_id;
  uint64_t moving = 0;  // Logs that are being moved.
  std::vector<MemberRowView> members;
  template <class F>
  void Fields(F&& field) const {
    field("cluster_id", cluster_id);
    field("moving", moving);
    field("members", members);
  }
};

const char* StateName(const MemberInfo& member) {
  if (member.incarnation == 0) return "expected";
  switch (member.state) {
    case MemberState::kActive:
      return "active";
    case MemberState::kLearner:
      return "learner";
    case MemberState::kDraining:
      return "draining";
    case MemberState::kLeaving:
      return "leaving";
  }
  CHECK_UNREACHABLE();
}

Runner DeclareMembers(CLI::App&) {
  return [](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Admin admin, session.admin());
    ASSIGN_OR_RETURN(const Members members, admin.GetMembers());
    MembersView view{.cluster_id = members.cluster_id, .moving = members.moving, .members = {}};
    for (const MemberInfo& member : members.members) {
      view.members.push_back({member.node_id,
                              member.name,
                              member.address,
                              member.zone,
                              StateName(member),
                              member.replicas,
                              {member.incarnation}});
    }
    session.out().Show(view);
    return ExitCode::kOk;
  };
}

struct TransferView {
  uint32_t transferred = 0;
  template <class F>
  void Fields(F&& field) const {
    field("transferred", transferred);
  }
};

Runner DeclareTransfer(CLI::App& app) {
  struct Options {
    std::string log;
    std::string from;
    bool all = false;
    std::string to;
  };
  auto options = std::make_shared<Options>();
  auto* log = app.add_option("LOG", options->log, "Log whose leadership moves")->type_name("");
  auto* all = app.add_flag("--all", options->all, "Move all leaderships of the node --from");
  auto* from = app.add_option("--from", options->from, "Node to relieve, by name, id or address")
                   ->type_name("NODE");
  app.add_option("--to", options->to, "New leader, by name, id or address; default: the best")
      ->type_name("NODE");
  all->excludes(log)->needs(from);
  from->needs(all);
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    if (options->log.empty() && !options->all) {
      return absl::InvalidArgumentError("name a log, or pass --all with --from NODE");
    }
    ASSIGN_OR_RETURN(Admin admin, session.admin());
    MemberInfo source;
    MemberInfo heir;
    if (options->all) {
      ASSIGN_OR_RETURN(source, FindMember(admin, options->from));
    }
    if (!options->to.empty()) {
      ASSIGN_OR_RETURN(heir, FindMember(admin, options->to));
    }
    ASSIGN_OR_RETURN(const uint32_t moved,
                     admin.TransferLeadership(options->log, heir.node_id, source.address));
    session.out().Show(TransferView{moved}, fmt::format("{} leaderships were handed over", moved));
    return ExitCode::kOk;
  };
}

struct StopAdviceView {
  std::string node;
  bool can_stop = false;
  std::vector<std::string> logs_at_risk;
  template <class F>
  void Fields(F&& field) const {
    field("node", node);
    field("can_stop", can_stop);
    field("logs_at_risk", logs_at_risk);
  }
};

Runner DeclareCanIStop(CLI::App& app) {
  auto node = std::make_shared<std::string>();
  app.add_option("NODE", *node, "The node, by name, id or address")->required()->type_name("");
  return [node](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Admin admin, session.admin());
    ASSIGN_OR_RETURN(const MemberInfo member, FindMember(admin, *node));
    ASSIGN_OR_RETURN(const StopAdvice advice, admin.CanIStop(member.node_id));
    session.out().Show(StopAdviceView{member.name, advice.can_stop, advice.logs});
    return advice.can_stop ? ExitCode::kOk : ExitCode::kConditionFailed;
  };
}

constexpr CommandSpec kCommands[] = {
    {"status", "show nodes and the role of each in every log",
     "Asks every member for its own view. A node that does not answer is listed as unreachable, "
     "and the exit code is then 6. LAG is the number of entries that the slowest voter lacks, as "
     "the leader counts them.",
     "cairn cluster status\ncairn cluster status --log cache/ -o json", DeclareStatus},
    {"members", "list the members as the catalog has them",
     "Lists ids, names, addresses, zones, what the cluster wants of them, and of how many logs "
     "they "
     "have replicas.",
     "cairn cluster members", DeclareMembers},
    {"add", "make room for a new node",
     "The node becomes a member when it is started under that name with --join and an empty data "
     "directory; the command to start it is printed. It follows the catalog first; then it gets "
     "replicas of new logs, and those that `drain`, `remove` and `move` bring to it.",
     "cairn cluster add n4 --address 10.0.0.4:7400 --zone c", DeclareAddMember},
    {"remove", "move everything off a node, and remove it for good",
     "Its replicas go to other members first, also when it is dead; with too few members, logs "
     "have "
     "fewer replicas. Its id and its data directory are never let in again. Ctrl-C ends the "
     "waiting; the cluster goes on.",
     "cairn cluster remove n3", DeclareRemoveMember},
    {"replace", "add a node, wait until it has joined, and remove another",
     "What OLD has goes to those with fewest replicas: to NEW before all. OLD may be dead.",
     "cairn cluster replace n3 n4 --address 10.0.0.4:7400", DeclareReplaceMember},
    {"promote", "make a learner an active member", "Also takes back that a node drains or leaves.",
     "cairn cluster promote n4", DeclarePromoteMember},
    {"drain", "move everything off a node, which stays a member",
     "It gets no replicas until --undo. Needs other members that can take what it has.",
     "cairn cluster drain n2\ncairn cluster drain n2 --undo", DeclareDrainMember},
    {"move", "move a log's replica to another node",
     "The new replica catches up before it votes, and only then the old one goes.",
     "cairn cluster move orders --from n1 --to n4", DeclareMoveReplica},
    {"transfer", "move a leadership, or all of a node",
     "Hands the leadership of a log to another replica without a gap in service; --all empties a "
     "node, for instance before it is stopped.",
     "cairn cluster transfer orders --to n2\ncairn cluster transfer --all --from n1",
     DeclareTransfer},
    {"can-i-stop", "ask whether a node can be stopped without harm",
     "Exit code 0: every log keeps its quorum without the node. 3: the listed logs would lose it.",
     "cairn cluster can-i-stop n1 && systemctl stop cairnd", DeclareCanIStop},
};

}  // namespace

std::span<const CommandSpec> ClusterCommands() { return kCommands; }

}  // namespace cairn::cli
