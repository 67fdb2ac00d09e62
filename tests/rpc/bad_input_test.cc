// Every other bad input that the API documents, sent to a real node: names, positions, leases, the
// catalog.
#include <functional>
#include <string>
#include <vector>

#include "tests/rpc/bad_input_lab.h"

namespace cairn::rpc {
namespace {

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
