// What the client library's long-lived objects do without a right, or when one is taken away: they
// end, saying which right lacks, and do not try for ever.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <thread>

#include "cairn/election.h"
#include "cairn/error.h"
#include "cairn/lease_keeper.h"
#include "cairn/producer.h"
#include "cairn/tailer.h"
#include "tests/security/rights_lab.h"

namespace cairn::security {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(30);

class DeniedClientsTest : public ::testing::Test {
 protected:
  // The only principal of these tests has these rights on the log, from here on.
  void Allow(std::vector<Right> rights) {
    lab_.Put(PrincipalWith("app", "orders", std::move(rights)));
    if (client_ == nullptr) client_ = lab_.ClientAs(lab_.Token("app"));
  }
  Log Open() {
    auto log = client_->OpenLog("orders");
    EXPECT_TRUE(log.ok()) << log.status();
    return *log;
  }
  static void ExpectDenied(const absl::Status& status, const std::string& right) {
    EXPECT_EQ(GetReason(status), Reason::kPermissionDenied) << status;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("principal app lacks the right " + right + " on log orders"));
  }

  RightsLab lab_{1, {"orders"}};
  std::unique_ptr<Client> client_;
};

TEST_F(DeniedClientsTest, AProducerEndsAtOnceAndWhenItsRightIsTakenAway) {
  Allow({Right::kRead});
  ExpectDenied(Producer::Open(Open(), {}).status(), "append");

  Allow({Right::kAppend});
  auto producer = Producer::Open(Open(), {});
  ASSERT_TRUE(producer.ok()) << producer.status();
  ASSERT_TRUE((*producer)->Send("first").ok());
  ASSERT_TRUE((*producer)->Flush(kPatience).ok());
  Allow({Right::kRead});
  ASSERT_TRUE((*producer)->Send("second").ok());
  ExpectDenied((*producer)->Flush(kPatience), "append");
  ExpectDenied((*producer)->Send("third").status(), "append");
}

TEST_F(DeniedClientsTest, ATailerEndsAtOnceAndWhenItsRightIsTakenAway) {
  Allow({Right::kAppend});
  auto denied = Tailer::Open(Open(), {});
  ASSERT_TRUE(denied.ok());
  ExpectDenied((*denied)->Next(kPatience).status(), "read");

  Allow({Right::kRead});
  auto tailer = Tailer::Open(Open(), {});
  ASSERT_TRUE(tailer.ok());
  ASSERT_TRUE((*tailer)->Next(kPatience).ok());
  Allow({Right::kAppend});
  absl::Status end;
  while (end.ok()) end = (*tailer)->Next(kPatience).status();
  ExpectDenied(end, "read");
}

TEST_F(DeniedClientsTest, ALeaseIsNotHeldWithoutTheRightAndLostWithIt) {
  LeaseOptions options;
  options.holder = "h1";
  options.ttl = absl::Seconds(2);
  Allow({Right::kAppend});
  ExpectDenied(LeaseKeeper::Acquire(Open(), options).status(), "lease");

  Allow({Right::kLease});
  auto keeper = LeaseKeeper::Acquire(Open(), options);
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  Allow({Right::kAppend});
  ASSERT_TRUE((*keeper)->WaitLost(kPatience));
  ExpectDenied((*keeper)->status(), "lease");
  EXPECT_FALSE((*keeper)->IsSafe());
}

TEST_F(DeniedClientsTest, ACampaignEndsWithTheRefusal) {
  Allow({Right::kRead});
  ElectionOptions options;
  options.lease.holder = "h1";
  Election election(Open(), options);
  auto tailer = Tailer::Open(Open(), {});
  ASSERT_TRUE(tailer.ok());
  std::thread consumer([&] {
    // Until the tail has told where the log ends, nobody campaigns.
    for (auto event = (*tailer)->Next(kPatience); event.ok(); event = (*tailer)->Next(kPatience)) {
      election.Consumed(*event);
      if (event->caught_up) return;
    }
  });
  ExpectDenied(election.Campaign(kPatience).status(), "lease");
  consumer.join();
}

TEST_F(DeniedClientsTest, WhoseTokenIsRevokedIsToldSo) {
  Allow({Right::kAppend, Right::kRead});
  auto tailer = Tailer::Open(Open(), {});
  auto producer = Producer::Open(Open(), {});
  ASSERT_TRUE(tailer.ok() && producer.ok());
  ASSERT_TRUE((*tailer)->Next(kPatience).ok());
  const auto policy = Access(lab_.root()).GetPolicy();
  ASSERT_TRUE(policy.ok());
  for (const TokenInfo& token : policy->tokens) {
    if (token.principal != "app") continue;
    EXPECT_TRUE(Access(lab_.root()).RevokeToken(token.id).ok());
  }
  absl::Status end;
  while (end.ok()) end = (*tailer)->Next(kPatience).status();
  EXPECT_EQ(GetReason(end), Reason::kUnauthenticated) << end;
  absl::Status sent;
  while (sent.ok()) {
    if (!(*producer)->Send("record").ok()) break;
    sent = (*producer)->Flush(kPatience);
  }
  EXPECT_EQ(GetReason((*producer)->status()), Reason::kUnauthenticated) << (*producer)->status();
  EXPECT_EQ(GetReason(client_->OpenLog("orders").status()), Reason::kUnauthenticated);
}

}  // namespace
}  // namespace cairn::security
