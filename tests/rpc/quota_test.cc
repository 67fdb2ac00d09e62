// Quotas: the meter over made-up time, and what a node does with appends that come too fast.

#include "server/rpc/quota.h"

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/rate_meter.h"
#include "tests/rpc/test_node.h"

namespace cairn::rpc {
namespace {

using std::chrono::steady_clock;

constexpr MonoMicros kStart = 5 * kMicrosPerSecond;

// ---- The meter ----------------------------------------------------------------------------------

TEST(RateMeterTest, WithoutARateEverythingGoesAtOnce) {
  RateMeter meter;
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(meter.Claim(uint64_t{1} << 40, kStart), kStart);
  EXPECT_EQ(meter.Opening(kStart), kStart);
}

TEST(RateMeterTest, ASecondsWorthGoesAtOnceAndTheRestAtTheRate) {
  RateMeter meter;
  meter.SetRate(10);
  for (int i = 0; i < 11; ++i) EXPECT_EQ(meter.Claim(1, kStart), kStart) << i;
  for (int i = 1; i <= 50; ++i) {
    EXPECT_EQ(meter.Claim(1, kStart), kStart + i * kMicrosPerSecond / 10) << i;
  }
}

TEST(RateMeterTest, APauseIsWorthASecondAtMost) {
  RateMeter meter;
  meter.SetRate(10);
  for (int i = 0; i < 11; ++i) (void)meter.Claim(1, kStart);
  const MonoMicros later = kStart + 3600 * kMicrosPerSecond;
  for (int i = 0; i < 11; ++i) EXPECT_EQ(meter.Claim(1, later), later) << i;
  EXPECT_GT(meter.Claim(1, later), later);
}

TEST(RateMeterTest, WhatIsLargerThanTheAllowancePassesAndIsPaidFor) {
  RateMeter meter;
  meter.SetRate(1000);
  EXPECT_EQ(meter.Claim(16'000, kStart), kStart);
  EXPECT_EQ(meter.Opening(kStart), kStart + 15 * kMicrosPerSecond);
  EXPECT_EQ(meter.Opening(kStart + 20 * kMicrosPerSecond), kStart + 20 * kMicrosPerSecond);
}

TEST(RateMeterTest, SmallAmountsOfALargeAllowanceCost) {
  RateMeter meter;
  meter.SetRate(1'000'000'000);
  for (int i = 0; i < 2'000'000; ++i) (void)meter.Claim(1000, kStart);  // Two seconds' worth.
  EXPECT_EQ(meter.Opening(kStart), kStart + kMicrosPerSecond);
}

TEST(RateMeterTest, WhatIsGivenBackCanBeHadAgain) {
  RateMeter meter;
  meter.SetRate(10);
  (void)meter.Claim(40, kStart);
  meter.Return(40);
  EXPECT_EQ(meter.Opening(kStart), kStart);
}

// Whatever is asked for and however often: in no stretch of time goes more than its worth, a
// second's, and one request.
TEST(RateMeterTest, TheRateHoldsForClaimsFromManyThreads) {
  RateMeter meter;
  meter.SetRate(1000);
  constexpr int kThreads = 4;
  constexpr int kClaims = 5000;
  std::vector<std::thread> threads;
  std::vector<MonoMicros> last(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&meter, &last, t] {
      for (int i = 0; i < kClaims; ++i) last[t] = meter.Claim(1, kStart);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const MonoMicros end = *std::max_element(last.begin(), last.end());
  EXPECT_EQ(end, kStart + (kThreads * kClaims - 1) * kMicrosPerMilli - kMicrosPerSecond);
}

// ---- A bill -------------------------------------------------------------------------------------

class QuotaBillTest : public ::testing::Test {
 protected:
  QuotaBill Bill(const QuotaRates& log, const QuotaRates& tenant) {
    return QuotaBill(quotas_.OfLog(GroupId(7), "orders", log, kStart),
                     quotas_.OfTenant("shop", tenant, kStart));
  }

  Quotas quotas_;
};

TEST_F(QuotaBillTest, NoQuotaMakesNoBill) { EXPECT_TRUE(Bill({}, {}).empty()); }

TEST_F(QuotaBillTest, WhatWouldWaitLongIsRefusedAndNotCounted) {
  QuotaBill bill = Bill({.appends_per_second = 1}, {});
  EXPECT_EQ(bill.Claim(100, kStart), 0);
  EXPECT_EQ(bill.Claim(100, kStart), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(bill.Claim(100, kStart), kMicrosPerSecond);
  const server::Rejection refusal = bill.Refusal("orders", kMicrosPerSecond, kStart);
  EXPECT_EQ(refusal.info.reason(), v1::REASON_OVERLOADED);
  EXPECT_EQ(refusal.info.retry_after_ms(), 1000u);
  EXPECT_EQ(refusal.message,
            "orders: over its quota: log orders may take 1 appends a second; come again in 1000 "
            "ms");
  EXPECT_EQ(bill.Claim(100, kStart + kMicrosPerSecond), 0);
}

TEST_F(QuotaBillTest, TheTenantsQuotaIsNamedWhenItIsTheOneUsedUp) {
  QuotaBill bill = Bill({.appends_per_second = 1000}, {.bytes_per_second = 2048});
  EXPECT_EQ(bill.Claim(1 << 20, kStart), 0);
  const int64_t wait_us = bill.Claim(1, kStart);
  ASSERT_GT(wait_us, kMaxHoldUs);
  EXPECT_NE(bill.Refusal("orders", wait_us, kStart)
                .message.find("tenant shop may take 2048 bytes a second"),
            std::string::npos);
}

TEST_F(QuotaBillTest, AReturnedBillWasNeverCounted) {
  for (int i = 0; i < 100; ++i) {
    QuotaBill bill = Bill({.appends_per_second = 1}, {.bytes_per_second = 1024});
    EXPECT_EQ(bill.Claim(1024, kStart), 0);
    bill.Return();
    EXPECT_TRUE(bill.empty());
  }
}

TEST_F(QuotaBillTest, QuotasThatAreIdleAreForgottenAndNoOthers) {
  constexpr uint64_t kLogs = 10'000;
  const QuotaRates one{.appends_per_second = 1};
  QuotaBill held(quotas_.OfLog(GroupId(1), "held", one, kStart), nullptr);
  QuotaBill busy(quotas_.OfLog(GroupId(2), "busy", one, kStart), nullptr);
  const MonoMicros much_later = kStart + 3600 * kMicrosPerSecond;
  for (int i = 0; i < 2; ++i) (void)busy.Claim(1, much_later);
  busy = QuotaBill();
  for (uint64_t id = 3; id < kLogs; ++id) {
    (void)quotas_.OfLog(GroupId(id), "deleted", one, much_later);
  }
  EXPECT_LT(quotas_.size(), 1000u);
  QuotaBill again(quotas_.OfLog(GroupId(2), "busy", one, much_later), nullptr);
  EXPECT_GT(again.Claim(1, much_later), 0) << "what it has used up is remembered";
  // Both bills draw on one allowance.
  QuotaBill other(quotas_.OfLog(GroupId(1), "held", one, much_later), nullptr);
  EXPECT_EQ(held.Claim(1, much_later), 0);
  EXPECT_EQ(other.Claim(1, much_later), 0);
  EXPECT_GT(held.Claim(1, much_later), 0);
}

// ---- Nodes --------------------------------------------------------------------------------------

class QuotaTest : public ::testing::Test {
 protected:
  static v1::LogSettings Appends(uint64_t per_second) {
    v1::LogSettings settings;
    settings.set_appends_per_second(per_second);
    return settings;
  }
  static v1::AppendRequest Request(const std::string& log) {
    v1::AppendRequest request;
    request.set_log(log);
    request.add_records()->set_payload("p");
    return request;
  }
  grpc::Status AppendTo(const std::string& log, size_t node) {
    return Call(*cluster_[node].log, &v1::LogService::Stub::Append, Request(log));
  }

  TestCluster cluster_{3};
};

TEST_F(QuotaTest, UnaryAppendsThatComeTooFastAreRefusedWithAPause) {
  cluster_.Create("slow", Appends(1));
  cluster_.Create("free");
  int refused = 0;
  for (int i = 0; i < 50; ++i) {
    const grpc::Status status = AppendTo("slow", i % 3);
    if (status.ok()) continue;
    ++refused;
    ASSERT_EQ(ReasonOf(status), v1::REASON_OVERLOADED) << status.error_message();
    EXPECT_GT(ErrorInfoOf(status)->retry_after_ms(), kMaxHoldUs / kMicrosPerMilli);
    EXPECT_NE(status.error_message().find("quota"), std::string::npos);
    EXPECT_TRUE(AppendTo("free", i % 3).ok()) << "the quota is of one log";
  }
  EXPECT_GT(refused, 0);
}

TEST_F(QuotaTest, AStreamIsSlowedDownAndNothingOfItRefused) {
  constexpr int kRequests = 80;
  constexpr int kPerSecond = 40;
  const uint64_t id = cluster_.Create("paced", Appends(kPerSecond));
  TestNode& leader = cluster_[cluster_.LeaderOf("paced")];
  const steady_clock::time_point started = steady_clock::now();
  grpc::ClientContext context;
  auto stream = leader.log->AppendStream(&context);
  v1::AppendStreamRequest request;
  *request.mutable_append() = Request("paced");
  request.mutable_append()->set_log_id(id);
  for (int i = 0; i < kRequests; ++i) ASSERT_TRUE(stream->Write(request));
  stream->WritesDone();
  for (uint64_t seq = 1; seq <= kRequests; ++seq) {
    v1::AppendStreamResponse response;
    ASSERT_TRUE(stream->Read(&response));
    ASSERT_TRUE(response.has_appended()) << response.message();
    EXPECT_EQ(response.appended().first_seq(), seq);
  }
  EXPECT_TRUE(stream->Finish().ok());
  // All but a second's worth and one came at the rate.
  constexpr std::chrono::duration<double> kLeast(static_cast<double>(kRequests - kPerSecond - 1) /
                                                 kPerSecond);
  EXPECT_GE(steady_clock::now() - started, kLeast);
  EXPECT_GT(leader.node().metrics().append_quota_held_total.Value(), 0);
}

TEST_F(QuotaTest, AStreamOfALargeRequestIsToldWhenToComeAgain) {
  v1::LogSettings settings;
  settings.set_append_bytes_per_second(1024);
  cluster_.Create("narrow", settings);
  TestNode& leader = cluster_[cluster_.LeaderOf("narrow")];
  grpc::ClientContext context;
  auto stream = leader.log->AppendStream(&context);
  v1::AppendStreamRequest request;
  *request.mutable_append() = Request("narrow");
  request.mutable_append()->mutable_records(0)->set_payload(std::string(1 << 20, 'p'));
  v1::AppendStreamResponse response;
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(response.has_appended()) << "in one piece";
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.refused().reason(), v1::REASON_OVERLOADED);
  EXPECT_GT(response.refused().retry_after_ms(), 1000u);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(QuotaTest, AChangedQuotaHoldsAtOnce) {
  const uint64_t id = cluster_.Create("changed", Appends(1));
  const size_t leader = cluster_.LeaderOf("changed");
  for (int i = 0; i < 50 && AppendTo("changed", leader).ok(); ++i) {
  }
  v1::UpdateLogRequest update;
  update.set_log("changed");
  update.set_log_id(id);
  *update.mutable_settings() = Appends(0);
  ASSERT_TRUE(Call(*cluster_[leader].log, &v1::LogService::Stub::UpdateLog, update).ok());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(AppendTo("changed", leader).ok());
}

}  // namespace
}  // namespace cairn::rpc
