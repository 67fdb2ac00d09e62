// RpcServer: all that a node serves on its one address: the streams of its peers, and over gRPC
// the log, lease, cluster and peer services, grpc.health.v1.Health and server reflection.
//
// Stop order: SetServing(false) -> Node::Drain -> EndStreams -> Node::Stop -> Shutdown. The
//   node must be stopped before Shutdown, since that waits for calls which only the node's
//   workers can answer.
// Threads: gRPC's own serve; the calls below are for the process's main thread.
// Lifetime: `node` outlives this.
#pragma once

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/rpc/auth_service.h"
#include "server/rpc/backup_service.h"
#include "server/rpc/call.h"
#include "server/rpc/cluster_service.h"
#include "server/rpc/lease_service.h"
#include "server/rpc/log_service.h"
#include "server/rpc/peer_service.h"
#include "server/runtime/front_door.h"
#include "server/runtime/peer_receiver.h"

namespace cairn::rpc {

class RpcServer {
 public:
  // Listens on the node's `listen` address and serves. Health says NOT_SERVING at first.
  // Errors: kUnavailable when the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(server::Node* node);
  ~RpcServer();
  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;

  // What health checks are told, of every service.
  void SetServing(bool serving);
  // Ends the long-lived calls with SHUTTING_DOWN; new ones get the same answer.
  void EndStreams();
  // Ends the long-lived calls whose callers have lost their right, or their token's time is over.
  // To be called often; cheap while nothing has changed.
  void ReviewStreams();
  // Refuses new calls, waits up to `timeout_ms` for those under way and then cancels them.
  void Shutdown(int64_t timeout_ms);

  [[nodiscard]] int port() const { return door_->port(); }
  // To this server's services, without a socket; what is made of it ends before Shutdown.
  [[nodiscard]] std::shared_ptr<grpc::Channel> LocalChannel();
  // To another member.
  [[nodiscard]] std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address);

 private:
  explicit RpcServer(server::Node* node);

  Environment environment_;  // First: all of the below use it.
  LogService log_service_{&environment_};
  LeaseService lease_service_{&environment_};
  ClusterService cluster_service_{&environment_};
  AuthService auth_service_{&environment_};
  BackupService backup_service_{&environment_};
  PeerService peer_service_{&environment_};
  server::PeerReceiver peers_;
  uint64_t reviewed_changes_ = 0;  // Of the policy, at the last review.
  MonoMicros reviewed_at_ = 0;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;     // Its calls use all of the above.
  std::unique_ptr<server::FrontDoor> door_;  // Last: it hands connections to the above.
};

}  // namespace cairn::rpc
