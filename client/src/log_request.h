// How calls about one log begin: their spec and the fields that every such request has.
//
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "cairn/log.h"
#include "client/src/core.h"

namespace cairn::client {

// Of a call on a log whose id is known, which does not wait for space.
inline CallSpec SpecOf(Method method, std::string_view log, const CallOptions& options) {
  CallSpec spec;
  spec.method = method;
  spec.log = std::string(log);
  spec.traits = {
      .idempotent = IsIdempotent(method), .log_known = true, .wait_out_storage_full = false};
  spec.options = options;
  return spec;
}

template <class Request>
Request For(const Log& log) {
  Request request;
  request.set_log(log.name());
  request.set_log_id(log.id().value());
  return request;
}

}  // namespace cairn::client
