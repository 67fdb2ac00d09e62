#include "tests/adapter/engine_fixture.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace cairn::adapter::redis {

void EngineWorld::Run(asio::awaitable<void> coroutine) {
  bool done = false;
  asio::co_spawn(io_, std::move(coroutine), [&](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
    done = true;
  });
  CHECK(Until([&] { return done; }));
}

bool EngineWorld::Until(const std::function<bool()>& condition, Millis deadline) {
  const auto give_up = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    if (io_.stopped()) io_.restart();
    io_.run_one_for(Millis(5));
  }
  return true;
}

void EngineWorld::Drain() {
  if (io_.stopped()) io_.restart();
  io_.run_for(Millis(20));
}

std::vector<std::string> EngineCommand(const std::vector<std::string>& more) {
  // DEBUG DIGEST compares engines.
  std::vector<std::string> command = {"redis-server",
                                      "--enable-debug-command",
                                      "yes",
                                      "--repl-diskless-sync-delay",
                                      "0",
                                      "--loglevel",
                                      "warning"};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

TestEngine::TestEngine(EngineWorld* world, const std::string& name, std::vector<std::string> more)
    : world_(world),
      process_(world->executor(),
               {.command = EngineCommand(more), .directory = world->Directory(name)}),
      link_(world->executor(), process_.address()) {
  Start();
}

TestEngine::~TestEngine() { Kill(); }

void TestEngine::Start() {
  const absl::Status started = world_->Run(process_.Start(kCallPatience));
  ASSERT_TRUE(started.ok()) << started;
  ASSERT_TRUE(world_->Until([&] { return world_->Run(link_.Connect(kCallPatience)).ok(); }));
}

void TestEngine::Kill() {
  link_.Close();
  if (!process_.running()) return;
  process_.Kill();
  CHECK(world_->Run(process_.WaitForEnd(kCallPatience)));
}

void TestEngine::Signal(int signal) { CHECK_EQ(kill(process_.pid(), signal), 0); }

RespValue TestEngine::Do(std::vector<std::string> argv) {
  const std::string name = argv.front();
  absl::StatusOr<RespValue> reply = world_->Run(link_.Call(std::move(argv), kCallPatience));
  EXPECT_TRUE(reply.ok()) << name << ": " << reply.status();
  return reply.ok() ? *std::move(reply) : RespValue();
}

std::string TestEngine::Ask(std::vector<std::string> argv) {
  const RespValue reply = Do(std::move(argv));
  if (reply.type == ReplyType::kInteger) return std::to_string(reply.integer);
  std::string text = reply.text;
  for (const RespValue& item : reply.items) text += item.text + " ";
  return text;
}

EngineFacts TestEngine::Facts() {
  const absl::StatusOr<EngineFacts> facts = world_->Run(ObserveEngine(&link_, kCallPatience));
  EXPECT_TRUE(facts.ok()) << facts.status();
  return facts.ok() ? *facts : EngineFacts();
}

}  // namespace cairn::adapter::redis
