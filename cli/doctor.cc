// `cairn doctor`: visits every member and prints what cli/diagnosis.h finds.
#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/cluster_view.h"
#include "cli/diagnosis.h"
#include "cli/tool_commands.h"

namespace cairn::cli {
namespace {

constexpr absl::Duration kVisitTimeout = absl::Seconds(2);

NodeVisit Visit(Session& session, Admin& admin, const std::string& address) {
  NodeVisit visit{.address = address};
  // The first call also pays for the connection, so the second one is timed.
  auto status = admin.Status(address, false, {.timeout = kVisitTimeout});
  const MonoMicros started_us = session.clock().Mono();
  if (status.ok()) status = admin.Status(address, true, {.timeout = kVisitTimeout});
  visit.round_trip_ms = static_cast<double>(session.clock().Mono() - started_us) / kMicrosPerMilli;
  if (status.ok()) {
    visit.status = *std::move(status);
  } else {
    visit.error = ToStd(status.status().message());
  }
  return visit;
}

absl::StatusOr<ExitCode> RunDoctor(Session& session) {
  ASSIGN_OR_RETURN(Admin admin, session.admin());
  std::vector<NodeVisit> visits;
  for (const MemberInfo& member : MembersOrEndpoints(session, admin)) {
    visits.push_back(Visit(session, admin, member.address));
  }
  const DoctorView view = Diagnose(visits);
  session.out().Show(view);
  return view.failures == 0 ? ExitCode::kOk : ExitCode::kUnavailable;
}

}  // namespace

Runner DeclareDoctor(CLI::App&) { return RunDoctor; }

}  // namespace cairn::cli
