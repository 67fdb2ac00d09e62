// BadInputTest: one real node, and calls that must be refused with the documented code and details,
// and without effect.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/rpc/test_node.h"

namespace cairn::rpc {

using grpc::StatusCode;  // Of the tests below, too.

inline constexpr uint64_t kMaxRecordBytes = 1 << 20;
inline constexpr uint64_t kMaxBatchBytes = 2 << 20;

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

  static inline TestCluster* cluster_ = nullptr;
  std::string name_;
  uint64_t id_ = 0;
};

}  // namespace cairn::rpc
