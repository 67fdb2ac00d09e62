// TLS on the front: redis-cli as it is, and those who do not speak TLS as they should.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "base/tls_context.h"
#include "tests/adapter/certificate.h"
#include "tests/adapter/front_lab.h"

namespace cairn::adapter::redis {
namespace {

using Pair = adapter::testing::CertificateFiles;

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

// What redis-cli prints, while the lab goes on.
std::string RunCli(FrontLab& lab, const std::string& arguments) {
  const std::string& address = lab.front().tls_address();
  const std::string command = fmt::format("timeout 20 redis-cli -h 127.0.0.1 -p {} {} 2>&1",
                                          address.substr(address.rfind(':') + 1), arguments);
  std::atomic<bool> ended{false};
  std::string printed;
  std::thread runner([&] {
    FILE* const output = popen(command.c_str(), "r");
    char bytes[4096];
    while (const size_t got = fread(bytes, 1, sizeof bytes, output)) printed.append(bytes, got);
    pclose(output);
    ended = true;
  });
  EXPECT_TRUE(lab.world().Until([&] { return ended.load(); }));
  runner.join();
  return printed;
}

FrontOptions WithTls(const Pair& server) {
  FrontOptions options;
  options.tls = {.certificate = server.certificate, .key = server.key, .ca = ""};
  return options;
}

TEST(FrontTlsTest, BothPortsServe) {
  const Pair server("server");
  FrontOptions options = WithTls(server);
  options.tls_listen = "127.0.0.1:0";
  FrontLab lab(std::move(options));
  FrontClient plain(&lab);
  const std::string value(300'000, 'x');
  EXPECT_EQ(plain.Ask({"SET", "big", value}), "+OK\r\n");
  const std::string tls = fmt::format("--tls --cacert {} ", server.certificate);
  EXPECT_EQ(RunCli(lab, tls + "SET k v"), "OK\n");
  EXPECT_EQ(plain.Ask({"GET", "k"}), "$1\r\nv\r\n");
  EXPECT_EQ(RunCli(lab, tls + "GET big"), value + "\n");
  EXPECT_EQ(RunCli(lab, tls + "-r 3 INCR n"), "1\n2\n3\n");
}

TEST(FrontTlsTest, AStrangerIsNotTrusted) {
  const Pair server("server");
  const Pair other("other");
  FrontLab lab(WithTls(server));
  EXPECT_NE(RunCli(lab, fmt::format("--tls --cacert {} PING", other.certificate))
                .find("certificate verify failed"),
            std::string::npos);
  EXPECT_EQ(RunCli(lab, fmt::format("--tls --cacert {} PING", server.certificate)), "PONG\n");
}

TEST(FrontTlsTest, ClientsShowACertificateIfTheyMust) {
  const Pair server("server");
  const Pair client("client");
  const Pair other("other");
  FrontOptions options = WithTls(server);
  options.tls.ca = client.certificate;
  FrontLab lab(std::move(options));
  const std::string tls = fmt::format("--tls --cacert {} ", server.certificate);
  const auto as = [&](const Pair& who) {
    return fmt::format("--cert {} --key {} PING", who.certificate, who.key);
  };
  EXPECT_EQ(RunCli(lab, tls + as(client)), "PONG\n");
  EXPECT_NE(RunCli(lab, tls + as(other)), "PONG\n");
  EXPECT_NE(RunCli(lab, tls + "PING"), "PONG\n");
  EXPECT_EQ(RunCli(lab, tls + as(client)), "PONG\n") << "it goes on";
}

TEST(FrontTlsTest, PlainBytesOnThePortForTlsAreCut) {
  const Pair server("server");
  FrontLab lab(WithTls(server));
  FrontClient plain(&lab);
  plain.Do({"PING"});
  plain.SkipReplies();
  EXPECT_TRUE(plain.IsCut()) << "perhaps after an alert";
}

TEST(FrontTlsTest, AHandshakeThatIsNotEndedIsCut) {
  const Pair server("server");
  FrontOptions options = WithTls(server);
  options.handshake_timeout_us = 50 * kMicrosPerMilli;
  FrontLab lab(std::move(options));
  FrontClient silent(&lab);
  EXPECT_TRUE(silent.IsCut());
  EXPECT_EQ(RunCli(lab, fmt::format("--tls --cacert {} PING", server.certificate)), "PONG\n");
}

TEST(TlsCredentialsTest, ChangedFilesAreReadAgain) {
  Pair server("server");
  MonoMicros now_us = kMicrosPerSecond;
  auto credentials =
      TlsCredentials::Read({.certificate = server.certificate, .key = server.key, .ca = ""});
  ASSERT_TRUE(credentials.ok());
  const TlsContext first = (*credentials)->Current(now_us += kMicrosPerSecond);
  EXPECT_EQ((*credentials)->Current(now_us += kMicrosPerSecond), first);
  server.Renew();
  EXPECT_EQ((*credentials)->Current(now_us), first) << "one look a second";
  const TlsContext second = (*credentials)->Current(now_us += kMicrosPerSecond);
  EXPECT_NE(second, first);
  WriteFile(server.certificate, adapter::testing::NewCertificate().certificate_pem);
  EXPECT_EQ((*credentials)->Current(now_us += kMicrosPerSecond), second) << "not this key's";
  server.Renew();
  EXPECT_NE((*credentials)->Current(now_us += kMicrosPerSecond), second);
}

TEST(TlsCredentialsTest, FilesThatCannotBeUsedAreNamed) {
  const Pair server("server");
  const auto status_of = [](const TlsFiles& files) {
    return std::string(TlsCredentials::Read(files).status().message());
  };
  EXPECT_NE(status_of({.certificate = "/nowhere", .key = server.key, .ca = ""}).find("/nowhere"),
            std::string::npos);
  EXPECT_NE(status_of({.certificate = server.certificate, .key = server.certificate, .ca = ""})
                .find("key " + server.certificate),
            std::string::npos);
}

}  // namespace
}  // namespace cairn::adapter::redis
