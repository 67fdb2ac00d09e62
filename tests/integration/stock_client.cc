#include "tests/integration/stock_client.h"

#include <fmt/format.h>
#include <signal.h>

#include <charconv>
#include <string_view>
#include <utility>

#include "tests/integration/npm_modules.h"

namespace cairn::integration {
namespace {

constexpr std::string_view kAcked = "acked ";

bool HasRedisPy() {
  return FirstLineOf("/usr/bin/python3 -c 'import redis.cluster; print(1)' 2>/dev/null") == "1";
}

}  // namespace

std::unique_ptr<StockClient> StockClient::Start(ClientLibrary library,
                                                std::vector<std::string> words) {
  std::unique_ptr<StockClient> client(new StockClient());
  Process::Command command{.output = client->dir_.File("output")};
  if (library == ClientLibrary::kIoredis) {
    const std::string modules = NpmModules("ioredis@5.11.1");
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
