#include "server/rpc/log_service.h"

#include <grpcpp/alarm.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "server/rpc/append_stream.h"
#include "server/rpc/catalog_call.h"
#include "server/rpc/group_call.h"
#include "server/rpc/record_stream.h"

namespace cairn::rpc {
namespace {

using CreateCall = CatalogCall<v1::CreateLogRequest, v1::CreateLogResponse>;
using UpdateCall = CatalogCall<v1::UpdateLogRequest, v1::UpdateLogResponse>;
using DeleteCall = CatalogCall<v1::DeleteLogRequest, v1::DeleteLogResponse>;

// Of a call that was not done. A failure without a reason is the transport's to the leader.
std::string_view OutcomeOf(const grpc::Status& status) {
  const std::optional<v1::ErrorInfo> info = ErrorInfoOf(status);
  return ReasonName(info ? info->reason() : v1::REASON_OUTCOME_UNKNOWN);
}

// Counts and times itself. What was appended is counted by the node that leads the log.
class AppendCall final
    : public GroupCall<server::AppendDone, v1::AppendRequest, v1::AppendResponse> {
 public:
  AppendCall(Environment* environment, grpc::CallbackServerContext* context,
             const v1::AppendRequest* request, v1::AppendResponse* response)
      : GroupCall(environment, context, Rpc::kAppend, request->log(), request, response),
        arrived_(environment->node->clock().Mono()) {}

  AppendCall* StartWithinBudget() {
    const uint64_t bytes = request().ByteSizeLong();
    if (environment().appends.TryTake(bytes)) {
      bytes_ = bytes;
      StartWithinQuota();
    } else {
      environment().node->metrics().overloaded(server::Overload::kRequestBytes).Increment();
      Refuse(Overloaded(request().log(), "the node's memory for appends (--request-bytes)"));
    }
    return this;
  }

 private:
  void StartWithinQuota() {
    bill_ = BillFor(environment(), request().log(), environment().authority.QuotaOf(context()));
    // Whoever has no right must not use the log's quota up. (Start looks by itself.)
    if (!bill_.empty() && !IsAllowed()) return;
    const int64_t wait_us = bill_.empty() ? 0 : bill_.Claim(bytes_, arrived_);
    server::Metrics& metrics = environment().node->metrics();
    if (wait_us > kMaxHoldUs) {
      metrics.append_quota_refused_total.Increment();
      Refuse(bill_.Refusal(request().log(), wait_us, arrived_));
    } else if (wait_us > 0) {
      metrics.append_quota_held_total.Increment();
      hold_.Set(After(wait_us), [this](bool) { Start(); });
    } else {
      Start();
    }
  }

  void Complete(const server::AppendDone& done) override {
    times_ = done.times;
    GroupCall::Complete(done);
  }
  void OnRefusal(const server::Rejection& rejection) override {
    times_ = rejection.times;
    // The leader counts it, whoever takes it there.
    if (rejection.info.reason() == v1::REASON_NOT_LEADER) bill_.Return();
  }
  void CompleteForwarded() override {
    forwarded_ = true;
    GroupCall::CompleteForwarded();
  }

  void Ending(const grpc::Status& status) override {
    environment().appends.Give(bytes_);
    CountAppend(environment(), {.log = request().log(),
                                .request_id = RequestIdOf(context()),
                                .outcome = status.ok() ? kDone : OutcomeOf(status),
                                .began = arrived_,
                                .bytes = bytes_,
                                .records = static_cast<uint64_t>(request().records_size()),
                                .forwarded = forwarded_,
                                .times = times_});
  }

  const MonoMicros arrived_;
  uint64_t bytes_ = 0;  // Of the budget.
  QuotaBill bill_;
  grpc::Alarm hold_;
  server::AppendTimes times_;
  bool forwarded_ = false;
};

// Registers with the id of the log that the name stood for.
class RegisterCall final
    : public GroupCall<server::RegisterProducerDone, v1::RegisterProducerRequest,
                       v1::RegisterProducerResponse> {
 public:
  using GroupCall::GroupCall;

 private:
  void Complete(const server::RegisterProducerDone& done) override {
    Fill(done, response());
    response().set_log_id(group().value());
    End(grpc::Status::OK);
  }
};

// Adds the names and addresses that the node knows to what the group knows.
class DescribeCall final
    : public GroupCall<server::Described, v1::DescribeLogRequest, v1::DescribeLogResponse> {
 public:
  using GroupCall::GroupCall;

 private:
  void Complete(const server::Described& described) override {
    Fill(described, response());
    const server::Node& node = *environment().node;
    const auto view = node.catalog();
    const NodeId leader(response().leader_node_id());
    response().set_name(request().log());
    response().set_log_id(group().value());
    if (leader) response().set_leader_address(node.AddressOf(leader));
    if (response().has_archive()) DescribeArchive();
    for (v1::ReplicaInfo& replica : *response().mutable_replicas()) {
      const auto member = view->catalog.members().find(NodeId(replica.node_id()));
      if (member != view->catalog.members().end()) replica.set_node_name(member->second.name);
    }
    End(grpc::Status::OK);
  }

  void DescribeArchive() {
    v1::ArchiveStatus& status = *response().mutable_archive();
    if (server::Archive* archive = environment().node->archive()) {
      archive->Describe(group(), status);
    } else if (status.on()) {
      status.set_trouble("the node that was asked has no --archive-url");
    }
  }
};

// One page of the logs on which `filter` (null: anybody) has a right, in name order, without
// sorting those that do not belong to it.
void FillPage(const server::Catalog& catalog, const v1::ListLogsRequest& request,
              const Caller* filter, v1::ListLogsResponse& response) {
  std::vector<const server::CatalogLog*> logs;
  for (const auto& [id, log] : catalog.logs()) {
    if (log.name.compare(0, request.prefix().size(), request.prefix()) != 0) continue;
    if (filter != nullptr && !filter->Has(Need::kAnyRight, log.name)) continue;
    if (!request.page_token().empty() && log.name <= request.page_token()) continue;
    logs.push_back(&log);
  }
  const size_t page_size = request.page_size() == 0 ? kMaxPageSize : request.page_size();
  const size_t shown = std::min(page_size, logs.size());
  std::partial_sort(logs.begin(), logs.begin() + static_cast<ptrdiff_t>(shown), logs.end(),
                    [](const auto* a, const auto* b) { return a->name < b->name; });
  for (size_t i = 0; i < shown; ++i) Fill(*logs[i], *response.add_logs());
  if (shown < logs.size()) response.set_next_page_token(logs[shown - 1]->name);
}

template <class Request>
Refusal Parse(const grpc::ByteBuffer& bytes, Request& request) {
  grpc::ByteBuffer copy = bytes;  // Parsing spends the handle, not the bytes.
  if (grpc::SerializationTraits<Request>::Deserialize(&copy, &request).ok()) return std::nullopt;
  return Reject(v1::REASON_INVALID, "", "the request does not parse");
}

}  // namespace

grpc::ServerUnaryReactor* LogService::CreateLog(grpc::CallbackServerContext* context,
                                                const v1::CreateLogRequest* request,
                                                v1::CreateLogResponse* response) {
  return (new CreateCall(environment_, context, Rpc::kCreateLog, request->name(), request,
                         response))
      ->StartNew();
}

grpc::ServerUnaryReactor* LogService::UpdateLog(grpc::CallbackServerContext* context,
                                                const v1::UpdateLogRequest* request,
                                                v1::UpdateLogResponse* response) {
  return (new UpdateCall(environment_, context, Rpc::kUpdateLog, request->log(), request, response))
      ->StartExisting();
}

grpc::ServerUnaryReactor* LogService::DeleteLog(grpc::CallbackServerContext* context,
                                                const v1::DeleteLogRequest* request,
                                                v1::DeleteLogResponse* response) {
  return (new DeleteCall(environment_, context, Rpc::kDeleteLog, request->log(), request, response))
      ->StartExisting();
}

grpc::ServerUnaryReactor* LogService::DescribeLog(grpc::CallbackServerContext* context,
                                                  const v1::DescribeLogRequest* request,
                                                  v1::DescribeLogResponse* response) {
  return (new DescribeCall(environment_, context, Rpc::kDescribeLog, request->log(), request,
                           response))
      ->Start();
}

grpc::ServerUnaryReactor* LogService::ListLogs(grpc::CallbackServerContext* context,
                                               const v1::ListLogsRequest* request,
                                               v1::ListLogsResponse* response) {
  Refusal refusal = environment_->authority.Check(*context, Rpc::kListLogs, /*log=*/"");
  if (!refusal) refusal = CheckRequest(*request, environment_->bounds);
  if (refusal) return Answer(context, ToStatus(*refusal));
  const bool filtered = environment_->authority.IsOn();
  const Caller caller = filtered ? environment_->authority.CallerOf(*context) : Caller();
  FillPage(environment_->node->catalog()->catalog, *request, filtered ? &caller : nullptr,
           *response);
  return Answer(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* LogService::Append(grpc::CallbackServerContext* context,
                                             const v1::AppendRequest* request,
                                             v1::AppendResponse* response) {
  return (new AppendCall(environment_, context, request, response))->StartWithinBudget();
}

grpc::ServerBidiReactor<v1::AppendStreamRequest, v1::AppendStreamResponse>*
LogService::AppendStream(grpc::CallbackServerContext* context) {
  return (new rpc::AppendStream(environment_, context))->Start();
}

grpc::ServerUnaryReactor* LogService::RegisterProducer(grpc::CallbackServerContext* context,
                                                       const v1::RegisterProducerRequest* request,
                                                       v1::RegisterProducerResponse* response) {
  return (new RegisterCall(environment_, context, Rpc::kRegisterProducer, request->log(), request,
                           response))
      ->Start();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* LogService::Read(grpc::CallbackServerContext* context,
                                                             const grpc::ByteBuffer* bytes) {
  v1::ReadRequest request;
  Refusal refusal = Parse(*bytes, request);
  auto* stream = new RecordStream(environment_, context, RecordStream::Form::kRead, request.log());
  if (!refusal) refusal = stream->CheckAccess();
  if (!refusal) refusal = CheckRequest(request, environment_->bounds);
  if (refusal) return stream->Refuse(*refusal);
  auto route = Route(*environment_->node, request.log(), request.log_id());
  if (auto* rejection = std::get_if<server::Rejection>(&route)) return stream->Refuse(*rejection);
  server::TailOpen open;
  open.start = StartOf(request);
  open.bounded = true;
  open.end_seq = Seq(request.end_seq());
  open.max_records = request.max_records();
  return stream->Start(std::get<GroupId>(route), open, request.linearizable());
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* LogService::Tail(grpc::CallbackServerContext* context,
                                                             const grpc::ByteBuffer* bytes) {
  v1::TailRequest request;
  Refusal refusal = Parse(*bytes, request);
  auto* stream = new RecordStream(environment_, context, RecordStream::Form::kTail, request.log());
  if (!refusal) refusal = stream->CheckAccess();
  if (!refusal) refusal = CheckRequest(request, environment_->bounds);
  if (refusal) return stream->Refuse(*refusal);
  auto route = Route(*environment_->node, request.log(), request.log_id());
  if (auto* rejection = std::get_if<server::Rejection>(&route)) return stream->Refuse(*rejection);
  const uint64_t heartbeat_ms =
      request.heartbeat_ms() == 0 ? kDefaultHeartbeatMs : request.heartbeat_ms();
  server::TailOpen open;
  open.start = StartOf(request);
  open.heartbeat_us = heartbeat_ms * kMicrosPerMilli;
  return stream->Start(std::get<GroupId>(route), open, /*sync_first=*/false);
}

grpc::ServerUnaryReactor* LogService::Trim(grpc::CallbackServerContext* context,
                                           const v1::TrimRequest* request,
                                           v1::TrimResponse* response) {
  return StartCall<server::TrimDone>(environment_, context, Rpc::kTrim, request, response);
}

grpc::ServerUnaryReactor* LogService::RegisterSnapshot(grpc::CallbackServerContext* context,
                                                       const v1::RegisterSnapshotRequest* request,
                                                       v1::RegisterSnapshotResponse* response) {
  return StartCall<server::Done>(environment_, context, Rpc::kRegisterSnapshot, request, response);
}

}  // namespace cairn::rpc
