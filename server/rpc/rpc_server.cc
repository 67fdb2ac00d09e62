#include "server/rpc/rpc_server.h"

#include <fmt/format.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <mutex>

#include "server/runtime/peer_transport.h"

namespace cairn::rpc {
namespace {

// What a message may take beyond the records of one batch. It is that large for two reasons: a
// batch somewhat past its bound must still arrive, so that it can be refused with TOO_LARGE
// (what is past this too gets gRPC's own RESOURCE_EXHAUSTED), and a peer's request holds an
// entry into which several batches were put.
constexpr uint64_t kMessageSlackBytes = 32 << 20;

// Reflection and health are process-wide switches of gRPC.
void EnablePlugins() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

}  // namespace

RpcServer::RpcServer(server::Node* node) {
  environment_.node = node;
  environment_.bounds = BoundsOf(node->config());
}

RpcServer::~RpcServer() {
  if (server_ != nullptr) Shutdown(0);
}

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(server::Node* node) {
  EnablePlugins();
  std::unique_ptr<RpcServer> rpc(new RpcServer(node));
  grpc::ServerBuilder builder;
  server::AllowPeerStreams(builder);
  builder.SetMaxReceiveMessageSize(
      static_cast<int>(2 * node->config().max_batch_bytes + kMessageSlackBytes));
  // Two processes on one port would each get some of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(node->config().listen, grpc::InsecureServerCredentials(), &rpc->port_);
  builder.RegisterService(&rpc->log_service_);
  builder.RegisterService(&rpc->lease_service_);
  builder.RegisterService(&rpc->cluster_service_);
  builder.RegisterService(&rpc->peer_service_);
  rpc->server_ = builder.BuildAndStart();
  if (rpc->server_ == nullptr || rpc->port_ == 0) {
    return absl::UnavailableError(fmt::format("cannot listen on {}", node->config().listen));
  }
  rpc->SetServing(false);
  return rpc;
}

void RpcServer::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void RpcServer::EndStreams() { environment_.streams.CloseAll(); }

void RpcServer::Shutdown(int64_t timeout_ms) {
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms));
  server_->Wait();
}

}  // namespace cairn::rpc
