// Programs that are started without stdin, stdout and stderr: what they open gets none of those
// numbers, so that no line of a log ends up in a database.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "tests/integration/process_cluster.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {
namespace {

namespace fs = std::filesystem;

constexpr int kExitError = 1;
constexpr int kExitUsage = 2;

// Words before a program and its arguments.
std::vector<std::string> Without(const std::string& streams) {
  return {"-c", R"(exec "$0" "$@" )" + streams};
}

// What stands behind the first three numbers.
std::set<std::string> StandardStreams(pid_t pid) {
  std::set<std::string> targets;
  for (int fd = 0; fd < 3; ++fd) {
    std::error_code error;
    targets.insert(fs::read_symlink(fmt::format("/proc/{}/fd/{}", pid, fd), error).string());
  }
  return targets;
}

class ClosedStreamsTest : public ::testing::Test {
 protected:
  // The exit code of the tool with these streams closed, and its arguments.
  std::optional<int> Run(const std::string& streams, std::vector<std::string> arguments) {
    std::vector<std::string> argv = {"/bin/sh"};
    for (const std::string& word : Without(streams)) argv.push_back(word);
    argv.push_back(CAIRN_BIN_DIR "/cairn");
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    Process tool;
    tool.Start({.argv = std::move(argv),
                .environment = {"CAIRN_ENDPOINTS=" + cluster_.Endpoint(0)},
                .output = dir_.path() + "/tool"});
    return tool.AwaitExit();
  }

  cairn::testing::TempDir dir_;
  ProcessCluster cluster_{
      {.program = CAIRN_BIN_DIR "/cairnd", .dir = dir_.path(), .nodes = 1, .flags = {}}};
};

TEST_F(ClosedStreamsTest, ANodeOpensNothingInTheirPlace) {
  std::vector<std::string> words = Without("<&- >&- 2>&-");
  words.push_back(CAIRN_BIN_DIR "/cairnd");
  cluster_.SetProgram(0, "/bin/sh", std::move(words));
  cluster_.Start(0);
  ASSERT_TRUE(cluster_.AwaitAllReady());
  EXPECT_EQ(StandardStreams(cluster_.pid(0)), std::set<std::string>{"/dev/null"});
  EXPECT_EQ(cluster_.Output(0), "");
}

TEST_F(ClosedStreamsTest, TheToolSaysWhatItCannotReadOrWrite) {
  cluster_.Start(0);
  ASSERT_TRUE(cluster_.AwaitAllReady());
  ASSERT_EQ(Run("", {"log", "create", "orders"}), 0);
  EXPECT_EQ(Run("<&-", {"append", "orders"}), kExitUsage);
  EXPECT_EQ(Run(">&-", {"log", "ls"}), kExitError);
  EXPECT_EQ(Run("2>&-", {"log", "ls"}), 0);
}

}  // namespace
}  // namespace cairn::integration
