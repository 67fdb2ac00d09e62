#include "tests/integration/log_world.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <utility>

namespace cairn::integration {
namespace {

constexpr int kAwaitExitSeconds = 120;

std::string MakeDir(const std::string& dir) {
  std::filesystem::create_directories(dir);
  return dir;
}

std::vector<std::string> WithSmallMemtables(std::vector<std::string> flags) {
  flags.insert(flags.end(), {"--memtable-bytes", "1048576"});
  return flags;
}

void StartTool(Process& process, const std::vector<std::string>& words, const std::string& output) {
  Process::Command command{.argv = {CAIRN_BIN_DIR "/cairn"}, .environment = {}, .output = output};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  process.Start(std::move(command));
}

std::string Told(Process& process, const std::string& output) {
  const std::optional<int> status = process.AwaitExit(kAwaitExitSeconds);
  return ReadWholeFile(output) + fmt::format("exit {}\n", status.value_or(-1));
}

}  // namespace

LogWorld::LogWorld(const std::string& dir, size_t nodes, std::vector<std::string> flags)
    : dir_(dir),
      cluster_({.program = CAIRN_BIN_DIR "/cairnd",
                .dir = MakeDir(dir),
                .nodes = nodes,
                .flags = WithSmallMemtables(std::move(flags))}) {
  cluster_.StartAll();
  EXPECT_TRUE(cluster_.AwaitAllReady());
  ClientOptions options;
  options.endpoints = cluster_.Endpoints();
  options.default_timeout = absl::Seconds(30);
  auto client = Client::Connect(std::move(options));
  EXPECT_TRUE(client.ok());
  client_ = *std::move(client);
}

Log LogWorld::Create(const std::string& name, const LogSettings& settings) {
  auto log = client_->OpenLog(name, {.call = {}, .create_if_missing = true, .settings = settings});
  EXPECT_TRUE(log.ok()) << log.status();
  return *log;
}

void LogWorld::Start(Process& process, std::vector<std::string> words, const std::string& output) {
  words.insert(words.end(),
               {"--endpoints", fmt::format("{}", fmt::join(cluster_.Endpoints(), ","))});
  StartTool(process, words, output);
}

std::string LogWorld::Run(const std::vector<std::string>& words) {
  const std::string output = NextOutput();
  Process process;
  Start(process, words, output);
  return Told(process, output);
}

std::string LogWorld::RunAlone(const std::vector<std::string>& words) {
  const std::string output = NextOutput();
  Process process;
  StartTool(process, words, output);
  return Told(process, output);
}

std::string LogWorld::Contents(const std::string& log) {
  return Run({"read", log, "--linearizable", "-o", "json"});
}

std::string LogWorld::NextOutput() { return fmt::format("{}/told-{}", dir_, ++runs_); }

}  // namespace cairn::integration
