#include "server/rpc/rpc_server.h"

#include <fmt/format.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <mutex>

#include "base/check.h"
#include "base/status_macros.h"
#include "server/rpc/grpc_tls.h"
#include "server/rpc/request_id.h"

namespace cairn::rpc {
namespace {

// What a message may take beyond the records of one batch. It is that large since a
// batch somewhat past its bound must still arrive, so that it can be refused with TOO_LARGE
// (what is past this too gets gRPC's own RESOURCE_EXHAUSTED).
constexpr uint64_t kMessageSlackBytes = 32 << 20;
// What a caller may send ahead of this end's reading: a large append in one flight.
constexpr int kLookaheadBytes = 8 << 20;
// Clients may look this often whether their connection lives.
constexpr int kMinPingIntervalMs = 1000;
// From the first byte to the end of TLS's handshake and of HTTP/2's: who dribbles is cut off.
constexpr int kHandshakeTimeoutMs = 10'000;
// All headers of a call together; a token and the names of a log fit many times.
constexpr int kMaxHeaderBytes = 16 << 10;
// How long a stream may outlive its token's time.
constexpr int64_t kReviewEveryUs = kMicrosPerSecond;

// Reflection and health are process-wide switches of gRPC.
void EnablePlugins() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

}  // namespace

RpcServer::RpcServer(server::Node* node) : environment_(node), peers_(node) {}

RpcServer::~RpcServer() {
  if (server_ != nullptr) Shutdown(0);
}

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(server::Node* node) {
  EnablePlugins();
  std::unique_ptr<RpcServer> rpc(new RpcServer(node));
  ASSIGN_OR_RETURN(rpc->door_, server::FrontDoor::Listen(node->config().listen));
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(
      static_cast<int>(2 * node->config().max_batch_bytes + kMessageSlackBytes));
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             static_cast<int>(node->config().connection_calls));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kLookaheadBytes);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMinPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxHeaderBytes);
  using ConnectionType = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  rpc->acceptor_ = builder.experimental().AddExternalConnectionAcceptor(ConnectionType::FROM_FD,
                                                                        ServerCredentialsOf(*node));
  builder.SetContextAllocator(std::make_unique<CallContexts>());
  builder.RegisterService(&rpc->log_service_);
  builder.RegisterService(&rpc->lease_service_);
  builder.RegisterService(&rpc->cluster_service_);
  builder.RegisterService(&rpc->auth_service_);
  builder.RegisterService(&rpc->backup_service_);
  builder.RegisterService(&rpc->peer_service_);
  rpc->server_ = builder.BuildAndStart();
  CHECK(rpc->server_ != nullptr);
  rpc->SetServing(false);
  rpc->door_->Open(
      [peers = &rpc->peers_](Fd connection, int) { peers->Take(std::move(connection)); },
      [acceptor = rpc->acceptor_.get()](Fd connection, int listener) {
        grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
        parameters.listener_fd = listener;
        parameters.fd = connection.Release();
        acceptor->HandleNewConnection(&parameters);
      });
  return rpc;
}

std::shared_ptr<grpc::Channel> RpcServer::LocalChannel() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  return server_->InProcessChannel(arguments);
}

std::shared_ptr<grpc::Channel> RpcServer::ChannelTo(const std::string& address) {
  return environment_.channels.To(address);
}

void RpcServer::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void RpcServer::EndStreams() {
  environment_.streams.CloseAll();
  peers_.Stop();
}

void RpcServer::ReviewStreams() {
  const server::Node& node = *environment_.node;
  const uint64_t changes = node.access().changes();
  const MonoMicros now = node.clock().Mono();
  const bool may_expire = environment_.authority.IsOn() && now - reviewed_at_ >= kReviewEveryUs;
  if (changes == reviewed_changes_ && !may_expire) return;
  reviewed_changes_ = changes;
  reviewed_at_ = now;
  environment_.streams.ReviewAll();
}

void RpcServer::Shutdown(int64_t timeout_ms) {
  door_->Stop();
  peers_.Stop();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms));
  server_->Wait();
}

}  // namespace cairn::rpc
