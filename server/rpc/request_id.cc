#include "server/rpc/request_id.h"

#include <grpcpp/generic/async_generic_service.h>

#include <string_view>

#include "base/check.h"

namespace cairn::rpc {

const std::string& CallContext::request_id() const {
  absl::call_once(decided_, &CallContext::Decide, this);
  return request_id_;
}

void CallContext::Decide() const {
  const auto sent = client_metadata().find(kRequestIdHeader);
  if (sent != client_metadata().end()) {
    const std::string_view id(sent->second.data(), sent->second.size());
    if (IsRequestId(id)) {
      request_id_ = id;
      return;
    }
  }
  request_id_ = MakeRequestId();
  // Sent when the call ends.
  const_cast<CallContext*>(this)->AddTrailingMetadata(kRequestIdHeader, request_id_);
}

grpc::GenericCallbackServerContext* CallContexts::NewGenericCallbackServerContext() {
  return new grpc::GenericCallbackServerContext;
}

void CallContexts::Release(grpc::GenericCallbackServerContext* context) { delete context; }

const std::string& RequestIdOf(const grpc::ServerContextBase& context) {
  const auto* call = dynamic_cast<const CallContext*>(&context);
  CHECK(call != nullptr);
  return call->request_id();
}

}  // namespace cairn::rpc
