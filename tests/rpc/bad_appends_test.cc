// Every bad append that the API documents, sent to a real node.
#include <functional>
#include <string>

#include "tests/rpc/bad_input_lab.h"

namespace cairn::rpc {
namespace {

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

}  // namespace
}  // namespace cairn::rpc
