// `cairn doctor`: visits every member and prints what cli/diagnosis.h finds; with --local, what
// cli/local_checks.h finds on this machine.
#include <algorithm>
#include <memory>

#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/cluster_view.h"
#include "cli/diagnosis.h"
#include "cli/local_checks.h"
#include "cli/tool_commands.h"

namespace cairn::cli {
namespace {

constexpr absl::Duration kVisitTimeout = absl::Seconds(2);

// Set from what the node said between two looks at our clocks.
void CompareClocks(const Clock& clock, NodeVisit& visit) {
  if (visit.status.time_us == 0) return;  // An older node.
  const double now_ms = static_cast<double>(clock.Wall()) / kMicrosPerMilli;
  const double then_ms = static_cast<double>(visit.status.time_us) / kMicrosPerMilli;
  visit.clock_ahead_ms = then_ms - (now_ms - visit.round_trip_ms / 2);
}

NodeVisit Visit(Session& session, Admin& admin, const TlsOptions& tls, const MemberInfo& member) {
  const std::string& address = member.address;
  NodeVisit visit{.address = address, .name = member.name};
  // The first call also pays for the connection, so the second one is timed.
  auto status = admin.Status(address, false, {.timeout = kVisitTimeout});
  const MonoMicros started_us = session.clock().Mono();
  if (status.ok()) status = admin.Status(address, true, {.timeout = kVisitTimeout});
  visit.round_trip_ms = static_cast<double>(session.clock().Mono() - started_us) / kMicrosPerMilli;
  if (status.ok()) {
    visit.status = *std::move(status);
    CompareClocks(session.clock(), visit);
  } else {
    visit.error = ToStd(status.status().message());
  }
  visit.with_tls = tls.enabled;
  if (tls.enabled || !visit.error.empty()) {
    visit.certificate = LookAtCertificate(address, tls, kVisitTimeout);
  }
  return visit;
}

bool IsVisited(const std::vector<NodeVisit>& visits, const NodeVisit& other) {
  return std::any_of(visits.begin(), visits.end(), [&other](const NodeVisit& visit) {
    return visit.error.empty() && visit.status.cluster_id == other.status.cluster_id &&
           visit.status.node_id == other.status.node_id;
  });
}

// Endpoints that we were given and that lead to no member: to another cluster, perhaps.
void VisitStrangers(Session& session, Admin& admin, const ClientOptions& options,
                    std::vector<NodeVisit>& visits) {
  for (const std::string& endpoint : options.endpoints) {
    const bool listed = std::any_of(visits.begin(), visits.end(), [&](const NodeVisit& visit) {
      return visit.address == endpoint;
    });
    if (listed) continue;
    MemberInfo stranger;
    stranger.address = endpoint;
    NodeVisit visit = Visit(session, admin, options.tls, stranger);
    if (visit.error.empty() && !IsVisited(visits, visit)) visits.push_back(std::move(visit));
  }
}

ExitCode Show(Session& session, const DoctorView& view) {
  session.out().Show(view);
  return view.failures == 0 ? ExitCode::kOk : ExitCode::kUnavailable;
}

absl::StatusOr<ExitCode> RunDoctor(Session& session) {
  ASSIGN_OR_RETURN(Admin admin, session.admin());
  ASSIGN_OR_RETURN(const ClientOptions options, session.MakeClientOptions());
  std::vector<NodeVisit> visits;
  for (const MemberInfo& member : MembersOrEndpoints(session, admin)) {
    if (!IsExpected(member)) visits.push_back(Visit(session, admin, options.tls, member));
  }
  VisitStrangers(session, admin, options, visits);
  return Show(session, Diagnose(visits));
}

struct LocalOptions {
  bool local = false;
  std::string config_file;
  LocalNode node;
};

absl::StatusOr<ExitCode> RunLocally(Session& session, const LocalOptions& options) {
  LocalNode node;
  if (!options.config_file.empty()) {
    ASSIGN_OR_RETURN(node, ReadLocalNode(options.config_file));
  }
  if (!options.node.data_dir.empty()) node.data_dir = options.node.data_dir;
  if (!options.node.listen.empty()) node.listen = options.node.listen;
  if (node.data_dir.empty()) {
    return absl::InvalidArgumentError(
        "--local looks at one node: name it by --config FILE or --data-dir DIR");
  }
  return Show(session, DiagnoseLocally(node));
}

}  // namespace

Runner DeclareDoctor(CLI::App& app) {
  auto options = std::make_shared<LocalOptions>();
  app.add_flag("--local", options->local, "Look at a node's machine, which is this one");
  app.add_option("--config", options->config_file, "The node's configuration file");
  app.add_option("--data-dir", options->node.data_dir, "The node's directory");
  app.add_option("--listen", options->node.listen, "The node's \"host:port\"");
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    return options->local ? RunLocally(session, *options) : RunDoctor(session);
  };
}

}  // namespace cairn::cli
