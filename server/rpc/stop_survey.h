// StopSurvey: would any log lose its quorum if a node stopped? Asks every other member for its
// status and counts, for each log and for the catalog, the replicas that would remain: those on
// members that answer, are not draining, have not halted the log, and lack nothing of it that they
// acknowledged.
//
// Threads: made on a gRPC thread; answers come on gRPC client threads. Lifetime: frees itself in
//   OnDone, after the last answer. Bound: kMaxLogs logs are named.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "cairn/v1/cluster.grpc.pb.h"
#include "server/rpc/call.h"

namespace cairn::rpc {

// The part that decides. `answers` holds what the members other than `stopping` said of
// themselves; who is missing there did not answer. `catalog_voters` vote in the catalog's group.
// A log that is being moved must keep the quorum of those that shall vote and of all that hold it.
void JudgeStop(const server::Catalog& catalog, const std::vector<NodeId>& catalog_voters,
               NodeId stopping, const std::vector<v1::StatusResponse>& answers,
               v1::CanIStopResponse& response);

class StopSurvey final : public grpc::ServerUnaryReactor {
 public:
  // Asks on behalf of whoever called: members tell them what they may know.
  StopSurvey(Environment* environment, grpc::CallbackServerContext* context, NodeId stopping,
             v1::CanIStopResponse* response);

  StopSurvey* Start();

 private:
  // One member's call.
  struct Inquiry {
    explicit Inquiry(std::shared_ptr<grpc::Channel> channel) : stub(std::move(channel)) {}
    grpc::TemplatedGenericStub<v1::StatusRequest, v1::StatusResponse> stub;
    grpc::ClientContext context;
    v1::StatusResponse response;
  };

  void Settle(const v1::StatusResponse* answer);
  void OnDone() override;

  Environment* const environment_;
  grpc::CallbackServerContext* const context_;
  const NodeId stopping_;
  v1::CanIStopResponse* const response_;
  const std::shared_ptr<const server::CatalogView> view_;
  const std::vector<NodeId> catalog_voters_;  // As this node knows them.
  v1::StatusRequest request_;
  std::vector<std::unique_ptr<Inquiry>> inquiries_;  // Filled before the first is started.

  absl::Mutex mutex_;
  size_t open_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<v1::StatusResponse> answers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::rpc
