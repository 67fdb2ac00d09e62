// BackupService, call by call: its bounds, its refusals, and that any node takes the calls.
#include "cairn/v1/backup.grpc.pb.h"
#include "tests/rpc/test_node.h"

namespace cairn::rpc {
namespace {

using Stub = v1::BackupService::Stub;

class BackupServiceTest : public ::testing::Test {
 protected:
  BackupServiceTest() {
    for (size_t i = 0; i < cluster_.size(); ++i) {
      backup_.push_back(v1::BackupService::NewStub(cluster_[i].channel()));
    }
    v1::BeginImportRequest begin;
    begin.set_name("log");
    begin.mutable_base()->set_first_seq(11);
    begin.mutable_base()->set_chain(12);
    v1::BeginImportResponse begun;
    const grpc::Status status = Call(*backup_[0], &Stub::BeginImport, begin, &begun);
    EXPECT_TRUE(status.ok()) << status.error_message();
    log_id_ = begun.log_id();
    cluster_.AwaitLeader("log");
  }

  v1::ImportRecordsRequest Import(uint64_t after, int64_t timestamp_us = 1000) const {
    v1::Record record;
    record.set_payload("x");
    v1::ImportRecordsRequest request;
    request.set_log("log");
    request.set_log_id(log_id_);
    request.set_if_last_seq(after);
    v1::ImportBatch* batch = request.add_batches();
    batch->set_timestamp_us(timestamp_us);
    batch->add_records(record.SerializeAsString());
    return request;
  }
  v1::Reason Refused(const v1::ImportRecordsRequest& request) {
    const grpc::Status status = Call(*backup_[0], &Stub::ImportRecords, request);
    EXPECT_FALSE(status.ok());
    const auto info = ErrorInfoOf(status);
    return info ? info->reason() : v1::REASON_UNSPECIFIED;
  }

  TestCluster cluster_{3};
  std::vector<std::unique_ptr<Stub>> backup_;
  uint64_t log_id_ = 0;
};

TEST_F(BackupServiceTest, AnImportThroughEveryNode) {
  v1::ImportRecordsResponse imported;
  for (uint64_t i = 0; i < 3; ++i) {
    const grpc::Status status = Call(*backup_[i], &Stub::ImportRecords, Import(10 + i), &imported);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(imported.last_seq(), 11 + i);
  }
  v1::GetChainRequest ask;
  ask.set_log("log");
  v1::GetChainResponse end;
  ASSERT_TRUE(Call(*backup_[1], &Stub::GetChain, ask, &end).ok());
  EXPECT_TRUE(end.importing());
  EXPECT_EQ(end.seq(), 13u);
  EXPECT_EQ(end.chain(), imported.chain());
  ask.set_seq(10);
  v1::GetChainResponse before;
  ASSERT_TRUE(Call(*backup_[2], &Stub::GetChain, ask, &before).ok());
  EXPECT_EQ(before.chain(), 12u);
  ask.set_seq(9);
  EXPECT_EQ(ErrorInfoOf(Call(*backup_[2], &Stub::GetChain, ask))->reason(), v1::REASON_TRIMMED);
  ask.set_seq(14);
  EXPECT_EQ(ErrorInfoOf(Call(*backup_[2], &Stub::GetChain, ask))->reason(),
            v1::REASON_SEQ_IN_FUTURE);

  v1::FinishImportRequest finish;
  finish.set_log("log");
  finish.set_log_id(log_id_);
  finish.set_last_seq(13);
  finish.set_chain(end.chain() + 1);
  EXPECT_EQ(ErrorInfoOf(Call(*backup_[0], &Stub::FinishImport, finish))->reason(),
            v1::REASON_CHAIN_MISMATCH);
  finish.set_chain(end.chain());
  EXPECT_TRUE(Call(*backup_[0], &Stub::FinishImport, finish).ok());
  EXPECT_EQ(Refused(Import(13)), v1::REASON_INVALID);
}

TEST_F(BackupServiceTest, BoundsComeFirst) {
  v1::ImportRecordsRequest none = Import(10);
  none.clear_batches();
  EXPECT_EQ(Refused(none), v1::REASON_INVALID);
  v1::ImportRecordsRequest hollow = Import(10);
  hollow.add_batches()->set_timestamp_us(2000);
  EXPECT_EQ(Refused(hollow), v1::REASON_INVALID);
  v1::ImportRecordsRequest garbage = Import(10);
  garbage.mutable_batches(0)->add_records("\x0a\xff");
  EXPECT_EQ(Refused(garbage), v1::REASON_INVALID);
  EXPECT_EQ(Refused(Import(10, -1)), v1::REASON_INVALID);
  v1::ImportRecordsRequest many = Import(10);
  for (int i = 0; i < 65536; ++i) many.mutable_batches(0)->add_records("");
  EXPECT_EQ(Refused(many), v1::REASON_TOO_LARGE);
  v1::ImportRecordsRequest unnamed = Import(10);
  unnamed.clear_log_id();
  EXPECT_EQ(Refused(unnamed), v1::REASON_INVALID);
  EXPECT_EQ(Refused(Import(9)), v1::REASON_CONDITION_FAILED);

  v1::BeginImportRequest again;
  again.set_name("log");
  EXPECT_EQ(ErrorInfoOf(Call(*backup_[0], &Stub::BeginImport, again))->reason(),
            v1::REASON_INVALID);
  again.mutable_base()->set_first_seq(1);
  EXPECT_EQ(ErrorInfoOf(Call(*backup_[0], &Stub::BeginImport, again))->reason(),
            v1::REASON_LOG_EXISTS);
}

TEST_F(BackupServiceTest, AnAppendIsToldToWait) {
  v1::AppendRequest append;
  append.set_log("log");
  append.add_records()->set_payload("early");
  v1::AppendResponse response;
  const grpc::Status status =
      Call(*cluster_[0].log, &v1::LogService::Stub::Append, append, &response);
  EXPECT_EQ(ErrorInfoOf(status)->reason(), v1::REASON_INVALID);
  EXPECT_THAT(status.error_message(), ::testing::HasSubstr("is being imported"));
}

}  // namespace
}  // namespace cairn::rpc
