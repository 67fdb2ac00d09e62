#include "server/runtime/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace cairn::server {
namespace {

using ::testing::HasSubstr;

std::map<std::string, std::string>& Environment() {
  static auto* environment = new std::map<std::string, std::string>;
  return *environment;
}

const char* Lookup(const char* name) {
  const auto it = Environment().find(name);
  return it == Environment().end() ? nullptr : it->second.c_str();
}

class ConfigTest : public ::testing::Test {
 protected:
  void SetUp() override { Environment().clear(); }
  void TearDown() override {
    for (const std::string& path : files_) std::remove(path.c_str());
  }

  static absl::StatusOr<Invocation> Parse(std::vector<std::string> flags) {
    std::vector<const char*> argv = {"cairnd"};
    for (const std::string& flag : flags) argv.push_back(flag.c_str());
    return ParseInvocation(static_cast<int>(argv.size()), argv.data(), Lookup);
  }

  // With what is required, so that a case can be about something else.
  static absl::StatusOr<Invocation> ParseWith(std::vector<std::string> more) {
    std::vector<std::string> flags = {"--name=n1", "--data-dir=/d", "--listen=127.0.0.1:21000"};
    flags.insert(flags.end(), more.begin(), more.end());
    return Parse(flags);
  }

  std::string WriteFile(const std::string& text) {
    const std::string path = ::testing::TempDir() + "/cairnd_" +
                             ::testing::UnitTest::GetInstance()->current_test_info()->name() +
                             std::to_string(files_.size()) + ".toml";
    std::ofstream(path) << text;
    files_.push_back(path);
    return path;
  }

 private:
  std::vector<std::string> files_;
};

TEST_F(ConfigTest, AMinimalNodeIsAClusterOfItself) {
  const auto invocation = ParseWith({});
  ASSERT_TRUE(invocation.ok()) << invocation.status();
  EXPECT_EQ(invocation->action, Invocation::Action::kRun);
  const NodeConfig& config = invocation->config;
  EXPECT_EQ(config.advertise, "127.0.0.1:21000");
  ASSERT_EQ(config.initial_cluster.size(), 1u);
  EXPECT_EQ(config.initial_cluster[0], (InitialMember{"n1", "127.0.0.1:21000"}));
  EXPECT_GE(config.workers, 1u);
  EXPECT_LE(config.workers, 4u);
}

TEST_F(ConfigTest, OptionsOfTlsThatDoNotFitSayWhatIsMissing) {
  const std::string some = WriteFile("no certificate");
  const struct {
    std::vector<std::string> flags;
    const char* says;
  } cases[] = {
      {{"--tls-key-file=/k"}, "option tls-key-file is set without tls-cert-file"},
      {{"--http-tls=true"}, "option http-tls is set without tls-cert-file"},
      {{"--http-tls-ca-file=/a"}, "option http-tls-ca-file is set without tls-cert-file"},
      {{"--tls-cert-file=/c", "--tls-key-file=/k", "--tls-client-auth=none",
        "--http-tls-ca-file=/a"},
       "option http-tls-ca-file is set without http-tls: expected both, or neither"},
      {{"--tls-cert-file=/c"}, "option tls-key-file is required with tls-cert-file"},
      {{"--tls-cert-file=/c", "--tls-key-file=/k"}, "option tls-ca-file is required"},
      {{"--tls-cert-file=/nowhere", "--tls-key-file=/k", "--tls-client-auth=none"},
       "/nowhere cannot be read: No such file or directory"},
      {{"--tls-cert-file=/dev/null", "--tls-key-file=/k", "--tls-client-auth=none"},
       "/dev/null cannot be read: it is no regular file"},
      {{"--tls-cert-file=" + some, "--tls-key-file=" + some, "--tls-client-auth=none"},
       "holds no certificate: expected PEM"},
      {{"--tls-client-auth=maybe"}, "expected none, request or require"},
      {{"--peer-tls-name=host:1"}, "expected a DNS name, without a port"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.says);
    EXPECT_THAT(std::string(ParseWith(c.flags).status().message()), HasSubstr(c.says));
  }
}

TEST_F(ConfigTest, ItsOwnPlaceInTheClusterIsItsAddress) {
  const auto invocation =
      Parse({"--name=n2", "--data-dir=/d", "--initial-cluster=n3=h3:1,n2=h2:1,n1=h1:1"});
  ASSERT_TRUE(invocation.ok()) << invocation.status();
  EXPECT_EQ(invocation->config.listen, "h2:1");
  EXPECT_EQ(invocation->config.advertise, "h2:1");
  EXPECT_EQ(invocation->config.initial_cluster.front().name, "n1") << "sorted by name";
}

TEST_F(ConfigTest, FlagsWinOverEnvironmentWinsOverFileWinsOverDefaults) {
  const std::string path = WriteFile(
      "tick-ms = 11\nelection-ticks = 12\nheartbeat-ticks = 2\nlease-reads = true\nzone = \"a\"\n");
  Environment()["CAIRND_TICK_MS"] = "22";
  Environment()["CAIRND_ELECTION_TICKS"] = "23";
  const auto invocation = ParseWith({"--config", path, "--tick-ms", "33"});
  ASSERT_TRUE(invocation.ok()) << invocation.status();
  EXPECT_EQ(invocation->config.tick_ms, 33u);
  EXPECT_EQ(invocation->config.election_ticks, 23u);
  EXPECT_EQ(invocation->config.heartbeat_ticks, 2u);
  EXPECT_TRUE(invocation->config.lease_reads);
  EXPECT_EQ(invocation->config.zone, "a");
  EXPECT_EQ(invocation->config.max_logs, NodeConfig().max_logs);
}

TEST_F(ConfigTest, TheFileCanBeNamedInTheEnvironment) {
  Environment()["CAIRND_CONFIG"] =
      WriteFile("name = \"n9\"\ndata-dir = \"/d\"\nlisten = \"h:1\"\n");
  const auto invocation = Parse({});
  ASSERT_TRUE(invocation.ok()) << invocation.status();
  EXPECT_EQ(invocation->config.name, "n9");
}

TEST_F(ConfigTest, BytesTakeSuffixes) {
  const auto invocation = ParseWith({"--cache-bytes=3MiB", "--segment-bytes=65536",
                                     "--peer-queue-bytes=1GiB", "--max-record-bytes=64KiB"});
  ASSERT_TRUE(invocation.ok()) << invocation.status();
  EXPECT_EQ(invocation->config.cache_bytes, 3u << 20);
  EXPECT_EQ(invocation->config.segment_bytes, 65536u);
  EXPECT_EQ(invocation->config.peer_queue_bytes, 1u << 30);
  EXPECT_EQ(invocation->config.max_record_bytes, 65536u);
}

TEST_F(ConfigTest, EveryMistakeNamesTheOptionTheValueAndWhatWasExpected) {
  struct Case {
    const char* name;
    std::vector<std::string> flags;
    std::vector<const char*> says;
  };
  const Case cases[] = {
      {"no number", {"--tick-ms=soon"}, {"tick-ms", "\"soon\"", "milliseconds in 5 … 1000"}},
      {"below the range", {"--tick-ms=4"}, {"tick-ms", "\"4\"", "5 … 1000"}},
      {"above the range", {"--workers=65"}, {"workers", "\"65\"", "0 … 64"}},
      {"negative", {"--workers=-1"}, {"workers", "\"-1\""}},
      {"overflow", {"--cache-bytes=99999999999999999999"}, {"cache-bytes", "expected bytes"}},
      {"overflow by suffix", {"--cache-bytes=99999999999GiB"}, {"cache-bytes", "expected bytes"}},
      {"unknown suffix", {"--cache-bytes=5MB"}, {"cache-bytes", "\"5MB\"", "KiB, MiB, GiB"}},
      {"suffix where none is", {"--max-logs=5KiB"}, {"max-logs", "\"5KiB\""}},
      {"neither true nor false",
       {"--lease-reads=yes"},
       {"lease-reads", "\"yes\"", "true or false"}},
      {"level", {"--log-level=loud"}, {"log-level", "\"loud\"", "trace, debug, info"}},
      {"address", {"--http-listen=8080"}, {"http-listen", "\"8080\"", "host:port"}},
      {"port", {"--http-listen=h:70000"}, {"http-listen", "1 … 65535"}},
      {"bare IPv6", {"--http-listen=::1:80"}, {"http-listen", "brackets"}},
      {"member", {"--initial-cluster=n1"}, {"initial-cluster", "\"n1\" has no ="}},
      {"member's address", {"--initial-cluster=n1=h"}, {"initial-cluster", "\"n1=h\""}},
      {"not a member", {"--initial-cluster=n2=h:1"}, {"initial-cluster", "n1=host:port"}},
      {"whom to join", {"--join=h"}, {"join", "\"h\""}},
      {"a name twice", {"--initial-cluster=n1=h:1,n1=h:2"}, {"\"n1\" twice"}},
      {"an address twice", {"--initial-cluster=n1=h:1,n2=h:1"}, {"h:1", "two members"}},
      {"wildcard", {"--advertise=0.0.0.0:5"}, {"advertise", "0.0.0.0:5", "wildcard"}},
      {"slow heartbeat", {"--heartbeat-ticks=5"}, {"heartbeat-ticks is 5", "a third"}},
      {"record above batch",
       {"--max-record-bytes=2MiB", "--max-batch-bytes=1MiB"},
       {"max-record-bytes is 2097152", "max-batch-bytes, which is 1048576"}},
      {"unknown flag", {"--ticks=1"}, {"--ticks"}},
      {"no such file", {"--config=/nowhere/x.toml"}, {"/nowhere/x.toml"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto invocation = ParseWith(c.flags);
    ASSERT_FALSE(invocation.ok());
    EXPECT_EQ(invocation.status().code(), absl::StatusCode::kInvalidArgument);
    for (const char* part : c.says) {
      EXPECT_THAT(std::string(invocation.status().message()), HasSubstr(part));
    }
  }
}

TEST_F(ConfigTest, WhatIsRequiredIsAskedForByName) {
  EXPECT_THAT(std::string(Parse({}).status().message()), HasSubstr("option name is required"));
  EXPECT_THAT(std::string(Parse({"--name=n1"}).status().message()),
              HasSubstr("option data-dir is required"));
  EXPECT_THAT(std::string(Parse({"--name=n1", "--data-dir=/d"}).status().message()),
              HasSubstr("option listen"));
}

TEST_F(ConfigTest, MistakesInAFileNameTheLine) {
  struct Case {
    const char* text;
    const char* says;
  };
  const Case cases[] = {
      {"\n\ntick-mss = 5\n", ":3: there is no option \"tick-mss\""},
      {"\ntick-ms = 2\n", ":2): got \"2\""},
      {"tick-ms = [5]\n", ":1: option tick-ms: expected a string"},
      {"a\n= b", ":1"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const std::string path = WriteFile(c.text);
    const auto invocation = ParseWith({"--config", path});
    ASSERT_FALSE(invocation.ok());
    EXPECT_THAT(std::string(invocation.status().message()), HasSubstr(path + c.says));
  }
}

TEST_F(ConfigTest, AMistakeInTheEnvironmentNamesTheVariable) {
  Environment()["CAIRND_MAX_LOGS"] = "many";
  EXPECT_THAT(std::string(ParseWith({}).status().message()),
              HasSubstr("max-logs (environment variable CAIRND_MAX_LOGS): got \"many\""));
}

TEST_F(ConfigTest, HelpVersionAndCheck) {
  const auto help = Parse({"--help"});
  ASSERT_TRUE(help.ok()) << help.status();
  EXPECT_EQ(help->action, Invocation::Action::kPrint);
  EXPECT_THAT(help->text, HasSubstr("--peer-queue-bytes"));
  EXPECT_THAT(help->text, HasSubstr("default 64MiB"));
  EXPECT_THAT(help->text, HasSubstr("CAIRND_SOME_NAME"));

  const auto version = Parse({"--version"});
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_THAT(version->text, HasSubstr("cairnd "));

  const auto check = ParseWith({"--check-config"});
  ASSERT_TRUE(check.ok()) << check.status();
  EXPECT_EQ(check->action, Invocation::Action::kCheckConfig);
  EXPECT_FALSE(ParseWith({"--check-config", "--tick-ms=0"}).ok());
}

TEST_F(ConfigTest, TheHashTellsListsApartAndIgnoresTheirOrder) {
  const auto hash = [](const std::string& cluster) {
    const auto invocation = Parse({"--name=n1", "--data-dir=/d", "--initial-cluster=" + cluster});
    EXPECT_TRUE(invocation.ok()) << invocation.status();
    return InitialClusterHash(invocation->config);
  };
  EXPECT_EQ(hash("n1=a:1,n2=b:1"), hash("n2=b:1,n1=a:1"));
  EXPECT_NE(hash("n1=a:1,n2=b:1"), hash("n1=a:1,n2=b:2"));
  EXPECT_NE(hash("n1=a:1,n2=b:1"), hash("n1=a:1,n2=b:1,n3=c:1"));
}

}  // namespace
}  // namespace cairn::server
