// AppendStream: pipelined appends to one log.
//
// A stream never leaves a hole: after the first refusal every later request is refused too.
// Refusals made here end the stream here; for those made in the group, which may already hold
// later requests of the stream, the group marks the stream broken at the moment it refuses
// (ReplyTo::stream_broken).
//
// A follower answers NOT_LEADER: a stream is never forwarded.
#pragma once

#include <string>
#include <string_view>

#include "server/rpc/ordered_stream.h"

namespace cairn::rpc {

class AppendStream final : public OrderedStream<v1::AppendStreamRequest, v1::AppendStreamResponse> {
 public:
  AppendStream(Environment* environment, grpc::CallbackServerContext* context)
      : OrderedStream(environment, context, Rpc::kAppendStream) {}

 private:
  void Submit(uint64_t token, v1::AppendStreamRequest& request) override;
  v1::AppendStreamResponse ToResponse(server::Reply reply) override;
  int64_t HoldUs(const v1::AppendStreamRequest& request) override;

  // Finds the log of the first request; makes later ones speak of it.
  Refusal NameLog(v1::AppendRequest& append);
  Refusal PostAppend(uint64_t token, v1::AppendRequest& append);
  v1::AppendStreamResponse Refused(server::Rejection rejection);
  // One request, at its answer.
  void Count(std::string_view outcome, const server::AppendTimes& times);

  // Below: only HoldUs and Submit, which are called in turn.
  std::string log_;  // Empty before the first request.
  uint64_t log_id_ = 0;
  GroupId group_;
  bool refused_ = false;   // By this node, before the group saw it.
  Refusal early_refusal_;  // Of the next request: no right, or over a quota.

  // The group's mark; touched by its worker only. Outlives every posted request.
  bool broken_in_group_ = false;
};

}  // namespace cairn::rpc
