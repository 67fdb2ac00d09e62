// EngineWorld and TestEngine: real engines for tests, and an engine thread to talk to them.
//
// The test's own thread is the engine thread: Run and Until run its io_context until a coroutine
// has ended or a condition holds. Both fail the test's process after kDeadline: nothing here waits
// for luck, and nothing hangs.
#pragma once

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapter/engine_socket.h"
#include "adapter/redis/engine_facts.h"
#include "adapter/redis/engine_link.h"
#include "adapter/redis/engine_process.h"
#include "adapter/redis/resp_value.h"
#include "base/check.h"
#include "tests/support/temp_dir.h"

namespace cairn::adapter::redis {

inline constexpr Millis kTestDeadline{30'000};
// For one command; long, since a busy machine is no reason to fail.
inline constexpr Millis kCallPatience{20'000};

class EngineWorld {
 public:
  ~EngineWorld() { Drain(); }

  [[nodiscard]] asio::any_io_executor executor() { return io_.get_executor(); }
  [[nodiscard]] std::string Directory(const std::string& name) const { return temp_.File(name); }

  template <class T>
  T Run(asio::awaitable<T> coroutine) {
    std::optional<T> result;
    asio::co_spawn(io_, std::move(coroutine), [&](std::exception_ptr error, T value) {
      if (error) std::rethrow_exception(error);
      result.emplace(std::move(value));
    });
    CHECK(Until([&] { return result.has_value(); }));
    return std::move(*result);
  }
  void Run(asio::awaitable<void> coroutine);

  // False after the deadline.
  [[nodiscard]] bool Until(const std::function<bool()>& condition, Millis deadline = kTestDeadline);
  // Runs what is ready, and what becomes ready soon after.
  void Drain();

 private:
  cairn::testing::TempDir temp_;
  asio::io_context io_{1};
};

class TestEngine {
 public:
  // In a directory of its own. `more`: options of redis-server.
  TestEngine(EngineWorld* world, const std::string& name, std::vector<std::string> more = {});
  ~TestEngine();

  // Starts it (again), and connects.
  void Start();
  void Kill();
  void Signal(int signal);

  RespValue Do(std::vector<std::string> argv);
  // The text of a string, the digits of an integer, of an array its elements.
  std::string Ask(std::vector<std::string> argv);
  EngineFacts Facts();
  // The same for all keys and values of all databases.
  std::string Digest() { return Ask({"DEBUG", "DIGEST"}); }

  [[nodiscard]] EngineAddress address() const { return process_.address(); }
  [[nodiscard]] EngineLink* link() { return &link_; }
  [[nodiscard]] EngineProcess* process() { return &process_; }

 private:
  EngineWorld* const world_;
  EngineProcess process_;
  EngineLink link_;
};

// What redis-server is started with, to which `more` is added.
std::vector<std::string> EngineCommand(const std::vector<std::string>& more = {});

}  // namespace cairn::adapter::redis
