// Elections over a node that keeps one lease: who campaigns when, with which position, and what a
// refusal teaches. Real threads and clock, since Campaign blocks; nothing sleeps, the test waits
// for what the node was asked.

#include "cairn/election.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "cairn/v1/lease.pb.h"
#include "client/src/thread_executor.h"
#include "tests/client/scripted_stub.h"

namespace cairn::client {
namespace {

using testing::ElementsAre;

constexpr absl::Duration kPatience = absl::Seconds(20);  // How long a test waits before it fails.

// The leader of a log with one lease.
class LeaseNode {
 public:
  struct Asked {
    std::optional<uint64_t> if_last_seq;
    absl::Time at;
  };

  // Records that nobody in this process wrote.
  void Append(uint64_t records) {
    absl::MutexLock lock(&mutex_);
    last_seq_ += records;
  }
  // Somebody else holds the lease, for so long by the node's own clock.
  void HeldByAnother(uint64_t remaining_ms) {
    absl::MutexLock lock(&mutex_);
    epoch_ = ++last_seq_;
    holder_ = "other";
    free_at_ = absl::Now() + absl::Milliseconds(remaining_ms);
  }
  void Fence() {
    absl::MutexLock lock(&mutex_);
    epoch_ = 0;
  }
  void FailAcquire(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    failure_ = std::move(status);
  }

  [[nodiscard]] std::vector<Asked> acquires() {
    absl::MutexLock lock(&mutex_);
    return acquires_;
  }
  [[nodiscard]] std::vector<uint64_t> released() {
    absl::MutexLock lock(&mutex_);
    return released_;
  }
  [[nodiscard]] bool AwaitAcquires(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return acquires_.size() >= count;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
  }

  absl::StatusOr<std::unique_ptr<google::protobuf::Message>> Do(Method method,
                                                                const std::string& request) {
    absl::MutexLock lock(&mutex_);
    switch (method) {
      case Method::kAcquire:
        return Acquire(Parse<v1::AcquireRequest>(request));
      case Method::kRenew:
        return Renew(Parse<v1::RenewRequest>(request));
      case Method::kRelease:
        return Release(Parse<v1::ReleaseRequest>(request));
      default:
        return absl::InternalError("not part of an election");
    }
  }

 private:
  using Answer = absl::StatusOr<std::unique_ptr<google::protobuf::Message>>;

  template <class Message>
  static Message Parse(const std::string& bytes) {
    Message message;
    CHECK(message.ParseFromString(bytes));
    return message;
  }

  Answer Acquire(const v1::AcquireRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    acquires_.push_back({std::nullopt, absl::Now()});
    if (request.has_if_last_seq()) acquires_.back().if_last_seq = request.if_last_seq();
    if (!failure_.ok()) return failure_;
    v1::ErrorInfo info;
    info.set_last_seq(last_seq_);
    if (request.has_if_last_seq() && request.if_last_seq() != last_seq_) {
      return Refusal(v1::REASON_CONDITION_FAILED, absl::StatusCode::kAborted, info);
    }
    if (epoch_ != 0 && absl::Now() < free_at_) {
      info.mutable_lease()->set_holder(holder_);
      info.mutable_lease()->set_epoch(epoch_);
      info.mutable_lease()->set_remaining_ms(
          static_cast<uint64_t>(absl::ToInt64Milliseconds(free_at_ - absl::Now())));
      return Refusal(v1::REASON_LEASE_HELD, absl::StatusCode::kFailedPrecondition, info);
    }
    epoch_ = ++last_seq_;
    holder_ = request.holder();
    free_at_ = absl::Now() + absl::Milliseconds(request.ttl_ms());
    auto response = std::make_unique<v1::AcquireResponse>();
    response->set_epoch(epoch_);
    response->set_last_seq(last_seq_);
    return response;
  }

  Answer Renew(const v1::RenewRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (request.epoch() != epoch_) {
      return Refusal(v1::REASON_LEASE_LOST, absl::StatusCode::kFailedPrecondition);
    }
    auto response = std::make_unique<v1::RenewResponse>();
    response->set_ttl_ms(300);
    return response;
  }

  Answer Release(const v1::ReleaseRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    released_.push_back(request.epoch());
    if (request.epoch() == epoch_) epoch_ = 0;
    auto response = std::make_unique<v1::ReleaseResponse>();
    response->set_last_seq(++last_seq_);
    return response;
  }

  absl::Mutex mutex_;
  uint64_t last_seq_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string holder_ ABSL_GUARDED_BY(mutex_);
  absl::Time free_at_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::vector<Asked> acquires_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint64_t> released_ ABSL_GUARDED_BY(mutex_);
};

class LeaseStub : public Stub {
 public:
  LeaseStub(LeaseNode& node, Executor& executor) : node_(node), executor_(executor) {}

  void Call(const std::string&, Method method, const EncodedMessage& request, int64_t,
            UnaryDone done) override {
    auto answer = std::make_shared<absl::StatusOr<std::unique_ptr<google::protobuf::Message>>>(
        node_.Do(method, request.Joined()));
    executor_.Post([done = std::move(done), answer] {
      if (answer->ok()) return done(absl::OkStatus(), std::move(**answer));
      done(answer->status(), nullptr);
    });
  }
  std::unique_ptr<Stream> Open(const std::string&, Method, StreamHandler) override {
    CHECK_UNREACHABLE();
  }
  void Shutdown() override {}

 private:
  LeaseNode& node_;
  Executor& executor_;
};

class ElectionTest : public testing::Test {
 protected:
  ElectionTest() {
    ClientOptions options;
    options.endpoints = {"a:1"};
    auto executor = std::make_unique<ThreadExecutor>(SystemClock());
    auto stub = std::make_unique<LeaseStub>(node_, *executor);
    client_ = std::make_unique<Client>(std::make_unique<Core>(
        std::move(options), std::move(stub), std::move(executor), SystemClock(), 1));
    ElectionOptions election;
    election.lease.holder = "me";
    election.lease.ttl = absl::Milliseconds(300);
    election.lease.on_lost = [this](const absl::Status& why) {
      absl::MutexLock lock(&mutex_);
      lost_ = why;
    };
    election.max_jitter = absl::ZeroDuration();
    election_ = std::make_unique<Election>(client_->LogWithId("orders", LogId{7}), election);
  }
  ~ElectionTest() override {
    if (candidate_.joinable()) {
      election_->Stop();
      candidate_.join();
    }
  }

  static TailEvent CaughtUpAt(uint64_t seq) {
    TailEvent event;
    event.caught_up = CaughtUp{.seq = Seq{seq}, .chain = 1, .age = absl::ZeroDuration()};
    return event;
  }
  static TailEvent LeaseRecord(uint64_t seq, RecordKind kind, const std::string& holder,
                               uint64_t ttl_ms = 300) {
    Record record;
    record.seq = Seq{seq};
    record.kind = kind;
    record.lease = LeaseEvent{.name = "primary", .holder = holder, .ttl_ms = ttl_ms};
    TailEvent event;
    event.batches.push_back({.first_seq = Seq{seq}, .records = {record}});
    return event;
  }

  // Campaigns on a thread of its own, as a real candidate does.
  void Campaign() {
    candidate_ = std::thread([this] {
      result_ = election_->Campaign(kPatience);
      decided_.Notify();
    });
  }
  [[nodiscard]] bool AwaitDecided() { return decided_.WaitForNotificationWithTimeout(kPatience); }
  [[nodiscard]] std::vector<std::optional<uint64_t>> AskedWith() {
    std::vector<std::optional<uint64_t>> positions;
    for (const LeaseNode::Asked& asked : node_.acquires()) positions.push_back(asked.if_last_seq);
    return positions;
  }

  LeaseNode node_;
  absl::Mutex mutex_;
  std::optional<absl::Status> lost_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Client> client_;
  std::unique_ptr<Election> election_;
  absl::StatusOr<std::unique_ptr<LeaseKeeper>> result_ = absl::UnknownError("not decided");
  absl::Notification decided_;
  std::thread candidate_;
};

TEST_F(ElectionTest, AFreeLeaseIsWonWithThePositionConsumed) {
  node_.Append(3);
  election_->Consumed(CaughtUpAt(3));
  const auto keeper = election_->Campaign(kPatience);
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  EXPECT_EQ((*keeper)->epoch(), Epoch{4});
  EXPECT_TRUE((*keeper)->IsSafe());
  EXPECT_THAT(AskedWith(), ElementsAre(3));

  EXPECT_EQ(election_->Observe().holder, "") << "the grant itself is not consumed yet";
  election_->Consumed(LeaseRecord(4, RecordKind::kLeaseAcquired, "me"));
  EXPECT_EQ(election_->Observe().holder, "me");
  EXPECT_EQ(election_->Observe().epoch, Epoch{4});
}

TEST_F(ElectionTest, WhoHasConsumedNothingDoesNotCampaign) {
  EXPECT_EQ(election_->Campaign(absl::Milliseconds(50)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(node_.acquires().empty());
}

TEST_F(ElectionTest, WhoIsBehindTriesAgainOnlyWhenItHasReadOn) {
  node_.Append(5);
  election_->Consumed(CaughtUpAt(3));
  Campaign();
  ASSERT_TRUE(node_.AwaitAcquires(1));
  election_->Consumed(LeaseRecord(4, RecordKind::kData, ""));  // Not there yet.
  election_->Consumed(LeaseRecord(5, RecordKind::kData, ""));
  ASSERT_TRUE(AwaitDecided());
  ASSERT_TRUE(result_.ok()) << result_.status();
  EXPECT_THAT(AskedWith(), ElementsAre(3, 5));
}

TEST_F(ElectionTest, AReleaseIsTakenUpAtOnce) {
  node_.HeldByAnother(60'000);
  election_->Consumed(LeaseRecord(1, RecordKind::kLeaseAcquired, "other", 60'000));
  EXPECT_EQ(election_->Observe().holder, "other");
  EXPECT_EQ(election_->Campaign(absl::Milliseconds(50)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(node_.acquires().empty()) << "a lease that shows life is not asked for";

  Campaign();
  node_.Fence();
  node_.Append(1);
  election_->Consumed(LeaseRecord(2, RecordKind::kLeaseReleased, "other"));
  ASSERT_TRUE(AwaitDecided());
  ASSERT_TRUE(result_.ok()) << result_.status();
  EXPECT_THAT(AskedWith(), ElementsAre(2));
}

TEST_F(ElectionTest, ALeaseWithoutSignsOfLifeIsTakenAfterItsTtl) {
  node_.HeldByAnother(100);
  const absl::Time granted = absl::Now();
  election_->Consumed(LeaseRecord(1, RecordKind::kLeaseAcquired, "other", 100));
  const auto keeper = election_->Campaign(kPatience);
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  EXPECT_GE(node_.acquires().front().at - granted, absl::Milliseconds(99));
}

TEST_F(ElectionTest, ARenewalIsASignOfLife) {
  election_->Consumed(LeaseRecord(1, RecordKind::kLeaseAcquired, "other", 200));
  TailEvent renewed;
  renewed.renewed.push_back({.name = "primary", .epoch = Epoch{1}});
  const absl::Time until = absl::Now() + absl::Milliseconds(600);
  while (absl::Now() < until) {
    election_->Consumed(renewed);
    EXPECT_EQ(election_->Campaign(absl::Milliseconds(50)).status().code(),
              absl::StatusCode::kDeadlineExceeded);
  }
  EXPECT_TRUE(node_.acquires().empty());
}

// The holder was never seen: the tail began after its grant.
TEST_F(ElectionTest, ARefusalTellsHowLongTheHolderHas) {
  node_.HeldByAnother(150);
  election_->Consumed(CaughtUpAt(1));
  const auto keeper = election_->Campaign(kPatience);
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  const auto asked = node_.acquires();
  ASSERT_EQ(asked.size(), 2u) << "one refusal, then one try when the time is up";
  EXPECT_GE(asked[1].at - asked[0].at, absl::Milliseconds(140));
}

TEST_F(ElectionTest, ALostLeaseIsToldAndWonAnew) {
  election_->Consumed(CaughtUpAt(0));
  auto keeper = election_->Campaign(kPatience);
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  node_.Fence();
  node_.Append(1);
  ASSERT_TRUE((*keeper)->WaitLost(kPatience)) << "by the next renewal";
  EXPECT_EQ(GetReason((*keeper)->status()), Reason::kLeaseLost);
  EXPECT_FALSE((*keeper)->IsSafe());
  const auto told = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return lost_.has_value(); };
  {
    absl::MutexLock lock(&mutex_);
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&told), kPatience));
  }
  election_->Consumed(LeaseRecord(1, RecordKind::kLeaseAcquired, "me"));
  election_->Consumed(LeaseRecord(2, RecordKind::kLeaseExpired, "me"));
  keeper = election_->Campaign(kPatience);
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  EXPECT_EQ((*keeper)->epoch(), Epoch{3});
}

TEST_F(ElectionTest, ResigningFreesTheLease) {
  election_->Consumed(CaughtUpAt(0));
  const auto keeper = election_->Campaign(kPatience);
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  EXPECT_TRUE(Election::Resign(**keeper).ok());
  EXPECT_FALSE((*keeper)->IsSafe());
  EXPECT_THAT(node_.released(), ElementsAre(1));
}

TEST_F(ElectionTest, StoppingEndsThisCampaignAndLaterOnes) {
  Campaign();
  election_->Stop();
  ASSERT_TRUE(AwaitDecided());
  EXPECT_EQ(result_.status().code(), absl::StatusCode::kCancelled);
  election_->Consumed(CaughtUpAt(0));
  EXPECT_EQ(election_->Campaign().status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(node_.acquires().empty());
}

TEST_F(ElectionTest, WhatCannotChangeEndsTheCampaign) {
  node_.FailAcquire(Refusal(v1::REASON_LOG_NOT_FOUND, absl::StatusCode::kNotFound));
  election_->Consumed(CaughtUpAt(0));
  EXPECT_EQ(GetReason(election_->Campaign(kPatience).status()), Reason::kLogNotFound);
}

}  // namespace
}  // namespace cairn::client
