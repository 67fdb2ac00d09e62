#include "server/rpc/append_stream.h"

#include <fmt/format.h>

#include <utility>

#include "server/rpc/bounds.h"
#include "server/rpc/convert.h"
#include "server/rpc/request_id.h"

namespace cairn::rpc {

void AppendStream::Submit(uint64_t token, v1::AppendStreamRequest& request) {
  v1::AppendRequest& append = *request.mutable_append();
  if (refused_) {
    Answer(token,
           Refused(Reject(v1::REASON_STREAM_BROKEN, log_,
                          fmt::format("{}: an earlier request of this stream was refused", log_))));
    return;
  }
  Refusal refusal = std::move(early_refusal_);
  if (!refusal) refusal = NameLog(append);
  if (!refusal) refusal = PostAppend(token, append);
  if (!refusal) return;
  refused_ = true;
  Answer(token, Refused(*std::move(refusal)));
}

int64_t AppendStream::HoldUs(const v1::AppendStreamRequest& request) {
  if (refused_) return 0;
  const std::string& log = log_.empty() ? request.append().log() : log_;
  early_refusal_ = access().Check(log);
  if (early_refusal_) return 0;
  QuotaBill bill = BillFor(environment(), log, access().Quota());
  if (bill.empty()) return 0;
  const MonoMicros now = environment().node->clock().Mono();
  const int64_t wait_us = bill.Claim(request.append().ByteSizeLong(), now);
  if (wait_us == 0) return 0;
  server::Metrics& metrics = environment().node->metrics();
  if (wait_us <= kMaxHoldUs) {
    metrics.append_quota_held_total.Increment();
    return wait_us;
  }
  metrics.append_quota_refused_total.Increment();
  early_refusal_ = bill.Refusal(log, wait_us, now);
  return 0;
}

Refusal AppendStream::NameLog(v1::AppendRequest& append) {
  if (log_.empty()) {
    if (Refusal refusal = CheckRequest(append, environment().bounds)) return refusal;
    auto route = Route(*environment().node, append.log(), append.log_id());
    if (auto* rejection = std::get_if<server::Rejection>(&route)) return std::move(*rejection);
    group_ = std::get<GroupId>(route);
    log_ = append.log();
    log_id_ = append.log_id();
    return std::nullopt;
  }
  const bool other_log = !append.log().empty() && append.log() != log_;
  const bool other_id = append.log_id() != 0 && append.log_id() != group_.value();
  if (other_log || other_id) {
    return Reject(v1::REASON_INVALID, log_,
                  fmt::format("{}: the stream is of log {}, a request names {} (id {})", log_,
                              group_, append.log(), append.log_id()));
  }
  append.set_log(log_);
  append.set_log_id(log_id_);
  return CheckRecords(append, environment().bounds);
}

Refusal AppendStream::PostAppend(uint64_t token, v1::AppendRequest& append) {
  const MonoMicros now = environment().node->clock().Mono();
  server::Event event = server::Request{.reply_to = {this, token, &broken_in_group_},
                                        .body = ToOp(append),
                                        .deadline = now + TimeLeftUs(context()),
                                        .arrived = now};
  if (environment().node->PostAndRun(group_, event)) return std::nullopt;
  environment().node->metrics().overloaded(server::Overload::kMailbox).Increment();
  return Overloaded(log_, "the worker's mailbox");
}

v1::AppendStreamResponse AppendStream::ToResponse(server::Reply reply) {
  if (auto* rejection = std::get_if<server::Rejection>(&reply)) {
    return Refused(std::move(*rejection));
  }
  const auto* done = std::get_if<server::AppendDone>(&reply);
  CHECK(done != nullptr);
  Count(kDone, done->times);
  v1::AppendStreamResponse response;
  Fill(*done, *response.mutable_appended());
  return response;
}

void AppendStream::Count(std::string_view outcome, const server::AppendTimes& times) {
  const MonoMicros now = environment().node->clock().Mono();
  CountAppend(environment(), {.log = log_,
                              .request_id = RequestIdOf(context()),
                              .outcome = outcome,
                              .began = times.arrived == 0 ? now : times.arrived,
                              .bytes = times.bytes,
                              .records = times.records,
                              .times = times});
}

v1::AppendStreamResponse AppendStream::Refused(server::Rejection rejection) {
  Count(ReasonName(rejection.info.reason()), rejection.times);
  NameLeader(rejection, *environment().node);
  v1::AppendStreamResponse response;
  response.set_code(CodeFor(rejection.info.reason()));
  response.set_message(std::move(rejection.message));
  *response.mutable_refused() = std::move(rejection.info);
  return response;
}

}  // namespace cairn::rpc
