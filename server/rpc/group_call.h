// GroupCall: one unary call from its arrival to its answer.
//
//   handler: right -> bounds -> Route -> ToOp -> Post -> (worker) OnReply -> Fill -> Finish
//
// When this node does not lead the group, the call is passed on to the leader, unless its
// caller asked to be redirected. The forwarded call asks for redirection itself, so calls
// never travel in circles; one redirection (the leader moved, or was a replica that knows
// better) is followed.
//
// Threads: made on a gRPC thread, answered on a worker's or on a gRPC client thread, one
//   after the other. Lifetime: frees itself in OnDone, which comes after Finish and hence
//   after the one reply; a cancelled call too waits for its reply.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"
#include "server/rpc/call.h"
#include "server/rpc/convert.h"
#include "server/rpc/request_id.h"

namespace cairn::rpc {

// `Result` is the alternative of server::Reply that success brings.
template <class Result, class Request, class Response>
class GroupCall : public grpc::ServerUnaryReactor, private server::ReplySink {
 public:
  // `log` names the log on which the right is needed, and in refusals made here.
  GroupCall(Environment* environment, grpc::CallbackServerContext* context, Rpc rpc,
            std::string log, const Request* request, Response* response)
      : environment_(environment),
        context_(context),
        rpc_(rpc),
        log_(std::move(log)),
        request_(request),
        response_(response) {
    (void)RequestIdOf(*context);  // Decided while the call may still be told (request_id.h).
  }

  // Right, bounds, route, post. The op is made only for a call that will be posted.
  GroupCall* Start() {
    if (!IsAllowed()) return this;
    if (Refusal refusal = CheckRequest(*request_, environment_->bounds)) return Refuse(*refusal);
    auto route = Route(*environment_->node, log_, request_->log_id());
    if (auto* rejection = std::get_if<server::Rejection>(&route)) {
      OnRejection(std::move(*rejection));
    } else {
      Post(std::get<GroupId>(route), ToOp(*request_));
    }
    return this;
  }

  // Answers at once.
  GroupCall* Refuse(const server::Rejection& rejection) {
    End(ToStatus(rejection));
    return this;
  }

  void Post(GroupId group, server::RequestBody body) {
    group_ = group;
    const MonoMicros now = environment_->node->clock().Mono();
    server::Event event = server::Request{.reply_to = {this, 0},
                                          .body = std::move(body),
                                          .deadline = now + TimeLeftUs(*context_),
                                          .arrived = now};
    // The call may be answered, but not freed, before this returns: the handler has yet to
    // hand the reactor to gRPC.
    if (!environment_->node->PostAndRun(group, event)) {
      environment_->node->metrics().overloaded(server::Overload::kMailbox).Increment();
      Refuse(Overloaded(log_, "the worker's mailbox"));
    }
  }

 protected:
  // Whether the caller has the right that the call needs. If not, the call is refused here: the
  // first step of every Start.
  [[nodiscard]] bool IsAllowed() {
    Refusal refusal = environment_->authority.Check(*context_, rpc_, log_);
    if (refusal) Refuse(*refusal);
    return !refusal;
  }

  // The group has done it. The default fills the response in and ends the call.
  virtual void Complete(const Result& result) {
    Fill(result, *response_);
    End(grpc::Status::OK);
  }
  // The leader has answered a forwarded call with success; `response()` is its answer.
  virtual void CompleteForwarded() { End(grpc::Status::OK); }
  // This node refuses what was asked; the call may yet be passed on.
  virtual void OnRefusal(const server::Rejection& /*rejection*/) {}
  // The call is about to end with `status`.
  virtual void Ending(const grpc::Status& /*status*/) {}

  // Forwards the call when somebody else leads, else answers with the refusal.
  void OnRejection(server::Rejection rejection) {
    OnRefusal(rejection);
    NameLeader(rejection, *environment_->node);
    const bool forward = rejection.info.reason() == v1::REASON_NOT_LEADER &&
                         !rejection.info.leader_address().empty() && !WantsRedirect(*context_);
    if (forward) {
      Forward(rejection.info.leader_address());
    } else {
      Refuse(rejection);
    }
  }

  // The last thing that the call does.
  void End(const grpc::Status& status) {
    Ending(status);
    if (RuleOf(rpc_).audited) environment_->authority.Audit(*context_, rpc_, log_, status);
    this->Finish(status);
  }

  // Where the call was posted.
  [[nodiscard]] GroupId group() const { return group_; }
  [[nodiscard]] Environment& environment() { return *environment_; }
  [[nodiscard]] grpc::CallbackServerContext& context() { return *context_; }
  [[nodiscard]] const Request& request() const { return *request_; }
  [[nodiscard]] Response& response() { return *response_; }

 private:
  static constexpr int kMaxHops = 2;

  // A call to another node. Replaced by the next hop's.
  struct Hop {
    Hop(std::shared_ptr<grpc::Channel> channel, const grpc::CallbackServerContext& caller)
        : stub(std::move(channel)),
          context(grpc::ClientContext::FromCallbackServerContext(caller)) {}
    grpc::TemplatedGenericStub<Request, Response> stub;
    std::unique_ptr<grpc::ClientContext> context;
  };

  void OnReply(uint64_t /*token*/, server::Reply reply) override {
    if (auto* rejection = std::get_if<server::Rejection>(&reply)) {
      OnRejection(std::move(*rejection));
      return;
    }
    const auto* result = std::get_if<Result>(&reply);
    CHECK(result != nullptr);
    Complete(*result);
  }

  void Forward(const std::string& address) {
    ++hops_;
    address_ = address;
    hop_ = std::make_unique<Hop>(environment_->channels.To(address), *context_);
    hop_->context->AddMetadata(kLeaderHeader, kLeaderRedirect);
    hop_->context->AddMetadata(kRequestIdHeader, RequestIdOf(*context_));
    environment_->authority.PassOn(*context_, *hop_->context);
    hop_->context->set_deadline(std::chrono::system_clock::now() +
                                std::chrono::microseconds(TimeLeftUs(*context_)));
    response_->Clear();
    hop_->stub.UnaryCall(hop_->context.get(), RuleOf(rpc_).method, grpc::StubOptions(), request_,
                         response_,
                         [this](grpc::Status status) { OnForwarded(std::move(status)); });
  }

  // A failure of the transport carries no ErrorInfo, which says: unknown. It is passed on as
  // it is; so are the leader's refusals.
  void OnForwarded(grpc::Status status) {
    if (status.ok()) {
      CompleteForwarded();
      return;
    }
    const std::optional<v1::ErrorInfo> info = ErrorInfoOf(status);
    const bool again = info && info->reason() == v1::REASON_NOT_LEADER && hops_ < kMaxHops &&
                       !info->leader_address().empty() && info->leader_address() != address_;
    if (again) {
      Forward(info->leader_address());
    } else {
      End(status);
    }
  }

  void OnDone() override { delete this; }

  Environment* const environment_;
  grpc::CallbackServerContext* const context_;
  const Rpc rpc_;
  const std::string log_;
  const Request* const request_;
  Response* const response_;
  GroupId group_;
  // Where the call was forwarded to last.
  int hops_ = 0;
  std::string address_;
  std::unique_ptr<Hop> hop_;
};

// Starts a call that does no more than post and fill in.
template <class Result, class Request, class Response>
grpc::ServerUnaryReactor* StartCall(Environment* environment, grpc::CallbackServerContext* context,
                                    Rpc rpc, const Request* request, Response* response) {
  using Call = GroupCall<Result, Request, Response>;
  return (new Call(environment, context, rpc, request->log(), request, response))->Start();
}

// Answers a call that needs no group.
inline grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                        const grpc::Status& status) {
  (void)RequestIdOf(*context);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

}  // namespace cairn::rpc
