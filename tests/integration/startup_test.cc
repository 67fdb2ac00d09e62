// How real processes start, and how they refuse to: each wrong start ends with the documented
// message and leaves the cluster and the directory as they were.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/random.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "tests/integration/process_cluster.h"
#include "tests/support/random_bytes.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;

class StartupTest : public ::testing::Test {
 protected:
  ProcessCluster::Options Options(size_t nodes) {
    return {.program = CAIRN_BIN_DIR "/cairnd", .dir = dir_.path(), .nodes = nodes, .flags = {}};
  }

  // Appends one record and returns its seq; 0 when it fails.
  static uint64_t Append(const ProcessCluster& cluster) {
    ClientOptions options;
    options.endpoints = cluster.Endpoints();
    auto client = Client::Connect(std::move(options));
    if (!client.ok()) return 0;
    auto log = (*client)->OpenLog("log", {.call = {}, .create_if_missing = true, .settings = {}});
    if (!log.ok()) return 0;
    const auto result = log->Append("record");
    return result.ok() ? result->last_seq.value() : 0;
  }

  cairn::testing::TempDir dir_;
};

TEST_F(StartupTest, AFirstStartWaitsForTheMissingMemberAndSaysForWhom) {
  ProcessCluster cluster(Options(3));
  cluster.Start(0);
  cluster.Start(1);
  std::string why;
  ASSERT_TRUE(Eventually([&] {
    return cluster.Get(0, "/readyz", &why) == 503 && why.find("n3 (") != std::string::npos &&
           why.find("n2 (") == std::string::npos;
  })) << why;
  EXPECT_EQ(cluster.Get(0, "/healthz"), 200);

  cluster.Start(2);
  EXPECT_TRUE(cluster.AwaitAllReady());
  EXPECT_EQ(Append(cluster), 1u);
}

TEST_F(StartupTest, AClientOpensALogThatExistsWhateverItsSettingsAre) {
  ProcessCluster cluster(Options(1));
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitAllReady());
  ClientOptions options;
  options.endpoints = cluster.Endpoints();
  const auto client = Client::Connect(std::move(options));
  ASSERT_TRUE(client.ok()) << client.status();
  OpenLogOptions small;
  small.create_if_missing = true;
  small.settings.retention_bytes = 1 << 20;
  const auto made = (*client)->OpenLog("log", small);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(Append(cluster), 1u) << "opened with other settings";
  EXPECT_EQ((*client)->OpenLog("log")->id(), made->id());
}

TEST_F(StartupTest, AWipedNodeIsRefusedUnderItsOldName) {
  ProcessCluster cluster(Options(3));
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitAllReady());
  ASSERT_EQ(Append(cluster), 1u);

  cluster.Kill(1);
  fs::remove_all(cluster.DataDir(1));
  cluster.Start(1);
  EXPECT_EQ(cluster.AwaitExit(1), kExitFailed);
  EXPECT_THAT(cluster.Output(1), HasSubstr("knows \"n2\" with another data directory"));
  EXPECT_EQ(Append(cluster), 2u) << "the other two go on";
}

TEST_F(StartupTest, ANodeWithTheDirectoryOfAnotherIsRefused) {
  ProcessCluster cluster(Options(3));
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitAllReady());

  cluster.Kill(1);
  cluster.Kill(2);
  cluster.Start(1, {"--data-dir", cluster.DataDir(2)});
  EXPECT_EQ(cluster.AwaitExit(1), kExitFailed);
  EXPECT_THAT(cluster.Output(1), HasSubstr("the data directory belongs to node \"n3\""));

  cluster.Start(1);
  cluster.Start(2);
  EXPECT_TRUE(cluster.AwaitAllReady()) << "both directories still serve their own nodes";
}

TEST_F(StartupTest, ANodeOfAnotherClusterIsRefusedByThePeers) {
  ProcessCluster cluster(Options(3));
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitAllReady());
  ASSERT_EQ(Append(cluster), 1u);

  // n2 becomes, in a directory of its own, the only member of a cluster of its own; then it
  // comes back to the address where the others expect n2.
  cluster.Kill(1);
  const std::string strange = dir_.File("strange");
  const std::string alone = "n2=" + cluster.Endpoint(1);
  cluster.Start(1, {"--data-dir", strange, "--initial-cluster", alone});
  ASSERT_TRUE(Eventually([&] { return cluster.IsReady(1); }));
  EXPECT_TRUE(Eventually([&] {
    return cluster.Output(0).find("n2") != std::string::npos &&
           cluster.Output(0).find("belongs to cluster") != std::string::npos;
  })) << cluster.Output(0);

  cluster.Kill(1);
  cluster.Start(1);
  EXPECT_TRUE(cluster.AwaitAllReady());
  EXPECT_EQ(Append(cluster), 2u);
}

TEST_F(StartupTest, TwoProcessesDoNotShareADirectory) {
  ProcessCluster cluster(Options(1));
  cluster.Start(0);
  ASSERT_TRUE(cluster.AwaitAllReady());

  ProcessCluster second(Options(1));  // Other ports, the same directory.
  second.Start(0);
  EXPECT_EQ(second.AwaitExit(0), kExitFailed);
  EXPECT_THAT(second.Output(0), HasSubstr("is in use by process"));
  EXPECT_TRUE(cluster.IsReady(0));
}

TEST_F(StartupTest, ADirectoryOfANewerFormatIsLeftAlone) {
  ProcessCluster cluster(Options(1));
  cluster.Start(0);
  ASSERT_TRUE(cluster.AwaitAllReady());
  cluster.Signal(0, SIGTERM);
  ASSERT_EQ(cluster.AwaitExit(0), kExitOk);

  const std::string format = cluster.DataDir(0) + "/FORMAT";
  const std::string newer = "cairn data directory, format 999\n";
  std::ofstream(format) << newer;
  cluster.Start(0);
  EXPECT_EQ(cluster.AwaitExit(0), kExitFailed);
  EXPECT_THAT(cluster.Output(0), HasSubstr("has format 999"));
  std::string kept;
  std::getline(std::ifstream(format), kept);
  EXPECT_EQ(kept + "\n", newer);
}

// A node that is told to stop hands its leaderships over first, so that a writer hardly notices.
TEST_F(StartupTest, SigtermEndsANodeInOrderAndTheOthersGoOn) {
  ProcessCluster cluster(Options(3));
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitAllReady());
  ASSERT_EQ(Append(cluster), 1u);
  for (size_t node = 0; node < cluster.size(); ++node) {
    cluster.Signal(node, SIGTERM);
    EXPECT_EQ(cluster.AwaitExit(node), kExitOk) << cluster.Output(node);
    EXPECT_THAT(cluster.Output(node), HasSubstr("has stopped"));
    EXPECT_EQ(Append(cluster), node + 2);
    cluster.Start(node);
    ASSERT_TRUE(cluster.AwaitAllReady());
  }
}

TEST_F(StartupTest, AWholeClusterComesBackWithItsData) {
  ProcessCluster cluster(Options(3));
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitAllReady());
  ASSERT_EQ(Append(cluster), 1u);
  for (size_t node = 0; node < cluster.size(); ++node) cluster.Kill(node);
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitAllReady());
  EXPECT_EQ(Append(cluster), 2u);
}

// Sends `bytes` to a port and closes the connection without reading.
void SendTo(int port, const std::string& bytes) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_GE(fd, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  close(fd);
}

TEST_F(StartupTest, GarbageOnThePortsHarmsNothing) {
  ProcessCluster cluster(Options(1));
  cluster.Start(0);
  ASSERT_TRUE(cluster.AwaitAllReady());
  ASSERT_EQ(Append(cluster), 1u);
  Random random(1);
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  for (int i = 0; i < 50; ++i) {
    const std::string garbage = testing::RandomBytes(random, random.Below(4096) + 1);
    for (const std::string& endpoint : {cluster.Endpoint(0), cluster.HttpEndpoint(0)}) {
      const int port = std::stoi(endpoint.substr(endpoint.find(':') + 1));
      SendTo(port, garbage);
      SendTo(port, preface + garbage);
    }
  }
  EXPECT_TRUE(cluster.IsRunning(0));
  EXPECT_EQ(Append(cluster), 2u);
  EXPECT_TRUE(cluster.IsReady(0));
}

}  // namespace
}  // namespace cairn::integration
