#include "server/console/node_client.h"

#include <algorithm>
#include <utility>

#include "server/rpc/convert.h"

namespace cairn::console {
namespace {

constexpr uint32_t kListPage = 1000;

// Takes batches over until the plan's bound on bytes is reached; false then.
bool Take(v1::ReadResponse& response, const ReadPlan& plan, RecordPage& page, uint64_t& bytes) {
  if (response.stale()) page.stale = true;
  for (v1::RecordBatch& batch : *response.mutable_batches()) {
    for (const v1::Record& record : batch.records()) bytes += record.payload().size();
    page.next_seq = batch.first_seq() + static_cast<uint64_t>(batch.records_size());
    page.batches.push_back(std::move(batch));
    if (bytes >= plan.max_bytes) return false;
  }
  return true;
}

}  // namespace

NodeClient::NodeClient(std::shared_ptr<grpc::Channel> local, ChannelTo channel_to)
    : channel_to_(std::move(channel_to)),
      logs_(v1::LogService::NewStub(local)),
      cluster_(v1::ClusterService::NewStub(local)) {}

void NodeClient::Prepare(const Caller& caller, grpc::ClientContext& context) {
  context.set_deadline(caller.deadline);
  if (!caller.authorization.empty()) context.AddMetadata("authorization", caller.authorization);
}

grpc::Status NodeClient::Status(const Caller& caller, const v1::StatusRequest& request,
                                v1::StatusResponse& response) const {
  grpc::ClientContext context;
  Prepare(caller, context);
  return cluster_->Status(&context, request, &response);
}

grpc::Status NodeClient::Members(const Caller& caller, v1::MembersResponse& response) const {
  grpc::ClientContext context;
  Prepare(caller, context);
  return cluster_->Members(&context, v1::MembersRequest(), &response);
}

grpc::Status NodeClient::ListLogs(const Caller& caller, size_t max,
                                  std::vector<v1::LogSummary>& logs) const {
  v1::ListLogsRequest request;
  do {
    request.set_page_size(std::min(kListPage, static_cast<uint32_t>(max - logs.size())));
    grpc::ClientContext context;
    Prepare(caller, context);
    v1::ListLogsResponse response;
    grpc::Status status = logs_->ListLogs(&context, request, &response);
    if (!status.ok()) return status;
    for (v1::LogSummary& log : *response.mutable_logs()) logs.push_back(std::move(log));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && logs.size() < max);
  return grpc::Status::OK;
}

grpc::Status NodeClient::Describe(const Caller& caller, const std::string& log,
                                  v1::DescribeLogResponse& response) const {
  grpc::ClientContext context;
  Prepare(caller, context);
  v1::DescribeLogRequest request;
  request.set_log(log);
  return logs_->DescribeLog(&context, request, &response);
}

grpc::Status NodeClient::Transfer(const Caller& caller,
                                  const v1::TransferLeadershipRequest& request,
                                  v1::TransferLeadershipResponse& response) const {
  grpc::ClientContext context;
  Prepare(caller, context);
  return cluster_->TransferLeadership(&context, request, &response);
}

// Streams are not forwarded by nodes: one that has no replica names a node that has.
grpc::Status NodeClient::Read(const Caller& caller, const ReadPlan& plan, RecordPage& page) const {
  grpc::Status status = ReadFrom(*logs_, caller, plan, page);
  if (status.ok()) return status;
  const auto info = rpc::ErrorInfoOf(status);
  if (!info || info->reason() != v1::REASON_NOT_LEADER || info->leader_address().empty()) {
    return status;
  }
  const auto elsewhere = v1::LogService::NewStub(channel_to_(info->leader_address()));
  return ReadFrom(*elsewhere, caller, plan, page);
}

grpc::Status NodeClient::ReadFrom(v1::LogService::Stub& logs, const Caller& caller,
                                  const ReadPlan& plan, RecordPage& page) {
  v1::ReadRequest request;
  request.set_log(plan.log);
  request.set_log_id(plan.log_id);
  request.set_start_seq(plan.from_seq);
  request.set_max_records(plan.max_records);
  page = RecordPage{.next_seq = plan.from_seq};
  grpc::ClientContext context;
  Prepare(caller, context);
  const auto reader = logs.Read(&context, request);
  v1::ReadResponse response;
  uint64_t bytes = 0;
  while (reader->Read(&response)) {
    if (Take(response, plan, page, bytes)) continue;
    context.TryCancel();
    reader->Finish();
    return grpc::Status::OK;
  }
  return reader->Finish();
}

std::unique_ptr<v1::ClusterService::Stub> NodeClient::MemberAt(const std::string& address) const {
  return v1::ClusterService::NewStub(channel_to_(address));
}

}  // namespace cairn::console
