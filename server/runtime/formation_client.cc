#include "server/runtime/formation_client.h"

#include <chrono>
#include <memory>

#include "base/strings.h"
#include "cairn/v1/peer.grpc.pb.h"

namespace cairn::server {
namespace {

constexpr auto kCallTimeout = std::chrono::seconds(1);
// Joining waits for the catalog's majority, and whoever joins has nothing else to do.
constexpr auto kJoinTimeout = std::chrono::seconds(5);

std::unique_ptr<cairn::v1::PeerService::Stub> Connect(const std::string& address, NodeTls* tls) {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return cairn::v1::PeerService::NewStub(OpenMemberChannel(address, tls, args));
}

template <class Response>
absl::StatusOr<Response> Result(const grpc::Status& status, bool tls, Response response) {
  if (status.ok()) return response;
  if (status.error_code() != grpc::StatusCode::UNAVAILABLE) {
    return absl::UnavailableError(ToAbsl(status.error_message()));
  }
  if (!tls) return absl::UnavailableError("it cannot be reached");
  // A handshake that fails looks like any failure to connect, but for the words.
  return absl::UnavailableError(ToAbsl("it cannot be reached: " + status.error_message()));
}

}  // namespace

absl::StatusOr<cairn::v1::IntroduceResponse> FormationClient::Introduce(
    const std::string& address, const cairn::v1::IntroduceRequest& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  cairn::v1::IntroduceResponse response;
  const grpc::Status status = Connect(address, tls_)->Introduce(&context, request, &response);
  return Result(status, tls_ != nullptr, std::move(response));
}

absl::StatusOr<cairn::v1::FormResponse> FormationClient::Form(
    const std::string& address, const cairn::v1::FormRequest& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  cairn::v1::FormResponse response;
  const grpc::Status status = Connect(address, tls_)->Form(&context, request, &response);
  return Result(status, tls_ != nullptr, std::move(response));
}

absl::StatusOr<cairn::v1::JoinResponse> FormationClient::Join(
    const std::string& address, const cairn::v1::JoinRequest& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kJoinTimeout);
  cairn::v1::JoinResponse response;
  const grpc::Status status = Connect(address, tls_)->Join(&context, request, &response);
  if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) {
    return absl::InvalidArgumentError(ToAbsl(status.error_message()));
  }
  // Details come from a node that has answered.
  if (!status.ok() && !status.error_details().empty()) {
    return absl::UnavailableError(ToAbsl(status.error_message()));
  }
  return Result(status, tls_ != nullptr, std::move(response));
}

absl::Status FormationClient::Settle(const std::string& address,
                                     const cairn::v1::SettleRequest& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  cairn::v1::SettleResponse response;
  const grpc::Status status = Connect(address, tls_)->Settle(&context, request, &response);
  return Result(status, tls_ != nullptr, response).status();
}

}  // namespace cairn::server
