#include "cairn/admin.h"

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "client/src/await.h"
#include "client/src/convert.h"
#include "client/src/core.h"

namespace cairn {
namespace {

using client::CallSpec;
using client::Method;
using client::Route;

CallSpec Spec(Method method, Route::Goal goal, const CallOptions& options) {
  CallSpec spec;
  spec.method = method;
  spec.goal = goal;
  spec.traits.idempotent = client::IsIdempotent(method);
  spec.options = options;
  return spec;
}

}  // namespace

void Admin::CreateLogAsync(std::string_view name, const CreateLogOptions& options,
                           CreateCallback done) {
  v1::CreateLogRequest request;
  request.set_name(std::string(name));
  *request.mutable_settings() = client::ToProto(options.settings);
  request.set_if_not_exists(options.if_not_exists);
  CallSpec spec = Spec(Method::kCreateLog, Route::Goal::kLeader, options.call);
  spec.traits.idempotent = options.if_not_exists;
  core_->CallFor<v1::CreateLogResponse>(
      spec, request, [done = std::move(done)](const absl::StatusOr<v1::CreateLogResponse>& got) {
        if (!got.ok()) return done(got.status());
        done(CreatedLog{.log_id = LogId{got->log_id()}, .created = got->created()});
      });
}

absl::StatusOr<CreatedLog> Admin::CreateLog(std::string_view name,
                                            const CreateLogOptions& options) {
  return client::Await<CreatedLog>(
      [&](CreateCallback done) { CreateLogAsync(name, options, std::move(done)); });
}

void Admin::DescribeLogAsync(std::string_view name, const CallOptions& options,
                             DescribeCallback done) {
  v1::DescribeLogRequest request;
  request.set_log(std::string(name));
  CallSpec spec = Spec(Method::kDescribeLog, Route::Goal::kAny, options);
  // A replica that has not yet heard of a log that was just created: ask all before believing.
  spec.traits.log_known = true;
  core_->CallFor<v1::DescribeLogResponse>(
      spec, request, [done = std::move(done)](const absl::StatusOr<v1::DescribeLogResponse>& got) {
        if (!got.ok()) return done(got.status());
        done(client::FromProto(*got));
      });
}

absl::StatusOr<LogDescription> Admin::DescribeLog(std::string_view name,
                                                  const CallOptions& options) {
  return client::Await<LogDescription>(
      [&](DescribeCallback done) { DescribeLogAsync(name, options, std::move(done)); });
}

absl::StatusOr<std::vector<LogSummary>> Admin::ListLogs(std::string_view prefix,
                                                        const CallOptions& options) {
  std::vector<LogSummary> logs;
  v1::ListLogsRequest request;
  request.set_prefix(std::string(prefix));
  do {
    ASSIGN_OR_RETURN(const auto page,
                     core_->CallAndWait<v1::ListLogsResponse>(
                         Spec(Method::kListLogs, Route::Goal::kAny, options), request));
    for (const v1::LogSummary& log : page.logs()) logs.push_back(client::FromProto(log));
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return logs;
}

absl::StatusOr<LogSettings> Admin::UpdateLog(std::string_view name, LogId log_id,
                                             const LogSettings& settings,
                                             const CallOptions& options) {
  v1::UpdateLogRequest request;
  request.set_log(std::string(name));
  request.set_log_id(log_id.value());
  *request.mutable_settings() = client::ToProto(settings);
  ASSIGN_OR_RETURN(const auto response,
                   core_->CallAndWait<v1::UpdateLogResponse>(
                       Spec(Method::kUpdateLog, Route::Goal::kLeader, options), request));
  return client::FromProto(response.settings());
}

absl::Status Admin::DeleteLog(std::string_view name, LogId log_id, const CallOptions& options) {
  v1::DeleteLogRequest request;
  request.set_log(std::string(name));
  request.set_log_id(log_id.value());
  return core_
      ->CallAndWait<v1::DeleteLogResponse>(Spec(Method::kDeleteLog, Route::Goal::kLeader, options),
                                           request)
      .status();
}

absl::StatusOr<NodeStatus> Admin::Status(std::string_view endpoint, bool with_groups,
                                         const CallOptions& options) {
  v1::StatusRequest request;
  request.set_with_groups(with_groups);
  CallSpec spec =
      Spec(Method::kStatus, endpoint.empty() ? Route::Goal::kAny : Route::Goal::kPinned, options);
  spec.endpoint = std::string(endpoint);
  std::string answered_by;
  ASSIGN_OR_RETURN(const auto response,
                   core_->CallAndWait<v1::StatusResponse>(spec, request, &answered_by));
  NodeStatus status = client::FromProto(response);
  status.endpoint = std::move(answered_by);
  return status;
}

absl::StatusOr<Members> Admin::GetMembers(const CallOptions& options) {
  ASSIGN_OR_RETURN(const auto response,
                   core_->CallAndWait<v1::MembersResponse>(
                       Spec(Method::kMembers, Route::Goal::kAny, options), v1::MembersRequest()));
  return client::FromProto(response);
}

absl::StatusOr<uint32_t> Admin::TransferLeadership(std::string_view log, NodeId to,
                                                   std::string_view endpoint,
                                                   const CallOptions& options) {
  if (log.empty() && endpoint.empty()) {
    return absl::InvalidArgumentError("name a log, or the node whose leaderships shall move");
  }
  v1::TransferLeadershipRequest request;
  request.set_log(std::string(log));
  request.set_to_node_id(to.value());
  CallSpec spec = Spec(Method::kTransferLeadership,
                       endpoint.empty() ? Route::Goal::kLeader : Route::Goal::kPinned, options);
  spec.log = std::string(log);
  spec.endpoint = std::string(endpoint);
  ASSIGN_OR_RETURN(const auto response,
                   core_->CallAndWait<v1::TransferLeadershipResponse>(spec, request));
  return response.transferred();
}

absl::StatusOr<StopAdvice> Admin::CanIStop(NodeId node_id, const CallOptions& options) {
  v1::CanIStopRequest request;
  request.set_node_id(node_id.value());
  ASSIGN_OR_RETURN(const auto response,
                   core_->CallAndWait<v1::CanIStopResponse>(
                       Spec(Method::kCanIStop, Route::Goal::kAny, options), request));
  return StopAdvice{.can_stop = response.can_stop(),
                    .logs = {response.logs().begin(), response.logs().end()}};
}

absl::StatusOr<NodeId> Admin::AddMember(const NewMember& member, const CallOptions& options) {
  v1::AddMemberRequest request;
  request.set_name(member.name);
  request.set_address(member.address);
  request.set_zone(member.zone);
  request.set_learner(member.learner);
  ASSIGN_OR_RETURN(const auto response,
                   core_->CallAndWait<v1::AddMemberResponse>(
                       Spec(Method::kAddMember, Route::Goal::kAny, options), request));
  return NodeId(response.node_id());
}

absl::Status Admin::ChangeMember(NodeId node_id, MemberState state, const CallOptions& options) {
  v1::ChangeMemberRequest request;
  request.set_node_id(node_id.value());
  request.set_state(client::ToProto(state));
  return core_
      ->CallAndWait<v1::ChangeMemberResponse>(
          Spec(Method::kChangeMember, Route::Goal::kAny, options), request)
      .status();
}

absl::StatusOr<std::vector<NodeId>> Admin::MoveReplica(std::string_view log, NodeId from, NodeId to,
                                                       const CallOptions& options) {
  v1::MoveReplicaRequest request;
  request.set_log(std::string(log));
  request.set_from_node_id(from.value());
  request.set_to_node_id(to.value());
  ASSIGN_OR_RETURN(const auto response,
                   core_->CallAndWait<v1::MoveReplicaResponse>(
                       Spec(Method::kMoveReplica, Route::Goal::kAny, options), request));
  std::vector<NodeId> replicas;
  for (const uint64_t id : response.replica_node_ids()) replicas.emplace_back(id);
  return replicas;
}

}  // namespace cairn
