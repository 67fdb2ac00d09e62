#include "adapter/memcache/engine_process.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <utility>

#include "base/check.h"

namespace cairn::adapter::memcache {
namespace {

constexpr std::string_view kSocketName = "engine.sock";
// Powers of two of a hash table: 8 MiB, 2 GiB.
constexpr int kMinHashPower = 20;
constexpr int kMaxHashPower = 28;

// memcached's table grows only behind its items, and a filling outruns it: chains of dozens of
// items then take most of the engine's time.
int HashPower(uint64_t items) {
  return std::clamp(static_cast<int>(std::bit_width(items)), kMinHashPower, kMaxHashPower);
}

bool NamesHashPower(const std::vector<std::string>& command) {
  return std::any_of(command.begin(), command.end(), [](const std::string& word) {
    return word.find("hashpower") != std::string::npos;
  });
}

}  // namespace

EngineProcess::EngineProcess(asio::any_io_executor executor, EngineProcessOptions options)
    : executor_(std::move(executor)), options_(std::move(options)) {
  CHECK(!options_.command.empty());
  CHECK(std::filesystem::path(options_.directory).is_absolute());
}

EngineAddress EngineProcess::address() const {
  EngineAddress address;
  address.unix_path = fmt::format("{}/{}", options_.directory, kSocketName);
  return address;
}

ChildOptions EngineProcess::MakeChildOptions() const {
  ChildOptions child;
  child.argv = options_.command;
  for (const std::string& word : {std::string("-s"), address().unix_path, std::string("-a"),
                                  std::string("0700"), std::string("-B"), std::string("ascii")}) {
    child.argv.push_back(word);
  }
  if (!NamesHashPower(options_.command)) {
    const uint64_t items = options_.expected_items == nullptr ? 0 : options_.expected_items();
    child.argv.emplace_back("-o");
    child.argv.push_back(fmt::format("hashpower={}", HashPower(items)));
  }
  // memcached wants to be told that it may run as root, as containers do.
  if (geteuid() == 0) {
    child.argv.emplace_back("-u");
    child.argv.emplace_back("root");
  }
  child.working_directory = options_.directory;
  child.log_name = "engine";
  return child;
}

asio::awaitable<absl::Status> EngineProcess::Start(Millis timeout) {
  CHECK(!running());
  process_ = nullptr;
  absl::Status status = PrepareEngineDirectory(options_.directory, address());
  if (!status.ok()) co_return status;
  EngineSocket probe(executor_);
  const absl::Status answers = co_await ConnectEngine(&probe, address(), timeout);
  if (answers.ok()) {
    co_return absl::FailedPreconditionError(
        fmt::format("an engine that this agent did not start listens at {}", address().ToString()));
  }
  absl::StatusOr<std::unique_ptr<ChildProcess>> child =
      ChildProcess::Start(executor_, MakeChildOptions());
  if (!child.ok()) co_return child.status();
  process_ = *std::move(child);
  spdlog::info("engine started: process {}, socket {}", pid(), address().unix_path);
  co_return absl::OkStatus();
}

}  // namespace cairn::adapter::memcache
