// TLS on memcached's front: handshakes that succeed, that must not, and that never end; and more
// clients than are let in.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "adapter/memcache/front/front.h"
#include "base/tls_context.h"
#include "tests/adapter/certificate.h"
#include "tests/adapter/memcache/memcached.h"
#include "tests/integration/memcache_client.h"

namespace cairn::adapter::memcache {
namespace {

using adapter::testing::CertificateFiles;
using integration::MemcacheClient;

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A standby that answers reads, and whose clients use TLS.
class FrontTlsTest : public ::testing::Test {
 protected:
  void Open(FrontOptions options) {
    options.doors.listen = "127.0.0.1:0";
    options.doors.tls.certificate = server_.certificate;
    options.doors.tls.key = server_.key;
    options.thread.writer.submit = [](std::vector<WriteRequest>) { FAIL() << "nobody writes"; };
    options.thread.writer.pending_bytes = [] { return size_t{0}; };
    options.thread.agent_stats = [] { return std::string("END\r\n"); };
    absl::StatusOr<std::unique_ptr<Front>> front = Front::Start(std::move(options));
    ASSERT_TRUE(front.ok()) << front.status();
    front_ = *std::move(front);
    FrontFacts facts;
    facts.mode = FrontMode::kReplica;
    facts.local_reads = true;
    facts.engine = EngineAddress{.unix_path = memcached_.socket()};
    front_->SetFacts(std::move(facts));
  }
  void TearDown() override {
    if (front_ != nullptr) front_->Stop();
  }

  // Who trusts `trusted`, and shows `shown` unless that is null.
  std::unique_ptr<MemcacheClient> Visit(const CertificateFiles& trusted,
                                        const CertificateFiles* shown = nullptr) {
    TlsPem pem;
    if (shown != nullptr) {
      pem.certificate = TextOf(shown->certificate);
      pem.key = TextOf(shown->key);
    }
    const auto context = MakeClientContext(pem, TextOf(trusted.certificate));
    EXPECT_TRUE(context.ok()) << context.status();
    return MemcacheClient::ConnectTls(front_->address(), *context);
  }
  // Whether a client is served. With TLS 1.3 a handshake may end before it is refused.
  static bool IsServed(const std::unique_ptr<MemcacheClient>& client) {
    return client != nullptr && client->Line("mn") == "MN";
  }

  CertificateFiles server_{"server"};
  Memcached memcached_;
  std::unique_ptr<Front> front_;
};

TEST_F(FrontTlsTest, RequestsAndLargeRepliesPass) {
  Open({});
  const std::string value(300'000, 'x');
  const auto engine = memcached_.Connect();
  engine->Send("set big 0 0 300000\r\n" + value + "\r\n");
  ASSERT_EQ(engine->ReadUntil("\r\n"), "STORED\r\n");
  const auto client = Visit(server_);
  ASSERT_NE(client, nullptr);
  for (int round = 0; round < 3; ++round) {
    const auto item = client->Get("big");
    ASSERT_TRUE(item && *item);
    EXPECT_EQ((*item)->value, value);
  }
}

TEST_F(FrontTlsTest, AStrangerIsNotTrusted) {
  const CertificateFiles other("other");
  Open({});
  EXPECT_EQ(Visit(other), nullptr);
  EXPECT_TRUE(IsServed(Visit(server_)));
}

TEST_F(FrontTlsTest, ClientsShowACertificateIfTheyMust) {
  const CertificateFiles client("client");
  const CertificateFiles other("other");
  FrontOptions options;
  options.doors.tls.ca = client.certificate;
  Open(std::move(options));
  EXPECT_TRUE(IsServed(Visit(server_, &client)));
  EXPECT_FALSE(IsServed(Visit(server_, &other)));
  EXPECT_FALSE(IsServed(Visit(server_)));
  EXPECT_TRUE(IsServed(Visit(server_, &client))) << "it goes on";
}

TEST_F(FrontTlsTest, PlainBytesAreCut) {
  Open({});
  const auto plain = MemcacheClient::Connect(front_->address());
  ASSERT_NE(plain, nullptr);
  ASSERT_TRUE(plain->Send("get nothing\r\n"));
  EXPECT_EQ(plain->Read(ReplyKind::kLine), std::nullopt);
  EXPECT_TRUE(IsServed(Visit(server_)));
}

TEST_F(FrontTlsTest, AHandshakeThatIsNotEndedIsCut) {
  FrontOptions options;
  options.doors.handshake_timeout_us = 50 * kMicrosPerMilli;
  Open(std::move(options));
  const auto silent = MemcacheClient::Connect(front_->address());
  ASSERT_NE(silent, nullptr);
  EXPECT_EQ(silent->ReadToEnd(), "");
}

TEST_F(FrontTlsTest, WhoeverEndedTheHandshakeMayBeSilent) {
  FrontOptions options;
  options.doors.handshake_timeout_us = 2 * kMicrosPerSecond;
  Open(std::move(options));
  const auto quiet = Visit(server_);
  ASSERT_NE(quiet, nullptr);
  const auto silent = MemcacheClient::Connect(front_->address());
  EXPECT_EQ(silent->ReadToEnd(), "") << "who came later is cut by now";
  EXPECT_TRUE(IsServed(quiet));
}

TEST_F(FrontTlsTest, OneTooManyIsTurnedAwayBeforeItsHandshake) {
  FrontOptions options;
  options.thread.max_clients = 1;
  Open(std::move(options));
  const auto first = Visit(server_);
  ASSERT_TRUE(IsServed(first));
  EXPECT_EQ(Visit(server_), nullptr);
  EXPECT_TRUE(IsServed(first)) << "the agent lives";
}

TEST_F(FrontTlsTest, OneTooManyIsToldInClear) {
  FrontOptions options;
  options.thread.max_clients = 1;
  options.doors.tls_listen = "127.0.0.1:0";
  Open(std::move(options));
  const auto first = MemcacheClient::Connect(front_->address());
  ASSERT_TRUE(IsServed(first));
  const auto second = MemcacheClient::Connect(front_->address());
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->ReadToEnd(), "ERROR Too many open connections\r\n");
}

TEST_F(FrontTlsTest, ChangedFilesAreShownToWhoComesNext) {
  Open({});
  EXPECT_TRUE(IsServed(Visit(server_)));
  server_.Renew();
  // Files are looked at once a second.
  bool renewed = false;
  const absl::Time give_up = absl::Now() + absl::Minutes(1);
  while (!renewed && absl::Now() < give_up) renewed = IsServed(Visit(server_));
  EXPECT_TRUE(renewed);
}

}  // namespace
}  // namespace cairn::adapter::memcache
