#include "tests/integration/stock_client.h"

#include <fmt/format.h>
#include <signal.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <string_view>
#include <utility>

namespace cairn::integration {
namespace {

constexpr std::string_view kAcked = "acked ";

// The first line that a command prints; "" when it cannot run.
std::string FirstLine(const char* command) {
  FILE* pipe = popen(command, "re");
  if (pipe == nullptr) return "";
  std::array<char, 4096> line = {};
  std::string text = fgets(line.data(), line.size(), pipe) == nullptr ? "" : line.data();
  pclose(pipe);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

// Where npm put the library; "" if it cannot. It gives a command the programs of the package first
// in its PATH, which are in node_modules/.bin.
std::string IoredisModules() {
  const std::string path = FirstLine(
      "timeout 90 npm exec --yes --package=ioredis@5.11.1 -- sh -c 'echo \"$PATH\"' 2>/dev/null");
  const std::string bin = path.substr(0, path.find(':'));
  const size_t end = bin.rfind("/.bin");
  return end == std::string::npos ? "" : bin.substr(0, end);
}

bool HasRedisPy() {
  return FirstLine("/usr/bin/python3 -c 'import redis.cluster; print(1)' 2>/dev/null") == "1";
}

}  // namespace

std::unique_ptr<StockClient> StockClient::Start(ClientLibrary library,
                                                std::vector<std::string> words) {
  std::unique_ptr<StockClient> client(new StockClient());
  Process::Command command{.output = client->dir_.File("output")};
  if (library == ClientLibrary::kIoredis) {
    const std::string modules = IoredisModules();
    if (modules.empty()) return nullptr;
    command.environment = {"NODE_PATH=" + modules};
    command.argv = {"/usr/bin/env", "node", CAIRN_CLIENTS_DIR "/ioredis_client.js"};
  } else {
    if (!HasRedisPy()) return nullptr;
    command.argv = {"/usr/bin/python3", CAIRN_CLIENTS_DIR "/redis_py_client.py"};
  }
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  client->process_.Start(std::move(command));
  return client;
}

uint64_t StockClient::Acked() const {
  const std::string output = Output();
  const size_t last = output.rfind(kAcked);
  uint64_t count = 0;
  if (last == std::string::npos) return 0;
  std::from_chars(output.data() + last + kAcked.size(), output.data() + output.size(), count);
  return count;
}

bool StockClient::AwaitAcked(uint64_t more, int seconds) {
  const uint64_t enough = Acked() + more;
  return Eventually([&] { return Acked() >= enough; }, seconds);
}

bool StockClient::Finish(int seconds) {
  process_.Signal(SIGTERM);
  if (process_.AwaitExit(seconds) != 0) return false;
  return Output().find(fmt::format("\nverified {}\n", Acked())) != std::string::npos;
}

}  // namespace cairn::integration
