// Requests of clients, from their bytes to the answer, through the real parts of the service:
// parse, bounds (server/rpc/bounds.h), conversion (convert.h), the worker with its groups and log
// state over a store in memory, and back (Fill, ToStatus, wire.h).
//
// The input is steps: a byte for the method, a byte for how much time passes before, and the
// request's bytes. The node leads one log and the catalog; as ids of producers are random, 1 stands
// for the one that was registered last. Beyond "no crash": each request that is
// posted gets one reply, of its kind or a refusal that has a reason, words and a status; a chunk
// decodes to the records that it was made of; invariants hold after each turn, and seqs never go
// back.
#include <google/protobuf/message.h>

#include <map>
#include <memory>

#include "base/check.h"
#include "server/rpc/bounds.h"
#include "server/rpc/convert.h"
#include "server/rpc/wire.h"
#include "tests/fuzz/fuzz_node.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/byte_buffer.h"

namespace cairn::fuzz {
namespace {

constexpr GroupId kLog{7};
constexpr char kLogName[] = "orders";
constexpr size_t kMaxSteps = 64;
constexpr int64_t kPatienceUs = kMicrosPerSecond;
constexpr uint64_t kCreditBytes = 512;
constexpr rpc::Bounds kBounds{
    .max_record_bytes = 1024, .max_batch_bytes = 2048, .max_batch_records = 16};

enum Method : uint8_t {
  kAppend,
  kAppendInStream,
  kRegisterProducer,
  kRead,
  kTail,
  kTrim,
  kRegisterSnapshot,
  kCreateLog,
  kUpdateLog,
  kDeleteLog,
  kDescribeLog,
  kListLogs,
  kAcquire,
  kRenew,
  kRelease,
  kTransfer,
  kGetLease,
  kTransferLeadership,
  kSpace,  // No request: the disk is full, or not any more.
};
constexpr uint8_t kMethods = kSpace + 1;

void CheckRefusal(const server::Rejection& rejection) {
  CHECK(rejection.info.reason() != v1::REASON_UNSPECIFIED);
  CHECK(!rejection.message.empty());
  const grpc::Status status = rpc::ToStatus(rejection);
  CHECK(!status.ok());
  const auto info = rpc::ErrorInfoOf(status);
  CHECK(info.has_value());
  CHECK_EQ(info->reason(), rejection.info.reason());
}

// A node and everything that waits for it.
class Service : private server::ReplySink, private server::TailSink {
 public:
  Service() : node_(1) {
    node_.AddGroup(kCatalogGroup, "catalog");
    node_.AddGroup(kLog, kLogName);
    node_.Elect(kCatalogGroup);
    node_.Elect(kLog);
    Form();
  }

  void Step(Method method, int ticks, std::string_view bytes);
  // All that waits gets its answer, at the latest when its time is up.
  void Finish() {
    node_.SetRoom(storage::Room::kEnough);
    node_.Tick(static_cast<int>(2 * kPatienceUs / FuzzNode::kTickUs));
    CHECK(pending_.empty());
  }

 private:
  using Check = void (*)(const server::Reply&);

  template <class Request>
  static bool Parse(std::string_view bytes, Request& request) {
    if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
    if (const rpc::Refusal refusal = rpc::CheckRequest(request, kBounds)) {
      CheckRefusal(*refusal);
      return false;
    }
    return true;
  }
  // Bounds, conversion, the group, and the answer's conversion.
  template <class Result, class Request, class Response>
  void Unary(GroupId group, std::string_view bytes);
  // Logs can be made from now on.
  void Form();
  void AppendInStream(std::string_view bytes);
  template <class Request>
  void Open(std::string_view bytes, bool bounded);
  void Post(GroupId group, server::RequestBody body, Check check, bool* stream_broken = nullptr);

  void OnReply(uint64_t token, server::Reply reply) override;
  void OnChunk(uint64_t token, server::TailChunk chunk) override;
  void OnEnd(uint64_t token, server::TailEnd end) override;

  struct Tail {
    bool bounded = false;
    Seq next;
  };

  // Before the node, whose requests point to it.
  bool stream_broken_ = false;
  uint64_t next_token_ = 1;
  std::map<uint64_t, Check> pending_;
  std::map<uint64_t, Tail> tails_;
  Seq last_seq_;
  uint64_t producer_id_ = 1;
  FuzzNode node_;
};

template <class Result, class Request, class Response>
void Service::Unary(GroupId group, std::string_view bytes) {
  Request request;
  if (!Parse(bytes, request)) return;
  Post(group, rpc::ToOp(request), [](const server::Reply& reply) {
    const auto* result = std::get_if<Result>(&reply);
    CHECK(result != nullptr);
    Response response;
    rpc::Fill(*result, response);
    CHECK(response.ParseFromString(response.SerializeAsString()));
  });
}

void Service::Form() {
  server::CatalogOp op;
  v1::ClusterFormed& formed = *op.command.mutable_cluster_formed();
  formed.set_cluster_id("0123456789abcdef0123456789abcdef");
  v1::Member& member = *formed.add_members();
  member.set_node_id(1);
  member.set_name("a");
  member.set_address("127.0.0.1:7101");
  member.set_incarnation(1);
  Post(kCatalogGroup, std::move(op), [](const server::Reply& reply) {
    CHECK(std::holds_alternative<server::CatalogDone>(reply));
  });
  node_.Run();
  CHECK(!node_.catalog().cluster_id().empty());
}

void Service::AppendInStream(std::string_view bytes) {
  v1::AppendRequest request;
  if (!Parse(bytes, request)) return;
  server::AppendOp op = rpc::ToOp(request);
  if (op.producer_id == 1) op.producer_id = producer_id_;
  Post(
      kLog, std::move(op),
      [](const server::Reply& reply) { CHECK(std::holds_alternative<server::AppendDone>(reply)); },
      &stream_broken_);
}

template <class Request>
void Service::Open(std::string_view bytes, bool bounded) {
  Request request;
  if (!Parse(bytes, request)) return;
  server::TailOpen open;
  open.sink = this;
  open.token = next_token_++;
  open.start = rpc::StartOf(request);
  open.bounded = bounded;
  open.credit_bytes = kCreditBytes;
  if constexpr (std::is_same_v<Request, v1::ReadRequest>) {
    open.end_seq = Seq(request.end_seq());
    open.max_records = request.max_records();
  }
  tails_[open.token] = {.bounded = bounded, .next = open.start.seq};
  node_.Post(kLog, open);
}

void Service::Post(GroupId group, server::RequestBody body, Check check, bool* stream_broken) {
  const uint64_t token = next_token_++;
  pending_[token] = check;
  node_.Post(group, server::Request{.reply_to = {this, token, stream_broken},
                                    .body = std::move(body),
                                    .deadline = node_.now_us() + kPatienceUs});
}

void Service::OnReply(uint64_t token, server::Reply reply) {
  const auto found = pending_.find(token);
  CHECK(found != pending_.end());  // One reply each.
  const Check check = found->second;
  pending_.erase(found);
  if (const auto* rejection = std::get_if<server::Rejection>(&reply)) {
    return CheckRefusal(*rejection);
  }
  check(reply);
  if (const auto* registered = std::get_if<server::RegisterProducerDone>(&reply)) {
    producer_id_ = registered->producer_id;
  }
  const auto* done = std::get_if<server::AppendDone>(&reply);
  if (done == nullptr || done->duplicate) return;
  CHECK_GT(done->first_seq, last_seq_);
  last_seq_ = done->last_seq;
}

void Service::OnChunk(uint64_t token, server::TailChunk chunk) {
  Tail& tail = tails_.at(token);
  uint64_t records = 0;
  for (const server::TailBatch& batch : chunk.batches) {
    if (tail.next) CHECK_EQ(batch.first_seq, tail.next);
    CHECK_GT(batch.count, 0u);
    tail.next = batch.first_seq + batch.count;
    records += batch.count;
  }
  const uint64_t bytes = chunk.bytes();
  std::vector<server::TailChunk> chunks;
  chunks.push_back(std::move(chunk));
  v1::TailResponse response;
  CHECK(response.ParseFromString(Flatten(rpc::EncodeTailResponse(chunks, kLog.value()))));
  for (const v1::RecordBatch& batch : response.batches()) {
    records -= static_cast<uint64_t>(batch.records_size());
  }
  CHECK_EQ(records, 0u);
  node_.Post(kLog, server::TailCredit{.sink = this, .token = token, .bytes = bytes});
}

void Service::OnEnd(uint64_t token, server::TailEnd end) {
  CHECK_EQ(tails_.erase(token), 1u);
  if (end.rejection) CheckRefusal(*end.rejection);
}

void Service::Step(Method method, int ticks, std::string_view bytes) {
  using namespace server;
  switch (method) {
    case kAppend:
      Unary<AppendDone, v1::AppendRequest, v1::AppendResponse>(kLog, bytes);
      break;
    case kAppendInStream:
      AppendInStream(bytes);
      break;
    case kRegisterProducer:
      Unary<RegisterProducerDone, v1::RegisterProducerRequest, v1::RegisterProducerResponse>(kLog,
                                                                                             bytes);
      break;
    case kRead:
      Open<v1::ReadRequest>(bytes, /*bounded=*/true);
      break;
    case kTail:
      Open<v1::TailRequest>(bytes, /*bounded=*/false);
      break;
    case kTrim:
      Unary<TrimDone, v1::TrimRequest, v1::TrimResponse>(kLog, bytes);
      break;
    case kRegisterSnapshot:
      Unary<Done, v1::RegisterSnapshotRequest, v1::RegisterSnapshotResponse>(kLog, bytes);
      break;
    case kCreateLog:
      Unary<CatalogDone, v1::CreateLogRequest, v1::CreateLogResponse>(kCatalogGroup, bytes);
      break;
    case kUpdateLog:
      Unary<CatalogDone, v1::UpdateLogRequest, v1::UpdateLogResponse>(kCatalogGroup, bytes);
      break;
    case kDeleteLog:
      Unary<CatalogDone, v1::DeleteLogRequest, v1::DeleteLogResponse>(kCatalogGroup, bytes);
      break;
    case kDescribeLog:
      Unary<Described, v1::DescribeLogRequest, v1::DescribeLogResponse>(kLog, bytes);
      break;
    case kListLogs: {
      v1::ListLogsRequest request;
      (void)Parse(bytes, request);
      break;
    }
    case kAcquire:
      Unary<LeaseGranted, v1::AcquireRequest, v1::AcquireResponse>(kLog, bytes);
      break;
    case kRenew:
      Unary<LeaseRenewed, v1::RenewRequest, v1::RenewResponse>(kLog, bytes);
      break;
    case kRelease:
      Unary<LeaseReleased, v1::ReleaseRequest, v1::ReleaseResponse>(kLog, bytes);
      break;
    case kTransfer:
      Unary<LeaseGranted, v1::TransferRequest, v1::TransferResponse>(kLog, bytes);
      break;
    case kGetLease:
      Unary<LeaseView, v1::GetRequest, v1::GetResponse>(kLog, bytes);
      break;
    case kTransferLeadership:
      Unary<Done, v1::TransferLeadershipRequest, v1::TransferLeadershipResponse>(kLog, bytes);
      break;
    case kSpace:
      node_.SetRoom(bytes.empty() ? storage::Room::kLow : storage::Room::kEnough);
      break;
  }
  // Without time in between, requests share a turn.
  if (ticks > 0) node_.Tick(ticks);
}

void Run(std::string_view bytes) {
  Input input(bytes);
  Service service;
  for (size_t step = 0; step < kMaxSteps && !input.empty(); ++step) {
    const auto method = static_cast<Method>(input.Byte() % kMethods);
    const int ticks = input.Byte() % 4;
    service.Step(method, ticks, input.Piece());
  }
  service.Finish();
}

// ---- Seeds ------------------------------------------------------------------------------------

std::string Step(Method method, const google::protobuf::Message& request, uint8_t ticks = 1) {
  return Number(method, 1) + Number(ticks, 1) + Piece(request.SerializeAsString());
}

v1::AppendRequest Append(const std::string& payload) {
  v1::AppendRequest request;
  request.set_log(kLogName);
  request.set_log_id(kLog.value());
  request.add_records()->set_payload(payload);
  (*request.add_records()->mutable_metadata())["k"] = "v";
  return request;
}

template <class Request>
Request OfLog() {
  Request request;
  request.set_log(kLogName);
  request.set_log_id(kLog.value());
  return request;
}

std::string Records() {
  v1::AppendRequest conditional = Append("b");
  conditional.mutable_condition()->set_if_last_seq(2);
  auto read = OfLog<v1::ReadRequest>();
  read.set_start_seq(1);
  auto tail = OfLog<v1::TailRequest>();
  tail.set_start_seq(1);
  return Step(kTail, tail) + Step(kAppend, Append("a"), 0) + Step(kAppend, conditional) +
         Step(kAppend, conditional) + Step(kRead, read);
}

std::string Leases() {
  auto acquire = OfLog<v1::AcquireRequest>();
  acquire.set_holder("a");
  acquire.set_ttl_ms(200);
  auto renew = OfLog<v1::RenewRequest>();
  renew.set_epoch(1);
  auto transfer = OfLog<v1::TransferRequest>();
  transfer.set_epoch(1);
  transfer.set_to("b");
  v1::AppendRequest fenced = Append("x");
  fenced.mutable_condition()->set_if_lease_epoch(2);
  auto release = OfLog<v1::ReleaseRequest>();
  release.set_epoch(2);
  return Step(kAcquire, acquire) + Step(kRenew, renew, 0) + Step(kTransfer, transfer) +
         Step(kAppend, fenced) + Step(kRelease, release) + Step(kAcquire, acquire, 3) +
         Step(kGetLease, OfLog<v1::GetRequest>(), 3);
}

std::string Producers() {
  std::string steps = Step(kRegisterProducer, OfLog<v1::RegisterProducerRequest>());
  for (const uint64_t sequence : {1, 2, 2, 4}) {
    v1::AppendRequest request = Append("p");
    request.mutable_producer()->set_id(1);
    request.mutable_producer()->set_sequence(sequence);
    steps += Step(kAppendInStream, request, 0);
  }
  return steps + Step(kDescribeLog, OfLog<v1::DescribeLogRequest>());
}

std::string Trims() {
  std::string steps;
  for (int i = 0; i < 3; ++i) steps += Step(kAppend, Append(std::string(900, 'x')));
  auto snapshot = OfLog<v1::RegisterSnapshotRequest>();
  snapshot.set_name("s");
  snapshot.set_seq(2);
  auto trim = OfLog<v1::TrimRequest>();
  trim.set_first_seq(5);
  trim.set_force(true);
  auto read = OfLog<v1::ReadRequest>();
  read.set_start_timestamp_us(1);
  auto describe = OfLog<v1::DescribeLogRequest>();
  describe.set_linearizable(true);
  describe.set_with_segments(true);
  return steps + Step(kRegisterSnapshot, snapshot) + Step(kTrim, trim, 2) + Step(kRead, read) +
         Step(kDescribeLog, describe);
}

std::string Catalogs() {
  v1::CreateLogRequest create;
  create.set_name("other");
  create.mutable_settings()->set_fenced(true);
  v1::UpdateLogRequest update;
  update.set_log("other");
  update.set_log_id(2);
  update.mutable_settings()->set_segment_bytes(1 << 20);
  v1::DeleteLogRequest remove;
  remove.set_log("other");
  remove.set_log_id(2);
  v1::TransferLeadershipRequest transfer;
  transfer.set_to_node_id(1);
  return Step(kCreateLog, create) + Step(kUpdateLog, update) + Step(kDeleteLog, remove) +
         Step(kListLogs, v1::ListLogsRequest()) + Step(kTransferLeadership, transfer);
}

std::string FullDisk() {
  return Number(kSpace, 1) + Number(1, 1) + Piece("") + Step(kAppend, Append("a")) +
         Number(kSpace, 1) + Number(1, 1) + Piece("1") + Step(kAppend, Append("a"));
}

std::vector<Seed> Seeds() {
  return {{"records", Records()}, {"leases", Leases()},     {"producers", Producers()},
          {"trims", Trims()},     {"catalogs", Catalogs()}, {"full-disk", FullDisk()}};
}

const Registered registered({.name = "service", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
