#include "cli/member_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "cli/cluster_view.h"
#include "cli/member_wait.h"

namespace cairn::cli {
namespace {

// As many as the catalog gives a new log, where there are members for them.
constexpr int64_t kReplicasOfLog = 3;

struct NodeView {
  NodeId node_id;
  std::string name;
  std::string state;
  template <class F>
  void Fields(F&& field) const {
    field("node_id", node_id);
    field("name", name);
    field("state", state);
  }
};

struct MoveView {
  std::string log;
  std::vector<NodeId> replicas;
  template <class F>
  void Fields(F&& field) const {
    field("log", log);
    field("replicas", replicas);
  }
};

void AddNodeOptions(CLI::App& app, NewMember& member) {
  app.add_option("--address", member.address, "host:port where it will be reached: its --advertise")
      ->required()
      ->type_name("HOST:PORT");
  app.add_option("--zone", member.zone, "Failure domain: its --zone")->type_name("ZONE");
}

// What to type on the new node's machine.
std::string StartLine(const NewMember& member, const Members& members) {
  std::vector<std::string> addresses;
  for (const MemberInfo& known : members.members) {
    if (known.incarnation != 0 && addresses.size() < 3) addresses.push_back(known.address);
  }
  const std::string zone = member.zone.empty() ? "" : " --zone " + member.zone;
  return fmt::format(
      "start it with an empty data directory:\n  cairnd --name {} --data-dir DIR "
      "--advertise {}{} --join {}",
      member.name, member.address, zone, fmt::join(addresses, ","));
}

// To whoever adds a member a second time: it must not be started with an empty directory.
std::string HasJoined(const MemberInfo& member) {
  return fmt::format(
      "{0} has joined as node {1}: it starts with the directory that it has. If that is lost: "
      "`cairn cluster remove {0}`, and add it again",
      member.name, member.node_id);
}

std::optional<std::string> LackingToJoin(const Members& members, NodeId id,
                                         const std::string& name) {
  const MemberInfo* member = FindById(members, id);
  if (member == nullptr) return fmt::format("{} is no member any more", name);
  if (member->incarnation == 0) return fmt::format("waiting for {} to start and join", name);
  return std::nullopt;
}

// Whether somebody can take a replica from member `id`: the others that serve are as many as a log
// has replicas.
bool HasHeir(const Members& members, NodeId id) {
  const auto serving =
      std::count_if(members.members.begin(), members.members.end(), [&](const MemberInfo& member) {
        return member.node_id != id && member.state == MemberState::kActive &&
               member.incarnation != 0;
      });
  return serving >= kReplicasOfLog;
}

// Of a member that drains or leaves: until nothing is on it, or it is gone.
std::optional<std::string> LackingToEmpty(const Members& members, NodeId id, bool gone) {
  const MemberInfo* member = FindById(members, id);
  if (member == nullptr) return std::nullopt;
  if (!gone && member->replicas != 0 && members.moving == 0 && !HasHeir(members, id)) {
    return fmt::format(
        "{} has replicas of {} logs, and no other node can take them: `cairn cluster add` one, or "
        "have one that drains serve again",
        member->name, member->replicas);
  }
  if (member->replicas != 0) {
    return fmt::format("{} has replicas of {} logs; {} are being moved", member->name,
                       member->replicas, members.moving);
  }
  if (gone) return fmt::format("{} is empty, and about to be removed", member->name);
  return std::nullopt;
}

absl::StatusOr<ExitCode> Remove(Session& session, Admin& admin, const MemberInfo& member,
                                bool wait) {
  RETURN_IF_ERROR(admin.ChangeMember(member.node_id, MemberState::kLeaving));
  if (wait) {
    const ExitCode code = WaitForMembers(session, admin, [&](const Members& members) {
      return LackingToEmpty(members, member.node_id, /*gone=*/true);
    });
    if (code != ExitCode::kOk) return code;
  }
  const char* const state = wait ? "removed" : "leaving";
  session.out().Show(NodeView{member.node_id, member.name, state},
                     fmt::format("{} (node {}) is {}", member.name, member.node_id, state));
  return ExitCode::kOk;
}

}  // namespace

Runner DeclareAddMember(CLI::App& app) {
  auto member = std::make_shared<NewMember>();
  app.add_option("NAME", member->name, "Its --name")->required()->type_name("");
  AddNodeOptions(app, *member);
  app.add_flag("--learner", member->learner,
               "Follow the catalog only, without votes or replicas, until it is promoted");
  return [member](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Admin admin, session.admin());
    ASSIGN_OR_RETURN(const NodeId id, admin.AddMember(*member));
    ASSIGN_OR_RETURN(const Members members, admin.GetMembers());
    const MemberInfo* added = FindById(members, id);
    if (added != nullptr && added->incarnation != 0) {
      session.out().Show(NodeView{id, member->name, "joined"}, HasJoined(*added));
      return ExitCode::kOk;
    }
    session.out().Show(
        NodeView{id, member->name, "expected"},
        fmt::format("{} may join as node {}; {}", member->name, id, StartLine(*member, members)));
    return ExitCode::kOk;
  };
}

Runner DeclareRemoveMember(CLI::App& app) {
  auto node = std::make_shared<std::string>();
  auto no_wait = std::make_shared<bool>(false);
  app.add_option("NODE", *node, "The node, by name, id or address")->required()->type_name("");
  app.add_flag("--no-wait", *no_wait, "Note the wish and return");
  return [node, no_wait](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Admin admin, session.admin());
    ASSIGN_OR_RETURN(const MemberInfo member, FindMember(admin, *node));
    return Remove(session, admin, member, !*no_wait);
  };
}

Runner DeclareReplaceMember(CLI::App& app) {
  struct Options {
    std::string old_node;
    NewMember member;
  };
  auto options = std::make_shared<Options>();
  app.add_option("OLD", options->old_node, "The node that goes, by name, id or address")
      ->required()
      ->type_name("");
  app.add_option("NEW", options->member.name, "The --name of the one that comes")
      ->required()
      ->type_name("");
  AddNodeOptions(app, options->member);
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Admin admin, session.admin());
    ASSIGN_OR_RETURN(const MemberInfo old_member, FindMember(admin, options->old_node));
    const NewMember& member = options->member;
    ASSIGN_OR_RETURN(const NodeId id, admin.AddMember(member));
    ASSIGN_OR_RETURN(const Members members, admin.GetMembers());
    const MemberInfo* added = FindById(members, id);
    if (added != nullptr && added->incarnation == 0) session.out().Note(StartLine(member, members));
    const ExitCode joined = WaitForMembers(
        session, admin, [&](const Members& now) { return LackingToJoin(now, id, member.name); });
    if (joined != ExitCode::kOk) return joined;
    return Remove(session, admin, old_member, /*wait=*/true);
  };
}

Runner DeclarePromoteMember(CLI::App& app) {
  auto node = std::make_shared<std::string>();
  app.add_option("NODE", *node, "The node, by name, id or address")->required()->type_name("");
  return [node](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Admin admin, session.admin());
    ASSIGN_OR_RETURN(const MemberInfo member, FindMember(admin, *node));
    RETURN_IF_ERROR(admin.ChangeMember(member.node_id, MemberState::kActive));
    session.out().Show(NodeView{member.node_id, member.name, "active"},
                       fmt::format("{} (node {}) is active", member.name, member.node_id));
    return ExitCode::kOk;
  };
}

Runner DeclareDrainMember(CLI::App& app) {
  struct Options {
    std::string node;
    bool undo = false;
    bool no_wait = false;
  };
  auto options = std::make_shared<Options>();
  app.add_option("NODE", options->node, "The node, by name, id or address")
      ->required()
      ->type_name("");
  app.add_flag("--undo", options->undo, "Have it serve again");
  app.add_flag("--no-wait", options->no_wait, "Note the wish and return");
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Admin admin, session.admin());
    ASSIGN_OR_RETURN(const MemberInfo member, FindMember(admin, options->node));
    const MemberState state = options->undo ? MemberState::kActive : MemberState::kDraining;
    RETURN_IF_ERROR(admin.ChangeMember(member.node_id, state));
    if (!options->undo && !options->no_wait) {
      const ExitCode code = WaitForMembers(session, admin, [&](const Members& members) {
        return LackingToEmpty(members, member.node_id, /*gone=*/false);
      });
      if (code != ExitCode::kOk) return code;
    }
    const char* const word = options->undo ? "active" : "draining";
    session.out().Show(NodeView{member.node_id, member.name, word},
                       fmt::format("{} (node {}) is {}", member.name, member.node_id, word));
    return ExitCode::kOk;
  };
}

Runner DeclareMoveReplica(CLI::App& app) {
  struct Options {
    std::string log;
    std::string from;
    std::string to;
    bool no_wait = false;
  };
  auto options = std::make_shared<Options>();
  app.add_option("LOG", options->log, "The log")->required()->type_name("");
  app.add_option("--from", options->from,
                 "Member that gives its replica up, by name, id or address")
      ->required()
      ->type_name("NODE");
  app.add_option("--to", options->to, "Member that gets one, by name, id or address")
      ->required()
      ->type_name("NODE");
  app.add_flag("--no-wait", options->no_wait, "Note the wish and return");
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Admin admin, session.admin());
    ASSIGN_OR_RETURN(const MemberInfo from, FindMember(admin, options->from));
    ASSIGN_OR_RETURN(const MemberInfo to, FindMember(admin, options->to));
    ASSIGN_OR_RETURN(const std::vector<NodeId> replicas,
                     admin.MoveReplica(options->log, from.node_id, to.node_id));
    if (!options->no_wait) {
      const ExitCode code =
          WaitForMembers(session, admin, [&](const Members& now) -> std::optional<std::string> {
            const auto& moving = now.moving_logs;
            if (std::find(moving.begin(), moving.end(), options->log) == moving.end()) {
              return std::nullopt;
            }
            return fmt::format("{} is being moved from {} to {}", options->log, from.name, to.name);
          });
      if (code != ExitCode::kOk) return code;
    }
    session.out().Show(MoveView{options->log, replicas},
                       fmt::format("{} is on nodes {}", options->log, fmt::join(replicas, ", ")));
    return ExitCode::kOk;
  };
}

}  // namespace cairn::cli
