#include "server/rpc/lease_service.h"

#include <utility>

#include "server/rpc/group_call.h"
#include "server/rpc/ordered_stream.h"

namespace cairn::rpc {
namespace {

// Renewals of any leases; each stands alone: a refused one does not end the stream. Never
// forwarded: a follower answers NOT_LEADER.
class KeepAliveStream final : public OrderedStream<v1::KeepAliveRequest, v1::KeepAliveResponse> {
 public:
  KeepAliveStream(Environment* environment, grpc::CallbackServerContext* context)
      : OrderedStream(environment, context, Rpc::kKeepAlive) {}

 private:
  void Submit(uint64_t token, v1::KeepAliveRequest& request) override {
    const v1::RenewRequest& renew = request.renew();
    if (Refusal refusal = PostRenewal(token, renew)) Answer(token, Refused(*std::move(refusal)));
  }

  Refusal PostRenewal(uint64_t token, const v1::RenewRequest& renew) {
    if (Refusal refusal = access().Check(renew.log())) return refusal;
    if (Refusal refusal = CheckRequest(renew, environment().bounds)) return refusal;
    server::Node& node = *environment().node;
    auto route = Route(node, renew.log(), renew.log_id());
    if (auto* rejection = std::get_if<server::Rejection>(&route)) return std::move(*rejection);
    server::Event event = server::Request{
        .reply_to = {this, token}, .body = ToOp(renew), .deadline = DeadlineOf(context(), node)};
    if (node.Post(std::get<GroupId>(route), event)) return std::nullopt;
    node.metrics().overloaded(server::Overload::kMailbox).Increment();
    return Overloaded(renew.log(), "the worker's mailbox");
  }

  v1::KeepAliveResponse ToResponse(server::Reply reply) override {
    if (auto* rejection = std::get_if<server::Rejection>(&reply)) {
      return Refused(std::move(*rejection));
    }
    const auto* renewed = std::get_if<server::LeaseRenewed>(&reply);
    CHECK(renewed != nullptr);
    v1::KeepAliveResponse response;
    Fill(*renewed, *response.mutable_renewed());
    return response;
  }

  v1::KeepAliveResponse Refused(server::Rejection rejection) {
    NameLeader(rejection, *environment().node);
    v1::KeepAliveResponse response;
    response.set_code(CodeFor(rejection.info.reason()));
    response.set_message(std::move(rejection.message));
    *response.mutable_refused() = std::move(rejection.info);
    return response;
  }
};

}  // namespace

grpc::ServerUnaryReactor* LeaseService::Acquire(grpc::CallbackServerContext* context,
                                                const v1::AcquireRequest* request,
                                                v1::AcquireResponse* response) {
  return StartCall<server::LeaseGranted>(environment_, context, Rpc::kAcquire, request, response);
}

grpc::ServerUnaryReactor* LeaseService::Renew(grpc::CallbackServerContext* context,
                                              const v1::RenewRequest* request,
                                              v1::RenewResponse* response) {
  return StartCall<server::LeaseRenewed>(environment_, context, Rpc::kRenew, request, response);
}

grpc::ServerUnaryReactor* LeaseService::Release(grpc::CallbackServerContext* context,
                                                const v1::ReleaseRequest* request,
                                                v1::ReleaseResponse* response) {
  return StartCall<server::LeaseReleased>(environment_, context, Rpc::kRelease, request, response);
}

grpc::ServerUnaryReactor* LeaseService::Transfer(grpc::CallbackServerContext* context,
                                                 const v1::TransferRequest* request,
                                                 v1::TransferResponse* response) {
  return StartCall<server::LeaseGranted>(environment_, context, Rpc::kTransfer, request, response);
}

grpc::ServerUnaryReactor* LeaseService::Get(grpc::CallbackServerContext* context,
                                            const v1::GetRequest* request,
                                            v1::GetResponse* response) {
  return StartCall<server::LeaseView>(environment_, context, Rpc::kGetLease, request, response);
}

grpc::ServerBidiReactor<v1::KeepAliveRequest, v1::KeepAliveResponse>* LeaseService::KeepAlive(
    grpc::CallbackServerContext* context) {
  return (new KeepAliveStream(environment_, context))->Start();
}

}  // namespace cairn::rpc
