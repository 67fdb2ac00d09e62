#include "tests/sim/sim_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "cairn/v1/lease.pb.h"
#include "cairn/v1/log.pb.h"
#include "client/src/error_codec.h"
#include "server/rpc/bounds.h"
#include "server/rpc/convert.h"
#include "server/rpc/wire.h"
#include "tests/support/byte_buffer.h"

namespace cairn::sim {
namespace {

using client::Method;

constexpr std::string_view kEndpointPrefix = "node-";
constexpr uint64_t kTailCreditBytes = 1 << 20;
// An append stream's requests have no deadline of their own.
constexpr int64_t kStreamDeadlineUs = 30 * kMicrosPerSecond;

void NameLeader(server::Rejection& rejection) {
  if (rejection.info.reason() != v1::REASON_NOT_LEADER || rejection.info.actual() == 0) return;
  rejection.info.set_leader_address(EndpointOf(NodeId(rejection.info.actual())));
  rejection.info.clear_actual();
}

absl::Status StatusOf(server::Rejection rejection) {
  NameLeader(rejection);
  return client::RefusalStatus(rpc::CodeFor(rejection.info.reason()), rejection.message,
                               rejection.info);
}

absl::Status Refused() {
  return client::MarkNeverSent(absl::UnavailableError("connection refused"));
}
absl::Status Reset() { return absl::UnavailableError("connection reset"); }

// What log_service adds to what the group knows.
void Complete(GroupId group, v1::RegisterProducerResponse& response) {
  response.set_log_id(group.value());
}
template <class Response>
void Complete(GroupId, Response&) {}

}  // namespace

std::string EndpointOf(NodeId node) { return fmt::format("{}{}:1", kEndpointPrefix, node); }

NodeId NodeAt(const std::string& endpoint) {
  if (endpoint.compare(0, kEndpointPrefix.size(), kEndpointPrefix) != 0) return NodeId();
  uint64_t number = 0;
  std::from_chars(endpoint.data() + kEndpointPrefix.size(), endpoint.data() + endpoint.size(),
                  number);
  return NodeId(number);
}

std::optional<GroupId> SimService::Route(const std::string& name, uint64_t log_id) const {
  const auto found = std::find_if(logs_->begin(), logs_->end(),
                                  [&](const SimLog& log) { return log.name == name; });
  if (found == logs_->end() || (log_id != 0 && log_id != found->id.value())) return std::nullopt;
  return found->id;
}

// ---- Unary calls ------------------------------------------------------------------------

template <class Result, class Request, class Response>
void SimService::Unary(NodeId to, const std::string& bytes, int64_t timeout_us, Done done) {
  Request request;
  CHECK(request.ParseFromString(bytes));
  if (rpc::Refusal refusal = rpc::CheckRequest(request, rpc::Bounds())) {
    return done(StatusOf(*refusal), nullptr);
  }
  const auto group = Route(request.log(), request.log_id());
  if (!group) {
    return done(StatusOf(rpc::Reject(v1::REASON_LOG_NOT_FOUND, request.log(), "no such log")),
                nullptr);
  }
  const uint64_t token = next_token_++;
  const auto complete = [done, group](server::Reply reply) {
    if (auto* rejection = std::get_if<server::Rejection>(&reply)) {
      return done(StatusOf(std::move(*rejection)), nullptr);
    }
    auto response = std::make_unique<Response>();
    rpc::Fill(std::get<Result>(reply), *response);
    Complete(*group, *response);
    done(absl::OkStatus(), std::move(response));
  };
  pending_.emplace(token, Pending{to, complete, done});
  Post(to, *group, rpc::ToOp(request), timeout_us, token);
}

void SimService::Post(NodeId to, GroupId group, server::RequestBody body, int64_t timeout_us,
                      uint64_t token, bool* stream_broken) {
  SimNode& target = node(to);
  target.Post(group, server::Request{.reply_to = {this, token, stream_broken},
                                     .body = std::move(body),
                                     .deadline = target.clock().Mono() + timeout_us});
}

void SimService::Call(NodeId to, Method method, const std::string& bytes, int64_t timeout_us,
                      Done done) {
  if (!node(to).up()) return done(Refused(), nullptr);
  switch (method) {
    case Method::kAppend:
      return Unary<server::AppendDone, v1::AppendRequest, v1::AppendResponse>(to, bytes, timeout_us,
                                                                              std::move(done));
    case Method::kRegisterProducer:
      return Unary<server::RegisterProducerDone, v1::RegisterProducerRequest,
                   v1::RegisterProducerResponse>(to, bytes, timeout_us, std::move(done));
    case Method::kDescribeLog:
      return Unary<server::Described, v1::DescribeLogRequest, v1::DescribeLogResponse>(
          to, bytes, timeout_us, std::move(done));
    case Method::kAcquire:
      return Unary<server::LeaseGranted, v1::AcquireRequest, v1::AcquireResponse>(
          to, bytes, timeout_us, std::move(done));
    case Method::kRenew:
      return Unary<server::LeaseRenewed, v1::RenewRequest, v1::RenewResponse>(to, bytes, timeout_us,
                                                                              std::move(done));
    case Method::kRelease:
      return Unary<server::LeaseReleased, v1::ReleaseRequest, v1::ReleaseResponse>(
          to, bytes, timeout_us, std::move(done));
    case Method::kGetLease:
      return Unary<server::LeaseView, v1::GetRequest, v1::GetResponse>(to, bytes, timeout_us,
                                                                       std::move(done));
    default:
      CHECK_UNREACHABLE();  // No simulated user makes other calls.
  }
}

void SimService::OnReply(uint64_t token, server::Reply reply) {
  const auto found = pending_.find(token);
  if (found == pending_.end()) return;  // Of a connection that broke.
  const Pending pending = std::move(found->second);
  pending_.erase(found);
  pending.complete(std::move(reply));
}

// ---- Streams ------------------------------------------------------------------------------

uint64_t SimService::Open(NodeId to, Method method, StreamEvents events) {
  const uint64_t id = next_token_++;
  if (!node(to).up()) {
    events.on_closed(Refused());
    return id;
  }
  Stream& stream = streams_[id];
  stream.node = to;
  stream.method = method;
  stream.events = std::move(events);
  return id;
}

void SimService::Write(uint64_t id, const std::string& bytes) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  switch (found->second.method) {
    case Method::kAppendStream:
      return WriteAppend(id, found->second, bytes);
    case Method::kTail:
      return WriteTail(id, found->second, bytes);
    default:
      CHECK_UNREACHABLE();
  }
}

void SimService::WriteAppend(uint64_t id, Stream& stream, const std::string& bytes) {
  v1::AppendStreamRequest request;
  CHECK(request.ParseFromString(bytes));
  v1::AppendRequest& append = *request.mutable_append();
  const uint64_t slot = stream.first_slot + stream.slots.size();
  stream.slots.emplace_back();
  const auto refuse = [&](server::Rejection rejection) {
    stream.refused = true;
    AnswerSlot(id, slot, std::move(rejection));
  };
  if (stream.refused) {
    return refuse(rpc::Reject(v1::REASON_STREAM_BROKEN, append.log(), "the stream is broken"));
  }
  if (!stream.group) {
    if (rpc::Refusal refusal = rpc::CheckRequest(append, rpc::Bounds())) return refuse(*refusal);
    const auto group = Route(append.log(), append.log_id());
    if (!group) return refuse(rpc::Reject(v1::REASON_LOG_NOT_FOUND, append.log(), "no such log"));
    stream.group = *group;
    stream.log_id = append.log_id();
  } else {
    // What only the first request of a stream has to say.
    append.set_log_id(stream.log_id);
    if (rpc::Refusal refusal = rpc::CheckRecords(append, rpc::Bounds())) return refuse(*refusal);
  }
  const uint64_t token = next_token_++;
  const NodeId to = stream.node;
  const GroupId group = stream.group;
  pending_.emplace(
      token,
      Pending{to, [this, id, slot](server::Reply reply) { AnswerSlot(id, slot, std::move(reply)); },
              [](const absl::Status&, const MessagePtr&) {}});
  Post(to, group, rpc::ToOp(append), kStreamDeadlineUs, token, stream.broken_in_group.get());
}

// Answers leave in the order of the requests.
void SimService::AnswerSlot(uint64_t id, uint64_t slot, server::Reply reply) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  auto response = std::make_unique<v1::AppendStreamResponse>();
  if (auto* rejection = std::get_if<server::Rejection>(&reply)) {
    NameLeader(*rejection);
    response->set_code(rpc::CodeFor(rejection->info.reason()));
    response->set_message(rejection->message);
    *response->mutable_refused() = rejection->info;
  } else {
    rpc::Fill(std::get<server::AppendDone>(reply), *response->mutable_appended());
  }
  stream.slots[slot - stream.first_slot] = std::move(response);
  while (!stream.slots.empty() && stream.slots.front() != nullptr) {
    stream.events.on_message(std::move(stream.slots.front()), 0);
    stream.slots.pop_front();
    ++stream.first_slot;
  }
}

void SimService::WriteTail(uint64_t id, Stream& stream, const std::string& bytes) {
  v1::TailRequest request;
  CHECK(request.ParseFromString(bytes));
  if (rpc::Refusal refusal = rpc::CheckRequest(request, rpc::Bounds())) {
    return CloseStream(id, StatusOf(*refusal));
  }
  const auto group = Route(request.log(), request.log_id());
  if (!group) {
    return CloseStream(id, StatusOf(rpc::Reject(v1::REASON_LOG_NOT_FOUND, request.log(), "")));
  }
  stream.group = *group;
  server::TailOpen open;
  open.sink = this;
  open.token = id;
  open.start = rpc::StartOf(request);
  open.credit_bytes = kTailCreditBytes;
  open.heartbeat_us = static_cast<uint64_t>(request.heartbeat_ms()) * kMicrosPerMilli;
  if (open.heartbeat_us == 0) open.heartbeat_us = rpc::kDefaultHeartbeatMs * kMicrosPerMilli;
  node(stream.node).Post(stream.group, open);
}

void SimService::OnChunk(uint64_t token, server::TailChunk chunk) {
  const auto found = streams_.find(token);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  const uint64_t bytes = chunk.bytes();
  const uint64_t log_id = std::exchange(stream.told_log, true) ? 0 : stream.group.value();
  std::vector<server::TailChunk> chunks;
  chunks.push_back(std::move(chunk));
  auto response = std::make_unique<v1::TailResponse>();
  CHECK(response->ParseFromString(Flatten(rpc::EncodeTailResponse(chunks, log_id))));
  stream.events.on_message(std::move(response), bytes);
}

void SimService::OnEnd(uint64_t token, server::TailEnd end) {
  CloseStream(token, end.rejection ? StatusOf(*end.rejection) : absl::OkStatus());
}

void SimService::Taken(uint64_t id, uint64_t bytes) {
  const auto found = streams_.find(id);
  if (found == streams_.end() || bytes == 0) return;
  const Stream& stream = found->second;
  node(stream.node).Post(stream.group, server::TailCredit{this, id, bytes});
}

void SimService::CloseStream(uint64_t id, const absl::Status& status) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const StreamEvents events = std::move(found->second.events);
  marks_.push_back(std::move(found->second.broken_in_group));
  streams_.erase(found);
  events.on_closed(status);
}

void SimService::Cancel(uint64_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const Stream& stream = found->second;
  if (stream.method == Method::kTail && stream.group) {
    node(stream.node).Post(stream.group, server::TailClose{this, id});
  }
  marks_.push_back(std::move(found->second.broken_in_group));
  streams_.erase(found);
}

void SimService::OnCrash(NodeId gone) {
  std::vector<Done> calls;
  for (auto it = pending_.begin(); it != pending_.end();) {
    if (it->second.node != gone) {
      ++it;
      continue;
    }
    calls.push_back(std::move(it->second.done));
    it = pending_.erase(it);
  }
  for (const Done& done : calls) done(Reset(), nullptr);
  std::vector<uint64_t> ended;
  for (const auto& [id, stream] : streams_) {
    if (stream.node == gone) ended.push_back(id);
  }
  for (const uint64_t id : ended) CloseStream(id, Reset());
}

}  // namespace cairn::sim
