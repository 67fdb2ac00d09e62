// The page itself: its pure parts in node's own test runner, and all of it in a headless Chromium
// on a real cluster, in one run of each, since what they need takes longer to start than a test.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cairn/admin.h"
#include "cairn/client.h"
#include "tests/integration/npm_modules.h"
#include "tests/integration/process_cluster.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {
namespace {

constexpr int kLogs = 500;
constexpr int kSeconds = 180;

// Runs node with these words; its exit status and output.
void RunNode(const std::string& output, std::vector<std::string> words,
             std::vector<std::string> environment) {
  words.insert(words.begin(), {"/usr/bin/env", "node", "--test"});
  Process process;
  process.Start(
      {.argv = std::move(words), .environment = std::move(environment), .output = output});
  EXPECT_EQ(process.AwaitExit(kSeconds), 0) << ReadWholeFile(output);
}

TEST(ConsolePageTest, PureParts) {
  if (FirstLineOf("node --version 2>/dev/null").empty()) GTEST_SKIP() << "node is not installed";
  const cairn::testing::TempDir dir;
  RunNode(dir.File("output"), {CAIRN_CONSOLE_TESTS "/page_test.mjs"}, {"PAGE=" CAIRN_CONSOLE_PAGE});
}

void CreateLogs(const std::vector<std::string>& endpoints) {
  ClientOptions options;
  options.endpoints = endpoints;
  auto client = Client::Connect(options);
  ASSERT_TRUE(client.ok()) << client.status();
  Admin admin = (*client)->admin();
  const CreateLogOptions patient{.call = {.timeout = absl::Seconds(60)}};
  ASSERT_TRUE(admin.CreateLog("orders", patient).ok());
  for (int i = 0; i < kLogs; ++i) {
    ASSERT_TRUE(admin.CreateLog(fmt::format("many/{:03}", i), patient).ok());
  }
}

TEST(ConsolePageTest, InChromium) {
  if (FirstLineOf("/usr/bin/chromium --version 2>/dev/null").empty()) {
    GTEST_SKIP() << "chromium is not installed: scripts/setup check";
  }
  const std::string modules = NpmModules("playwright-core@1.49.1");
  if (modules.empty()) GTEST_SKIP() << "npm cannot get playwright-core here";
  const cairn::testing::TempDir dir;
  ProcessCluster cluster({.program = CAIRN_BIN_DIR "/cairnd",
                          .dir = dir.path(),
                          .nodes = 3,
                          .flags = {"--memtable-bytes", "8MiB"},
                          .hosts = {}});
  cluster.StartAll();
  ASSERT_TRUE(cluster.AwaitAllReady());
  ASSERT_NO_FATAL_FAILURE(CreateLogs(cluster.Endpoints()));
  std::vector<std::string> pages;
  std::vector<int> pids;
  for (size_t node = 0; node < cluster.size(); ++node) {
    pages.push_back(cluster.HttpEndpoint(node));
    pids.push_back(cluster.pid(node));
  }
  RunNode(dir.File("output"), {CAIRN_CONSOLE_TESTS "/browser_test.mjs"},
          {"CAIRN_MODULES=" + modules, "CAIRN_BIN=" CAIRN_BIN_DIR,
           fmt::format("CAIRN_ENDPOINTS={}", fmt::join(cluster.Endpoints(), ",")),
           fmt::format("CAIRN_HTTP={}", fmt::join(pages, ",")),
           fmt::format("CAIRN_PIDS={}", fmt::join(pids, ","))});
}

}  // namespace
}  // namespace cairn::integration
