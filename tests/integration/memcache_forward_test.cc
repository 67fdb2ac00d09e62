// Standbys of memcached that forward: to a primary that has a name, through TLS, and what clients
// are told when the primary cannot be asked.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/tls_context.h"
#include "tests/adapter/certificate.h"
#include "tests/integration/memcache_world.h"

namespace cairn::integration {
namespace {

using adapter::testing::CertificateFiles;
using ::testing::HasSubstr;

constexpr char kNothingDone[] = "SERVER_ERROR the cache has no primary for now: nothing was done";

std::vector<std::string> TlsFlags(const CertificateFiles& files) {
  return {"--tls-cert", files.certificate, "--tls-key", files.key};
}

class MemcacheForwardTest : public ::testing::Test {
 protected:
  // Agent 0 is the primary, and agent 1 follows it, each with flags of its own.
  void Begin(MemcacheWorld::Options options, std::vector<std::string> of_primary) {
    options.agents = 2;
    world_ = std::make_unique<MemcacheWorld>(std::move(options));
    world_->SetFirstFlags(std::move(of_primary));
    world_->StartAgent(0);
    ASSERT_EQ(world_->AwaitPrimary(), std::optional<size_t>(0)) << world_->Output(0);
    world_->StartAgent(1);
    ASSERT_TRUE(world_->AwaitAllServe()) << world_->Output(1);
  }

  // Who trusts the agents' certificate, and `shows` the same or none.
  std::unique_ptr<MemcacheClient> ClientWithTls(size_t agent, const CertificateFiles& agents,
                                                bool shows = false) {
    const auto pem = ReadTlsFiles({agents.certificate, agents.key, ""}, SystemClock().Wall());
    EXPECT_TRUE(pem.ok()) << pem.status();
    const auto context = MakeClientContext(shows ? *pem : TlsPem(), pem->certificate);
    EXPECT_TRUE(context.ok()) << context.status();
    return MemcacheClient::ConnectTls(world_->Address(agent), *context);
  }

  static std::string Write(MemcacheClient& standby) {
    return standby.Set("k", "v").value_or("no answer");
  }

  std::unique_ptr<MemcacheWorld> world_;
};

TEST_F(MemcacheForwardTest, ToAPrimaryThatHasAName) {
  // No other spelling of it is in every table of hosts; it is no address.
  ASSERT_NO_FATAL_FAILURE(Begin({.advertise_host = "LOCALHOST"}, {}));
  const auto standby = world_->Client(1);
  EXPECT_EQ(Write(*standby), "STORED") << world_->Output(1);
  EXPECT_EQ(GetFrom(world_->Address(0), "k"), "v");
}

TEST_F(MemcacheForwardTest, ANameThatNobodyKnowsIsLoggedOnce) {
  ASSERT_NO_FATAL_FAILURE(
      Begin({.flags = {"--hold-timeout-ms", "500"}}, {"--advertise", "nobody.invalid:11211"}));
  const auto standby = world_->Client(1);
  EXPECT_EQ(Write(*standby), kNothingDone);
  EXPECT_EQ(Write(*standby), kNothingDone);
  const std::string output = world_->Output(1);
  const size_t told = output.find("the primary at nobody.invalid:11211 cannot be asked");
  ASSERT_NE(told, std::string::npos) << output;
  EXPECT_EQ(output.find("cannot be asked", told + 60), std::string::npos) << output;
}

TEST_F(MemcacheForwardTest, ThroughTlsWhereTheDoorsAreForThatOnly) {
  const CertificateFiles all("agents");
  ASSERT_NO_FATAL_FAILURE(Begin({.flags = TlsFlags(all)}, {}));
  const auto standby = ClientWithTls(1, all);
  ASSERT_NE(standby, nullptr);
  EXPECT_EQ(Write(*standby), "STORED") << world_->Output(1);
  const std::string large(900'000, 'x');
  EXPECT_EQ(standby->Set("large", large), "STORED");
  const auto primary = ClientWithTls(0, all);
  const auto item = primary->Get("large");
  ASSERT_TRUE(item && *item);
  EXPECT_EQ((**item).value, large);
  const auto through = standby->Get("large");
  ASSERT_TRUE(through && *through);
  EXPECT_EQ((**through).value, large);
}

TEST_F(MemcacheForwardTest, ThroughTlsToWhoAsksForACertificate) {
  const CertificateFiles all("agents");
  std::vector<std::string> flags = TlsFlags(all);
  flags.insert(flags.end(), {"--tls-ca", all.certificate});
  ASSERT_NO_FATAL_FAILURE(Begin({.flags = std::move(flags)}, {}));
  const auto standby = ClientWithTls(1, all, /*shows=*/true);
  ASSERT_NE(standby, nullptr);
  EXPECT_EQ(Write(*standby), "STORED") << world_->Output(1);
}

TEST_F(MemcacheForwardTest, NotToAPrimaryThatIsNotTrusted) {
  const CertificateFiles all("agents");
  const CertificateFiles other("other");
  MemcacheWorld::Options options{.flags = TlsFlags(all)};
  options.flags.insert(options.flags.end(),
                       {"--peer-tls-ca", other.certificate, "--hold-timeout-ms", "500"});
  ASSERT_NO_FATAL_FAILURE(Begin(std::move(options), {}));
  const auto standby = ClientWithTls(1, all);
  ASSERT_NE(standby, nullptr);
  EXPECT_EQ(Write(*standby), kNothingDone);
  EXPECT_THAT(world_->Output(1), HasSubstr("cannot be asked with TLS"));
}

TEST_F(MemcacheForwardTest, InClearToADoorForTlsNothingIsDone) {
  const CertificateFiles all("agents");
  ASSERT_NO_FATAL_FAILURE(Begin({.flags = {"--hold-timeout-ms", "500"}}, TlsFlags(all)));
  const auto standby = world_->Client(1);
  EXPECT_EQ(Write(*standby), kNothingDone);
  EXPECT_THAT(world_->Output(1), HasSubstr("cannot be asked"));
}

}  // namespace
}  // namespace cairn::integration
