#include "server/rpc/cluster_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "server/rpc/catalog_call.h"
#include "server/rpc/counters.h"
#include "server/rpc/stop_survey.h"

namespace cairn::rpc {
namespace {

// One log's leadership.
class TransferOneCall final : public GroupCall<server::Done, v1::TransferLeadershipRequest,
                                               v1::TransferLeadershipResponse> {
 public:
  using GroupCall::GroupCall;

  TransferOneCall* StartOne() {
    if (!IsAllowed()) return this;
    if (Refusal refusal = CheckRequest(request(), environment().bounds)) {
      Refuse(*refusal);
      return this;
    }
    auto route = Route(*environment().node, request().log(), /*log_id=*/0);
    if (auto* rejection = std::get_if<server::Rejection>(&route)) {
      OnRejection(std::move(*rejection));
    } else {
      Post(std::get<GroupId>(route), ToOp(request()));
    }
    return this;
  }
};

// All leaderships of this node. Counts those that were handed over; a group that could not is
// no failure of the call. Freed in OnDone, after the last reply.
class TransferAllCall final : public grpc::ServerUnaryReactor, private server::ReplySink {
 public:
  TransferAllCall(Environment* environment, grpc::CallbackServerContext* context,
                  const v1::TransferLeadershipRequest* request,
                  v1::TransferLeadershipResponse* response)
      : environment_(environment), context_(context), request_(request), response_(response) {}

  TransferAllCall* Start() {
    Authority& authority = environment_->authority;
    if (Refusal refusal = authority.Check(*context_, Rpc::kTransferLeadership, /*log=*/"")) {
      End(ToStatus(*refusal));
      return this;
    }
    std::vector<GroupId> led;
    for (const server::GroupView& view : environment_->node->Groups()) {
      if (view.role == consensus::Role::kLeader && view.voters.size() > 1)
        led.push_back(view.group);
    }
    {
      // One more than there are requests, so that no reply ends the call before all are posted.
      absl::MutexLock lock(&mutex_);
      open_ = led.size() + 1;
    }
    for (const GroupId group : led) PostOne(group);
    Settle(false);
    return this;
  }

 private:
  void PostOne(GroupId group) {
    server::Event event = server::Request{.reply_to = {this, group.value()},
                                          .body = ToOp(*request_),
                                          .deadline = DeadlineOf(*context_, *environment_->node)};
    if (!environment_->node->Post(group, event)) Settle(false);
  }

  void OnReply(uint64_t /*token*/, server::Reply reply) override {
    Settle(std::holds_alternative<server::Done>(reply));
  }

  void Settle(bool transferred) {
    bool last = false;
    {
      absl::MutexLock lock(&mutex_);
      if (transferred) ++transferred_;
      last = --open_ == 0;
      if (last) response_->set_transferred(transferred_);
    }
    if (last) End(grpc::Status::OK);
  }

  void End(const grpc::Status& status) {
    environment_->authority.Audit(*context_, Rpc::kTransferLeadership, "*", status);
    Finish(status);
  }

  void OnDone() override { delete this; }

  Environment* const environment_;
  grpc::CallbackServerContext* const context_;
  const v1::TransferLeadershipRequest* const request_;
  v1::TransferLeadershipResponse* const response_;
  absl::Mutex mutex_;
  size_t open_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t transferred_ ABSL_GUARDED_BY(mutex_) = 0;
};

using AddMemberCall = CatalogCall<v1::AddMemberRequest, v1::AddMemberResponse>;
using ChangeMemberCall = CatalogCall<v1::ChangeMemberRequest, v1::ChangeMemberResponse>;

class MoveReplicaCall final : public CatalogCall<v1::MoveReplicaRequest, v1::MoveReplicaResponse> {
 public:
  using CatalogCall::CatalogCall;

 private:
  server::CatalogOp MakeOp() override {
    server::CatalogOp op = ToOp(request());
    const auto view = environment().node->catalog();
    // One that is not there is left to the leader to refuse.
    if (const server::CatalogLog* log = view->catalog.FindByName(request().log())) {
      op.command.mutable_log_placed()->set_log_id(log->id.value());
    }
    return op;
  }
};

}  // namespace

grpc::ServerUnaryReactor* ClusterService::Status(grpc::CallbackServerContext* context,
                                                 const v1::StatusRequest* request,
                                                 v1::StatusResponse* response) {
  Authority& authority = environment_->authority;
  if (Refusal refusal = authority.Check(*context, Rpc::kStatus, /*log=*/"")) {
    return Answer(context, ToStatus(*refusal));
  }
  const server::NodeStatus status = environment_->node->Status();
  response->set_node_id(status.node_id.value());
  response->set_node_name(status.name);
  response->set_cluster_id(status.cluster_id);
  response->set_version(CAIRN_VERSION);
  response->set_state(status.state);
  response->set_detail(status.detail);
  response->set_uptime_ms(status.uptime_ms);
  response->set_disk_free_bytes(status.disk_free_bytes);
  response->set_archive_location(status.archive_location);
  response->set_time_us(SystemClock().Wall());
  if (request->with_counters()) Fill(*environment_->node, *response->mutable_counters());
  if (request->with_groups()) FillGroups(*context, *response);
  return Answer(context, grpc::Status::OK);
}

void ClusterService::FillGroups(const grpc::CallbackServerContext& context,
                                v1::StatusResponse& response) {
  const bool filtered = environment_->authority.IsOn();
  const Caller caller = filtered ? environment_->authority.CallerOf(context) : Caller();
  for (const server::GroupView& view : environment_->node->Groups()) {
    const bool is_catalog = view.group == kCatalogGroup;
    const Need need = is_catalog ? Need::kPrincipal : Need::kAnyRight;
    if (filtered && !caller.Has(need, view.name)) continue;
    Fill(view, *response.add_groups());
  }
}

grpc::ServerUnaryReactor* ClusterService::Members(grpc::CallbackServerContext* context,
                                                  const v1::MembersRequest* /*request*/,
                                                  v1::MembersResponse* response) {
  if (Refusal refusal = environment_->authority.Check(*context, Rpc::kMembers, /*log=*/"")) {
    return Answer(context, ToStatus(*refusal));
  }
  Fill(environment_->node->catalog()->catalog, *response);
  return Answer(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ClusterService::TransferLeadership(
    grpc::CallbackServerContext* context, const v1::TransferLeadershipRequest* request,
    v1::TransferLeadershipResponse* response) {
  if (request->log().empty()) {
    return (new TransferAllCall(environment_, context, request, response))->Start();
  }
  return (new TransferOneCall(environment_, context, Rpc::kTransferLeadership, request->log(),
                              request, response))
      ->StartOne();
}

grpc::ServerUnaryReactor* ClusterService::CanIStop(grpc::CallbackServerContext* context,
                                                   const v1::CanIStopRequest* request,
                                                   v1::CanIStopResponse* response) {
  if (Refusal refusal = environment_->authority.Check(*context, Rpc::kCanIStop, /*log=*/"")) {
    return Answer(context, ToStatus(*refusal));
  }
  const auto view = environment_->node->catalog();
  const NodeId stopping(request->node_id());
  if (view->catalog.members().count(stopping) == 0) {
    return Answer(context, ToStatus(Reject(v1::REASON_INVALID, "",
                                           fmt::format("node {} is no member", stopping))));
  }
  return (new StopSurvey(environment_, context, stopping, response))->Start();
}

grpc::ServerUnaryReactor* ClusterService::AddMember(grpc::CallbackServerContext* context,
                                                    const v1::AddMemberRequest* request,
                                                    v1::AddMemberResponse* response) {
  return (new AddMemberCall(environment_, context, Rpc::kAddMember, "", request, response))
      ->StartNew();
}

grpc::ServerUnaryReactor* ClusterService::ChangeMember(grpc::CallbackServerContext* context,
                                                       const v1::ChangeMemberRequest* request,
                                                       v1::ChangeMemberResponse* response) {
  return (new ChangeMemberCall(environment_, context, Rpc::kChangeMember, "", request, response))
      ->StartNew();
}

grpc::ServerUnaryReactor* ClusterService::MoveReplica(grpc::CallbackServerContext* context,
                                                      const v1::MoveReplicaRequest* request,
                                                      v1::MoveReplicaResponse* response) {
  return (new MoveReplicaCall(environment_, context, Rpc::kMoveReplica, request->log(), request,
                              response))
      ->StartNew();
}

}  // namespace cairn::rpc
