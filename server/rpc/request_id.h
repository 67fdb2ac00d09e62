// The request id of a call: the caller's (metadata cairn-request-id), or one that is made here.
//
// It names the call in the lines of this node's logs and of the node that the call is forwarded to.
// A caller that sent none is told the one that was made,
// in the trailing metadata; one that sent its own knows it.
//
// gRPC gives a call no place for what belongs to it, so CallContexts makes the contexts of all
// calls: what a call carries besides stands in CallContext.
//
// Threads: any; the id never changes once it was asked for. Lifetime: as the call's.
#pragma once

#include <grpcpp/server_context.h>

#include <memory>
#include <string>

#include "absl/base/call_once.h"
#include "base/request_id.h"

namespace cairn::rpc {

class CallContext final : public grpc::CallbackServerContext {
 public:
  [[nodiscard]] const std::string& request_id() const;

 private:
  void Decide() const;

  mutable absl::once_flag decided_;
  mutable std::string request_id_;
};

// For grpc::ServerBuilder::SetContextAllocator.
class CallContexts final : public grpc::ContextAllocator {
 public:
  grpc::CallbackServerContext* NewCallbackServerContext() override { return new CallContext; }
  grpc::GenericCallbackServerContext* NewGenericCallbackServerContext() override;
  void Release(grpc::CallbackServerContext* context) override { delete context; }
  void Release(grpc::GenericCallbackServerContext* context) override;
};

// Requires: `context` is a call's of a server that was built with CallContexts.
[[nodiscard]] const std::string& RequestIdOf(const grpc::ServerContextBase& context);

}  // namespace cairn::rpc
