// Every bad input that the API documents, sent to a real node: refused with the documented code and
// details, and without effect.

#include <functional>
#include <string>
#include <vector>

#include "tests/rpc/test_node.h"

namespace cairn::rpc {
namespace {

using grpc::StatusCode;

constexpr uint64_t kMaxRecordBytes = 1 << 20;
constexpr uint64_t kMaxBatchBytes = 2 << 20;

class BadInputTest : public ::testing::Test {
 protected:
  // One node for all tests: each leaves it as it found it, which is what they check.
  static void SetUpTestSuite() {
    cluster_ = new TestCluster(1, [](server::NodeConfig& config) {
      config.max_record_bytes = kMaxRecordBytes;
      config.max_batch_bytes = kMaxBatchBytes;
      config.max_batch_records = 100;
      config.max_leases_per_log = 3;
    });
  }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }

  void SetUp() override {
    static int number = 0;
    name_ = "log-" + std::to_string(++number);
    id_ = cluster_->Create(name_);
    for (int i = 0; i < 3; ++i) AppendOk();
  }

  static TestNode& node() { return (*cluster_)[0]; }

  template <class Request>
  Request For() const {
    Request request;
    request.set_log(name_);
    request.set_log_id(id_);
    return request;
  }
  v1::AppendRequest Append(const std::string& payload = "p") const {
    auto request = For<v1::AppendRequest>();
    request.add_records()->set_payload(payload);
    return request;
  }
  v1::AppendResponse AppendOk() const {
    v1::AppendResponse response;
    const grpc::Status status =
        Call(*node().log, &v1::LogService::Stub::Append, Append(), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  uint64_t Acquire(const std::string& holder, const std::string& lease = "") const {
    auto request = For<v1::AcquireRequest>();
    request.set_name(lease);
    request.set_holder(holder);
    request.set_ttl_ms(60'000);
    v1::AcquireResponse response;
    const grpc::Status status =
        Call(*node().lease, &v1::LeaseService::Stub::Acquire, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.epoch();
  }

  // Everything that a refused call must not have changed.
  std::string State() const {
    auto request = For<v1::DescribeLogRequest>();
    request.set_linearizable(true);
    v1::DescribeLogResponse response;
    const grpc::Status status =
        Call(*node().log, &v1::LogService::Stub::DescribeLog, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    response.clear_timestamp_us();
    for (v1::LeaseState& lease : *response.mutable_leases()) lease.clear_remaining_ms();
    for (v1::ReplicaInfo& replica : *response.mutable_replicas()) replica.clear_match_index();
    response.clear_bytes();
    return response.DebugString();
  }

  // The refusal of `call`, which must have changed nothing.
  v1::ErrorInfo Refused(const std::function<grpc::Status()>& call, v1::Reason reason,
                        StatusCode code) const {
    const std::string before = State();
    const grpc::Status status = call();
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_FALSE(status.error_message().empty());
    const auto info = ErrorInfoOf(status);
    EXPECT_TRUE(info.has_value()) << status.error_message();
    if (!info) return {};
    EXPECT_EQ(v1::Reason_Name(info->reason()), v1::Reason_Name(reason)) << status.error_message();
    EXPECT_EQ(State(), before);
    return *info;
  }
  v1::ErrorInfo RefusedAppend(const v1::AppendRequest& request, v1::Reason reason,
                              StatusCode code) const {
    return Refused([&] { return Call(*node().log, &v1::LogService::Stub::Append, request); },
                   reason, code);
  }
  template <class Request, class Response>
  v1::ErrorInfo RefusedLog(grpc::Status (v1::LogService::Stub::*method)(grpc::ClientContext*,
                                                                        const Request&, Response*),
                           const Request& request, v1::Reason reason, StatusCode code) const {
    return Refused([&] { return Call(*node().log, method, request); }, reason, code);
  }
  template <class Request, class Response>
  v1::ErrorInfo RefusedLease(grpc::Status (v1::LeaseService::Stub::*method)(grpc::ClientContext*,
                                                                            const Request&,
                                                                            Response*),
                             const Request& request, v1::Reason reason, StatusCode code) const {
    return Refused([&] { return Call(*node().lease, method, request); }, reason, code);
  }
  // The end of a read or tail that is to be refused.
  template <class Reader, class Response>
  static grpc::Status Drain(Reader reader, Response* response) {
    while (reader->Read(response)) {
    }
    return reader->Finish();
  }
  v1::ErrorInfo RefusedRead(const v1::ReadRequest& request, v1::Reason reason,
                            StatusCode code) const {
    return Refused(
        [&] {
          grpc::ClientContext context;
          v1::ReadResponse response;
          return Drain(node().log->Read(&context, request), &response);
        },
        reason, code);
  }
  v1::ErrorInfo RefusedTail(const v1::TailRequest& request, v1::Reason reason,
                            StatusCode code) const {
    return Refused(
        [&] {
          grpc::ClientContext context;
          v1::TailResponse response;
          return Drain(node().log->Tail(&context, request), &response);
        },
        reason, code);
  }

  static TestCluster* cluster_;
  std::string name_;
  uint64_t id_ = 0;
};
TestCluster* BadInputTest::cluster_ = nullptr;

// ---- Appends ----

TEST_F(BadInputTest, OversizeRecords) {
  const v1::ErrorInfo info = RefusedAppend(Append(std::string(kMaxRecordBytes + 1, 'x')),
                                           v1::REASON_TOO_LARGE, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(info.limit(), kMaxRecordBytes);
  EXPECT_EQ(info.actual(), kMaxRecordBytes + 1);
  // The bound itself is allowed.
  EXPECT_TRUE(
      Call(*node().log, &v1::LogService::Stub::Append, Append(std::string(kMaxRecordBytes, 'x')))
          .ok());
}

TEST_F(BadInputTest, OversizeBatches) {
  v1::AppendRequest request = Append(std::string(kMaxRecordBytes, 'x'));
  request.add_records()->set_payload(std::string(kMaxRecordBytes, 'x'));  // And their framing.
  v1::ErrorInfo info = RefusedAppend(request, v1::REASON_TOO_LARGE, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(info.limit(), kMaxBatchBytes);
  EXPECT_GT(info.actual(), kMaxBatchBytes);

  request = Append();
  for (int i = 0; i < 100; ++i) request.add_records();
  info = RefusedAppend(request, v1::REASON_TOO_LARGE, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(info.limit(), 100u);
  EXPECT_EQ(info.actual(), 101u);

  // Far past what may be received at all, gRPC itself refuses, with a code of its own.
  const std::string before = State();
  const grpc::Status status =
      Call(*node().log, &v1::LogService::Stub::Append, Append(std::string(64 << 20, 'x')));
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(State(), before);
}

TEST_F(BadInputTest, RecordsThatOnlyTheServiceMayMake) {
  v1::AppendRequest request = Append();
  request.mutable_records(0)->set_kind(v1::RECORD_KIND_LEASE_ACQUIRED);
  RefusedAppend(request, v1::REASON_INVALID, StatusCode::INVALID_ARGUMENT);
  request = Append();
  request.mutable_records(0)->mutable_lease()->set_holder("me");
  RefusedAppend(request, v1::REASON_INVALID, StatusCode::INVALID_ARGUMENT);
  request.clear_records();
  RefusedAppend(request, v1::REASON_INVALID, StatusCode::INVALID_ARGUMENT);
}

TEST_F(BadInputTest, Metadata) {
  v1::AppendRequest request = Append();
  for (int i = 0; i < 17; ++i) {
    (*request.mutable_records(0)->mutable_metadata())[std::to_string(i)] = "v";
  }
  v1::ErrorInfo info = RefusedAppend(request, v1::REASON_TOO_LARGE, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(info.limit(), 16u);
  EXPECT_EQ(info.actual(), 17u);
  request = Append();
  (*request.mutable_records(0)->mutable_metadata())["k"] = std::string(4096, 'v');
  info = RefusedAppend(request, v1::REASON_TOO_LARGE, StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(info.limit(), 4096u);
  EXPECT_EQ(info.actual(), 4097u);
}

TEST_F(BadInputTest, ConditionsThatDoNotHold) {
  for (uint64_t expected : {0u, 2u, 4u, 1000u}) {
    v1::AppendRequest request = Append();
    request.mutable_condition()->set_if_last_seq(expected);
    const v1::ErrorInfo info =
        RefusedAppend(request, v1::REASON_CONDITION_FAILED, StatusCode::ABORTED);
    EXPECT_EQ(info.last_seq(), 3u);
    EXPECT_EQ(info.log(), name_);
  }
  v1::AppendRequest request = Append();
  request.mutable_condition()->set_if_last_seq(3);
  EXPECT_TRUE(Call(*node().log, &v1::LogService::Stub::Append, request).ok());
}

TEST_F(BadInputTest, EpochsThatAreNotCurrent) {
  const uint64_t epoch = Acquire("holder");
  for (uint64_t wrong : {epoch - 1, epoch + 1, epoch + 1000}) {
    v1::AppendRequest request = Append();
    request.mutable_condition()->set_if_lease_epoch(wrong);
    const v1::ErrorInfo info =
        RefusedAppend(request, v1::REASON_LEASE_LOST, StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(info.lease().holder(), "holder");
    EXPECT_EQ(info.lease().epoch(), epoch);
  }
  // The right epoch of another lease is not this lease's.
  v1::AppendRequest request = Append();
  request.mutable_condition()->set_if_lease_epoch(epoch);
  request.mutable_condition()->set_lease_name("other");
  RefusedAppend(request, v1::REASON_LEASE_LOST, StatusCode::FAILED_PRECONDITION);
  request.mutable_condition()->clear_lease_name();
  EXPECT_TRUE(Call(*node().log, &v1::LogService::Stub::Append, request).ok());
}

TEST_F(BadInputTest, ManyConditionsAreJudgedTogether) {
  // Both must hold; whichever does not, nothing is appended.
  const uint64_t epoch = Acquire("holder");
  struct Case {
    uint64_t last_seq;
    uint64_t epoch;
    v1::Reason reason;
    StatusCode code;
  };
  const Case cases[] = {
      {4, epoch + 1, v1::REASON_LEASE_LOST, StatusCode::FAILED_PRECONDITION},
      {3, epoch, v1::REASON_CONDITION_FAILED, StatusCode::ABORTED},
      {3, epoch + 1, v1::REASON_LEASE_LOST, StatusCode::FAILED_PRECONDITION},
  };
  for (const Case& c : cases) {
    v1::AppendRequest request = Append();
    request.mutable_condition()->set_if_last_seq(c.last_seq);
    request.mutable_condition()->set_if_lease_epoch(c.epoch);
    RefusedAppend(request, c.reason, c.code);
  }
}

TEST_F(BadInputTest, IncompleteConditionsAndProducers) {
  struct Case {
    const char* name;
    std::function<void(v1::AppendRequest&)> change;
  };
  const Case cases[] = {
      {"an epoch needs the log's id",
       [](auto& r) {
         r.clear_log_id();
         r.mutable_condition()->set_if_lease_epoch(4);
       }},
      {"epoch 0", [](auto& r) { r.mutable_condition()->set_if_lease_epoch(0); }},
      {"a producer needs the log's id",
       [](auto& r) {
         r.clear_log_id();
         r.mutable_producer()->set_id(1);
         r.mutable_producer()->set_sequence(1);
       }},
      {"producer 0", [](auto& r) { r.mutable_producer()->set_sequence(1); }},
      {"sequence 0", [](auto& r) { r.mutable_producer()->set_id(1); }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    v1::AppendRequest request = Append();
    c.change(request);
    RefusedAppend(request, v1::REASON_INVALID, StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(BadInputTest, Producers) {
  v1::AppendRequest request = Append();
  request.mutable_producer()->set_id(123'456);
  request.mutable_producer()->set_sequence(1);
  RefusedAppend(request, v1::REASON_PRODUCER_EXPIRED, StatusCode::FAILED_PRECONDITION);

  v1::RegisterProducerResponse registered;
  ASSERT_TRUE(Call(*node().log, &v1::LogService::Stub::RegisterProducer,
                   For<v1::RegisterProducerRequest>(), &registered)
                  .ok());
  EXPECT_EQ(registered.log_id(), id_);
  request.mutable_producer()->set_id(registered.producer_id());
  request.mutable_producer()->set_sequence(2);
  const v1::ErrorInfo info =
      RefusedAppend(request, v1::REASON_DUPLICATE_GAP, StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(info.expected_sequence(), 1u);
  // A repetition has no second effect.
  request.mutable_producer()->set_sequence(1);
  v1::AppendResponse first;
  v1::AppendResponse second;
  ASSERT_TRUE(Call(*node().log, &v1::LogService::Stub::Append, request, &first).ok());
  const std::string state = State();
  ASSERT_TRUE(Call(*node().log, &v1::LogService::Stub::Append, request, &second).ok());
  EXPECT_EQ(State(), state);
  EXPECT_FALSE(first.duplicate());
  EXPECT_TRUE(second.duplicate());
  EXPECT_EQ(second.first_seq(), first.first_seq());
  EXPECT_EQ(second.chain(), first.chain());
}

TEST_F(BadInputTest, FencedLogs) {
  v1::LogSettings settings;
  settings.set_fenced(true);
  name_ += "-fenced";
  id_ = cluster_->Create(name_, settings);
  RefusedAppend(Append(), v1::REASON_FENCE_REQUIRED, StatusCode::FAILED_PRECONDITION);
  v1::AppendRequest request = Append();
  request.mutable_condition()->set_if_lease_epoch(Acquire("holder"));
  EXPECT_TRUE(Call(*node().log, &v1::LogService::Stub::Append, request).ok());
}

// ---- Names and ids ----

TEST_F(BadInputTest, IllegalLogNames) {
  struct Case {
    std::string name;
    v1::Reason reason;
  };
  const Case cases[] = {{"", v1::REASON_INVALID},
                        {"with space", v1::REASON_INVALID},
                        {"semi;colon", v1::REASON_INVALID},
                        {"new\nline", v1::REASON_INVALID},
                        {"nul\0byte" + std::string(1, '\0'), v1::REASON_INVALID},
                        {"gr\xc3\xb6\xc3\x9f"
                         "e",
                         v1::REASON_INVALID},
                        {std::string(256, 'a'), v1::REASON_TOO_LARGE}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    v1::CreateLogRequest create;
    create.set_name(c.name);
    RefusedLog(&v1::LogService::Stub::CreateLog, create, c.reason, StatusCode::INVALID_ARGUMENT);
    v1::AppendRequest append;
    append.set_log(c.name);
    append.add_records();
    RefusedAppend(append, c.reason, StatusCode::INVALID_ARGUMENT);
    v1::DescribeLogRequest describe;
    describe.set_log(c.name);
    RefusedLog(&v1::LogService::Stub::DescribeLog, describe, c.reason,
               StatusCode::INVALID_ARGUMENT);
    v1::ReadRequest read;
    read.set_log(c.name);
    RefusedRead(read, c.reason, StatusCode::INVALID_ARGUMENT);
    v1::TailRequest tail;
    tail.set_log(c.name);
    RefusedTail(tail, c.reason, StatusCode::INVALID_ARGUMENT);
  }
  v1::CreateLogRequest create;
  create.set_name(std::string(255, 'a'));
  EXPECT_TRUE(Call(*node().log, &v1::LogService::Stub::CreateLog, create).ok());
}

TEST_F(BadInputTest, UnknownLogs) {
  constexpr auto kCode = StatusCode::NOT_FOUND;
  constexpr auto kReason = v1::REASON_LOG_NOT_FOUND;
  const std::string mine = name_;
  const auto other = [](auto request) {
    request.set_log("nobody");
    return request;
  };
  RefusedAppend(other(Append()), kReason, kCode);
  RefusedRead(other(For<v1::ReadRequest>()), kReason, kCode);
  RefusedTail(other(For<v1::TailRequest>()), kReason, kCode);
  RefusedLog(&v1::LogService::Stub::DescribeLog, other(For<v1::DescribeLogRequest>()), kReason,
             kCode);
  RefusedLog(&v1::LogService::Stub::RegisterProducer, other(For<v1::RegisterProducerRequest>()),
             kReason, kCode);
  RefusedLog(&v1::LogService::Stub::DeleteLog, other(For<v1::DeleteLogRequest>()), kReason, kCode);
  RefusedLog(&v1::LogService::Stub::UpdateLog, other(For<v1::UpdateLogRequest>()), kReason, kCode);
  auto trim = other(For<v1::TrimRequest>());
  trim.set_first_seq(1);
  RefusedLog(&v1::LogService::Stub::Trim, trim, kReason, kCode);
  auto snapshot = other(For<v1::RegisterSnapshotRequest>());
  snapshot.set_name("s");
  RefusedLog(&v1::LogService::Stub::RegisterSnapshot, snapshot, kReason, kCode);
  RefusedLease(&v1::LeaseService::Stub::Get, other(For<v1::GetRequest>()), kReason, kCode);
}

TEST_F(BadInputTest, ANamesakeIsAnotherLog) {
  const uint64_t epoch = Acquire("holder");
  v1::RegisterProducerResponse producer;
  ASSERT_TRUE(Call(*node().log, &v1::LogService::Stub::RegisterProducer,
                   For<v1::RegisterProducerRequest>(), &producer)
                  .ok());
  const uint64_t old_id = id_;
  ASSERT_TRUE(
      Call(*node().log, &v1::LogService::Stub::DeleteLog, For<v1::DeleteLogRequest>()).ok());
  id_ = cluster_->Create(name_);
  ASSERT_NE(id_, old_id);
  // The same seqs and epochs exist in the new log, so only the id tells them apart.
  for (int i = 0; i < 3; ++i) AppendOk();
  ASSERT_EQ(Acquire("holder"), epoch);

  const auto old = [&](auto request) {
    request.set_log_id(old_id);
    return request;
  };
  constexpr auto kReason = v1::REASON_LOG_RECREATED;
  constexpr auto kCode = StatusCode::FAILED_PRECONDITION;
  v1::AppendRequest append = old(Append());
  append.mutable_condition()->set_if_lease_epoch(epoch);
  EXPECT_EQ(RefusedAppend(append, kReason, kCode).log_id(), id_);
  append = old(Append());
  append.mutable_producer()->set_id(producer.producer_id());
  append.mutable_producer()->set_sequence(1);
  RefusedAppend(append, kReason, kCode);
  auto renew = old(For<v1::RenewRequest>());
  renew.set_epoch(epoch);
  RefusedLease(&v1::LeaseService::Stub::Renew, renew, kReason, kCode);
  auto release = old(For<v1::ReleaseRequest>());
  release.set_epoch(epoch);
  RefusedLease(&v1::LeaseService::Stub::Release, release, kReason, kCode);
  auto tail = old(For<v1::TailRequest>());
  tail.set_start_seq(2);
  RefusedTail(tail, kReason, kCode);
  RefusedRead(old(For<v1::ReadRequest>()), kReason, kCode);
  RefusedLog(&v1::LogService::Stub::DeleteLog, old(For<v1::DeleteLogRequest>()), kReason, kCode);
  RefusedLog(&v1::LogService::Stub::UpdateLog, old(For<v1::UpdateLogRequest>()), kReason, kCode);
}

// ---- Positions ----

TEST_F(BadInputTest, SeqsThatAreNotThere) {
  auto read = For<v1::ReadRequest>();
  read.set_start_seq(5);
  EXPECT_EQ(RefusedRead(read, v1::REASON_SEQ_IN_FUTURE, StatusCode::OUT_OF_RANGE).last_seq(), 3u);
  read.set_start_seq(3);
  read.set_end_seq(2);
  RefusedRead(read, v1::REASON_INVALID, StatusCode::INVALID_ARGUMENT);
  auto tail = For<v1::TailRequest>();
  tail.set_start_seq(5);
  EXPECT_EQ(RefusedTail(tail, v1::REASON_SEQ_IN_FUTURE, StatusCode::OUT_OF_RANGE).last_seq(), 3u);
  tail.set_start_seq(0);
  RefusedTail(tail, v1::REASON_INVALID, StatusCode::INVALID_ARGUMENT);
  for (uint64_t heartbeat_ms : {9u, 60'001u}) {
    tail.set_start_seq(1);
    tail.set_heartbeat_ms(heartbeat_ms);
    RefusedTail(tail, v1::REASON_INVALID, StatusCode::INVALID_ARGUMENT);
  }
  auto trim = For<v1::TrimRequest>();
  RefusedLog(&v1::LogService::Stub::Trim, trim, v1::REASON_INVALID, StatusCode::INVALID_ARGUMENT);
  trim.set_first_seq(5);
  EXPECT_EQ(RefusedLog(&v1::LogService::Stub::Trim, trim, v1::REASON_SEQ_IN_FUTURE,
                       StatusCode::OUT_OF_RANGE)
                .last_seq(),
            3u);
}

TEST_F(BadInputTest, SeqsThatWereTrimmed) {
  v1::LogSettings settings;
  settings.set_segment_bytes(64 << 10);
  name_ += "-trim";
  id_ = cluster_->Create(name_, settings);
  const std::string payload(32 << 10, 'x');
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Call(*node().log, &v1::LogService::Stub::Append, Append(payload)).ok());
  }
  auto trim = For<v1::TrimRequest>();
  trim.set_first_seq(15);
  v1::TrimResponse trimmed;
  ASSERT_TRUE(Call(*node().log, &v1::LogService::Stub::Trim, trim, &trimmed).ok());
  ASSERT_GT(trimmed.first_seq(), 1u);
  ASSERT_LE(trimmed.first_seq(), 15u);
  auto read = For<v1::ReadRequest>();
  read.set_start_seq(trimmed.first_seq() - 1);
  EXPECT_EQ(RefusedRead(read, v1::REASON_TRIMMED, StatusCode::OUT_OF_RANGE).first_seq(),
            trimmed.first_seq());
  auto tail = For<v1::TailRequest>();
  tail.set_start_seq(1);
  EXPECT_EQ(RefusedTail(tail, v1::REASON_TRIMMED, StatusCode::OUT_OF_RANGE).first_seq(),
            trimmed.first_seq());
}

TEST_F(BadInputTest, GuardsAndSnapshots) {
  v1::LogSettings settings;
  settings.set_trim_guard("view");
  name_ += "-guard";
  id_ = cluster_->Create(name_, settings);
  const v1::AppendResponse one = AppendOk();
  const v1::AppendResponse two = AppendOk();
  auto trim = For<v1::TrimRequest>();
  trim.set_first_seq(2);
  RefusedLog(&v1::LogService::Stub::Trim, trim, v1::REASON_TRIM_GUARDED,
             StatusCode::FAILED_PRECONDITION);
  auto snapshot = For<v1::RegisterSnapshotRequest>();
  snapshot.set_name("view");
  snapshot.set_seq(1);
  snapshot.set_chain(two.chain());
  EXPECT_EQ(RefusedLog(&v1::LogService::Stub::RegisterSnapshot, snapshot, v1::REASON_CHAIN_MISMATCH,
                       StatusCode::FAILED_PRECONDITION)
                .chain(),
            one.chain());
  snapshot.set_seq(9);
  RefusedLog(&v1::LogService::Stub::RegisterSnapshot, snapshot, v1::REASON_SEQ_IN_FUTURE,
             StatusCode::OUT_OF_RANGE);
  snapshot.set_location(std::string(4097, 'l'));
  RefusedLog(&v1::LogService::Stub::RegisterSnapshot, snapshot, v1::REASON_TOO_LARGE,
             StatusCode::INVALID_ARGUMENT);
  snapshot.clear_location();
  snapshot.clear_name();
  RefusedLog(&v1::LogService::Stub::RegisterSnapshot, snapshot, v1::REASON_INVALID,
             StatusCode::INVALID_ARGUMENT);
  snapshot.set_name(std::string(256, 'n'));
  RefusedLog(&v1::LogService::Stub::RegisterSnapshot, snapshot, v1::REASON_TOO_LARGE,
             StatusCode::INVALID_ARGUMENT);
}

// ---- Leases ----

TEST_F(BadInputTest, LeasesOfOthers) {
  const uint64_t epoch = Acquire("holder");
  auto acquire = For<v1::AcquireRequest>();
  acquire.set_holder("other");
  acquire.set_ttl_ms(1000);
  const v1::ErrorInfo info = RefusedLease(&v1::LeaseService::Stub::Acquire, acquire,
                                          v1::REASON_LEASE_HELD, StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(info.lease().holder(), "holder");
  EXPECT_EQ(info.lease().epoch(), epoch);
  EXPECT_GT(info.lease().remaining_ms(), 50'000u);
  acquire.set_holder("holder");  // Its own name is refused as any other.
  RefusedLease(&v1::LeaseService::Stub::Acquire, acquire, v1::REASON_LEASE_HELD,
               StatusCode::FAILED_PRECONDITION);
  acquire.set_name("free");
  acquire.set_if_last_seq(epoch - 1);
  EXPECT_EQ(RefusedLease(&v1::LeaseService::Stub::Acquire, acquire, v1::REASON_CONDITION_FAILED,
                         StatusCode::ABORTED)
                .last_seq(),
            epoch);
}

TEST_F(BadInputTest, EpochsOfLeaseCalls) {
  const uint64_t epoch = Acquire("holder");
  constexpr auto kReason = v1::REASON_LEASE_LOST;
  constexpr auto kCode = StatusCode::FAILED_PRECONDITION;
  for (uint64_t wrong : {epoch - 1, epoch + 1}) {
    auto renew = For<v1::RenewRequest>();
    renew.set_epoch(wrong);
    EXPECT_EQ(RefusedLease(&v1::LeaseService::Stub::Renew, renew, kReason, kCode).lease().epoch(),
              epoch);
    auto release = For<v1::ReleaseRequest>();
    release.set_epoch(wrong);
    RefusedLease(&v1::LeaseService::Stub::Release, release, kReason, kCode);
    auto transfer = For<v1::TransferRequest>();
    transfer.set_epoch(wrong);
    transfer.set_to("heir");
    RefusedLease(&v1::LeaseService::Stub::Transfer, transfer, kReason, kCode);
  }
  auto transfer = For<v1::TransferRequest>();
  transfer.set_epoch(epoch);
  transfer.set_to("heir");
  transfer.set_if_last_seq(1);
  RefusedLease(&v1::LeaseService::Stub::Transfer, transfer, v1::REASON_CONDITION_FAILED,
               StatusCode::ABORTED);
}

TEST_F(BadInputTest, BoundsOfLeases) {
  struct Case {
    const char* name;
    std::function<void(v1::AcquireRequest&)> change;
    v1::Reason reason;
  };
  const Case cases[] = {
      {"no holder", [](auto& r) { r.clear_holder(); }, v1::REASON_INVALID},
      {"long holder", [](auto& r) { r.set_holder(std::string(256, 'h')); }, v1::REASON_TOO_LARGE},
      {"long name", [](auto& r) { r.set_name(std::string(256, 'n')); }, v1::REASON_TOO_LARGE},
      {"short ttl", [](auto& r) { r.set_ttl_ms(99); }, v1::REASON_INVALID},
      {"long ttl", [](auto& r) { r.set_ttl_ms(3'600'001); }, v1::REASON_INVALID},
      {"no log id", [](auto& r) { r.clear_log_id(); }, v1::REASON_INVALID},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    auto request = For<v1::AcquireRequest>();
    request.set_holder("me");
    request.set_ttl_ms(1000);
    c.change(request);
    RefusedLease(&v1::LeaseService::Stub::Acquire, request, c.reason, StatusCode::INVALID_ARGUMENT);
  }
  for (const char* lease : {"a", "b", "c"}) Acquire("me", lease);
  auto request = For<v1::AcquireRequest>();
  request.set_name("d");
  request.set_holder("me");
  request.set_ttl_ms(1000);
  EXPECT_EQ(RefusedLease(&v1::LeaseService::Stub::Acquire, request, v1::REASON_TABLE_FULL,
                         StatusCode::RESOURCE_EXHAUSTED)
                .limit(),
            3u);
}

// ---- The catalog ----

TEST_F(BadInputTest, TakenNamesAndBadSettings) {
  v1::CreateLogRequest create;
  create.set_name(name_);
  EXPECT_EQ(RefusedLog(&v1::LogService::Stub::CreateLog, create, v1::REASON_LOG_EXISTS,
                       StatusCode::ALREADY_EXISTS)
                .log_id(),
            id_);
  create.set_if_not_exists(true);
  v1::CreateLogResponse found;
  ASSERT_TRUE(Call(*node().log, &v1::LogService::Stub::CreateLog, create, &found).ok());
  EXPECT_EQ(found.log_id(), id_);
  EXPECT_FALSE(found.created());
  create.mutable_settings()->set_retention_ms(77);
  RefusedLog(&v1::LogService::Stub::CreateLog, create, v1::REASON_LOG_EXISTS,
             StatusCode::ALREADY_EXISTS);
  create.set_name("fresh");
  for (uint64_t bytes : {uint64_t{1}, (uint64_t{64} << 10) - 1, (uint64_t{1} << 30) + 1}) {
    create.mutable_settings()->set_segment_bytes(bytes);
    RefusedLog(&v1::LogService::Stub::CreateLog, create, v1::REASON_INVALID,
               StatusCode::INVALID_ARGUMENT);
  }
  auto update = For<v1::UpdateLogRequest>();
  update.mutable_settings()->set_fenced(true);  // At creation only.
  RefusedLog(&v1::LogService::Stub::UpdateLog, update, v1::REASON_INVALID,
             StatusCode::INVALID_ARGUMENT);
  auto nameless = For<v1::DeleteLogRequest>();
  nameless.clear_log_id();  // A deletion names the id.
  RefusedLog(&v1::LogService::Stub::DeleteLog, nameless, v1::REASON_INVALID,
             StatusCode::INVALID_ARGUMENT);
  v1::ListLogsRequest list;
  list.set_page_size(1001);
  RefusedLog(&v1::LogService::Stub::ListLogs, list, v1::REASON_TOO_LARGE,
             StatusCode::INVALID_ARGUMENT);
}

TEST_F(BadInputTest, PagesHoldEveryLogOnce) {
  std::vector<std::string> names;
  v1::ListLogsRequest request;
  request.set_page_size(3);
  do {
    v1::ListLogsResponse page;
    ASSERT_TRUE(Call(*node().log, &v1::LogService::Stub::ListLogs, request, &page).ok());
    EXPECT_LE(page.logs_size(), 3);
    for (const v1::LogSummary& log : page.logs()) names.push_back(log.name());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  EXPECT_EQ(std::count(names.begin(), names.end(), name_), 1);
  EXPECT_EQ(names.size(), node().node().catalog()->catalog.logs().size());
}

TEST_F(BadInputTest, MembersThatAreNone) {
  v1::CanIStopRequest request;
  request.set_node_id(99);
  const grpc::Status status = Call(*node().cluster, &v1::ClusterService::Stub::CanIStop, request);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), v1::REASON_INVALID);
}

}  // namespace
}  // namespace cairn::rpc
