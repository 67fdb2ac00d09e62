// A worker's turns, one by one: the disk is a list that the test works off.
#include "server/runtime/worker.h"

#include <gtest/gtest.h>

#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "storage/entry_codec.h"

namespace cairn::server {
namespace {

class TestClock : public Clock {
 public:
  [[nodiscard]] MonoMicros Mono() const override { return now_us; }
  [[nodiscard]] WallMicros Wall() const override { return now_us; }
  int64_t now_us = 1'000'000'000;
};

class TestPorts : public WorkerPorts {
 public:
  struct Batch {
    storage::StoreBatch batch;
    storage::CommitSink* sink;
    uint64_t ticket;
  };
  void Send(std::vector<OutMessage>) override {}
  void Commit(storage::StoreBatch batch, storage::CommitSink* sink, uint64_t ticket) override {
    batches.push_back({std::move(batch), sink, ticket});
  }
  void Read(storage::ReadRequest, storage::ReadSink*) override {}
  void Fetch(RunRequest, FetchSink*) override {}
  void OnCatalogChange(const CatalogChange&) override {}
  void Alarm(const std::string& line) override { ADD_FAILURE() << line; }
  [[nodiscard]] storage::Room FreeRoom() const override { return storage::Room::kEnough; }

  std::deque<Batch> batches;
};

class Replies : public ReplySink {
 public:
  void OnReply(uint64_t token, Reply reply) override {
    (std::holds_alternative<AppendDone>(reply) ? tokens : refused).push_back(token);
  }
  std::vector<uint64_t> tokens;
  std::vector<uint64_t> refused;
};

// Logs of one voter each, all led by this node.
class WorkerTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kGroups = 3;

  explicit WorkerTest(uint32_t hibernate_ticks = 0) {
    Worker::Options options;
    options.tick_us = kTickUs;
    worker_ = std::make_unique<Worker>(options, &clock_, &ports_);
    for (uint64_t group = 1; group <= kGroups; ++group) {
      GroupConfig config;
      config.raft.self = NodeId(1);
      config.raft.hibernate_ticks = hibernate_ticks;
      GroupStart start;
      start.group = GroupId(group);
      start.initial_voters = {NodeId(1)};
      worker_->AddGroup(config, std::move(start), nullptr);
    }
    for (int ticks = 0; ticks < 100 && !AllLead(); ++ticks) PassTick();
    EXPECT_TRUE(AllLead());
  }

  void PassTick() {
    clock_.now_us += kTickUs;
    RunAll();
    while (Complete()) RunAll();
  }

  [[nodiscard]] bool AllLead() const {
    for (uint64_t group = 1; group <= kGroups; ++group) {
      const Group* found = worker_->Find(GroupId(group));
      if (found == nullptr || !found->core().LeadsWithCommittedTerm()) return false;
    }
    return true;
  }
  void RunAll() {
    while (worker_->RunOnce()) {
    }
  }
  // The oldest batch is on the disk. False: there was none.
  bool Complete() {
    if (ports_.batches.empty()) return false;
    const TestPorts::Batch done = std::move(ports_.batches.front());
    ports_.batches.pop_front();
    done.sink->OnCommitted(done.ticket);
    return true;
  }
  void Ask(uint64_t group, uint64_t token, RequestBody body) {
    worker_->PostUrgent({GroupId(group), Request{.reply_to = {&replies_, token},
                                                 .body = std::move(body),
                                                 .deadline = std::numeric_limits<int64_t>::max()}});
    RunAll();
  }
  void Append(uint64_t group, uint64_t token) {
    AppendOp op;
    cairn::v1::Record record;
    record.set_payload("payload");
    storage::AppendRecordTo(op.records, record.SerializeAsString());
    op.count = 1;
    Ask(group, token, std::move(op));
  }
  // Groups of a batch that is not on the disk yet.
  [[nodiscard]] std::vector<uint64_t> GroupsOf(size_t batch) const {
    std::vector<uint64_t> groups;
    for (const storage::GroupWrite& write : ports_.batches[batch].batch.groups) {
      groups.push_back(write.group.value());
    }
    return groups;
  }

  static constexpr int64_t kTickUs = 50'000;
  TestClock clock_;
  TestPorts ports_;
  Replies replies_;
  std::unique_ptr<Worker> worker_;
};

// A log was moved away and back while the disk was busy with what it had been asked for.
TEST_F(WorkerTest, AReplicaThatComesBackHearsNothingThatWasMeantForItsForerunner) {
  Append(2, 7);
  ASSERT_EQ(ports_.batches.size(), 1u);
  worker_->LeaveGroup(GroupId(2), /*placement=*/5, NodeId(3));
  GroupConfig config;
  config.raft.self = NodeId(1);
  GroupStart start;
  start.group = GroupId(2);
  start.placement = 6;
  start.damaged = true;
  worker_->AddGroup(config, std::move(start), nullptr);
  RunAll();
  EXPECT_EQ(replies_.refused, std::vector<uint64_t>{7}) << "the first one is gone";
  while (Complete()) RunAll();
  ASSERT_NE(worker_->Find(GroupId(2)), nullptr);
  EXPECT_EQ(worker_->Find(GroupId(2))->core().standing(), consensus::Standing::kLost);
  EXPECT_EQ(worker_->Find(GroupId(2))->core().last().index, Index());
}

TEST_F(WorkerTest, AnAppendGoesToAnIdleDiskAtOnce) {
  Append(2, 7);
  ASSERT_EQ(ports_.batches.size(), 1u);
  EXPECT_EQ(GroupsOf(0), std::vector<uint64_t>{2});
  EXPECT_TRUE(replies_.tokens.empty());
  Complete();
  RunAll();
  EXPECT_EQ(replies_.tokens, std::vector<uint64_t>{7});
}

TEST_F(WorkerTest, RequestsOfAllLogsGatherWhileTheDiskIsBusy) {
  Append(1, 11);
  Append(2, 12);
  Append(3, 13);
  Append(3, 14);
  ASSERT_EQ(ports_.batches.size(), 1u);
  EXPECT_EQ(GroupsOf(0), std::vector<uint64_t>{1});
  Complete();
  RunAll();
  EXPECT_EQ(replies_.tokens, std::vector<uint64_t>{11});
  ASSERT_EQ(ports_.batches.size(), 1u);
  EXPECT_EQ(GroupsOf(0), (std::vector<uint64_t>{2, 3}));
  Complete();
  RunAll();
  EXPECT_EQ(replies_.tokens, (std::vector<uint64_t>{11, 12, 13, 14}));
  EXPECT_TRUE(ports_.batches.empty());
}

TEST_F(WorkerTest, ALogThatGoesWhileItsRequestsGatherIsNotMissed) {
  Append(1, 11);
  Append(2, 12);
  Append(3, 13);
  worker_->RemoveGroup(GroupId(2));
  RunAll();
  EXPECT_EQ(replies_.refused, std::vector<uint64_t>{12});
  while (Complete()) RunAll();
  EXPECT_EQ(replies_.tokens, (std::vector<uint64_t>{11, 13}));
}

// Logs that hibernate after three quiet ticks.
class SleepyWorkerTest : public WorkerTest {
 protected:
  SleepyWorkerTest() : WorkerTest(/*hibernate_ticks=*/3) {
    for (int ticks = 0; ticks < 10; ++ticks) PassTick();
  }
  [[nodiscard]] const Group& group(uint64_t group) const { return *worker_->Find(GroupId(group)); }
  [[nodiscard]] bool SleepsInView(uint64_t group) const {
    for (const GroupView& view : worker_->Views()) {
      if (view.group == GroupId(group)) return view.hibernating;
    }
    return false;
  }
};

TEST_F(SleepyWorkerTest, QuietLogsGetNoTicksUntilSomethingIsAsked) {
  for (uint64_t i = 1; i <= kGroups; ++i) {
    EXPECT_TRUE(group(i).core().asleep());
    EXPECT_GT(group(i).NextTick(), clock_.now_us + kTickUs);
    EXPECT_TRUE(SleepsInView(i));
  }
  Append(2, 7);
  EXPECT_EQ(GroupsOf(0), std::vector<uint64_t>{2});
  while (Complete()) RunAll();
  EXPECT_EQ(replies_.tokens, std::vector<uint64_t>{7});
  EXPECT_EQ(group(2).NextTick(), 0);
  EXPECT_TRUE(group(1).core().asleep());
  PassTick();
  EXPECT_FALSE(SleepsInView(2));
  EXPECT_TRUE(SleepsInView(1));
}

TEST_F(SleepyWorkerTest, ALeaseEndsOnTimeAlthoughItsLogSleeps) {
  constexpr int64_t kTtlMs = 7000;
  Ask(1, 8, AcquireOp{.name = "primary", .holder = "h", .ttl_ms = kTtlMs, .if_last_seq = {}});
  while (Complete()) RunAll();
  const MonoMicros granted = clock_.now_us;
  const Seq last_seq = group(1).state().applied().last_seq;
  EXPECT_EQ(group(1).state().applied().leases.size(), 1u);
  int slept = 0;
  while (clock_.now_us - granted < kTtlMs * kMicrosPerMilli) {
    EXPECT_EQ(group(1).state().applied().leases.size(), 1u);
    if (group(1).core().asleep()) ++slept;
    PassTick();
  }
  EXPECT_GT(slept, 0);
  PassTick();
  // The record of its end is in the log.
  EXPECT_EQ(group(1).state().applied().leases.size(), 0u);
  EXPECT_EQ(group(1).state().applied().last_seq, last_seq + 1);
}

}  // namespace
}  // namespace cairn::server
