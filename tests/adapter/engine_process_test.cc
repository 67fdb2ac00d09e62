// EngineProcess and EngineWatch: an engine as a child, killed, hung, restarted behind the back.
#include "adapter/redis/engine_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "adapter/redis/engine_watch.h"
#include "tests/adapter/engine_fixture.h"

namespace cairn::adapter::redis {
namespace {

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
}

TEST(EngineProcessTest, IsPrivateAndKeepsNothing) {
  EngineWorld world;
  TestEngine engine(&world, "a");
  EXPECT_EQ(ModeOf(world.Directory("a")), 0700U);
  EXPECT_EQ(ModeOf(engine.address().unix_path), 0700U);
  EXPECT_EQ(engine.Ask({"CONFIG", "GET", "port"}), "port 0 ");
  EXPECT_EQ(engine.Ask({"CONFIG", "GET", "save"}), "save  ");
  EXPECT_EQ(engine.Ask({"CONFIG", "GET", "appendonly"}), "appendonly no ");
}

TEST(EngineProcessTest, TellsHowItEnded) {
  EngineWorld world;
  TestEngine engine(&world, "a");
  engine.process()->Kill();
  ASSERT_TRUE(world.Run(engine.process()->WaitForEnd(kCallPatience)));
  EXPECT_FALSE(engine.process()->running());
  EXPECT_EQ(engine.process()->ending(), "signal 9");
  engine.Start();
  EXPECT_EQ(engine.Ask({"PING"}), "PONG");
  world.Run(engine.process()->Stop(kCallPatience));
  EXPECT_FALSE(engine.process()->running());
  EXPECT_EQ(engine.process()->ending(), "exit code 0");
}

TEST(EngineProcessTest, StopsAnEngineThatHangs) {
  EngineWorld world;
  TestEngine engine(&world, "a");
  engine.Signal(SIGSTOP);
  world.Run(engine.process()->Stop(Millis(50)));
  EXPECT_FALSE(engine.process()->running());
  EXPECT_EQ(engine.process()->ending(), "signal 9");
}

TEST(EngineProcessTest, RefusesWhatCannotRun) {
  EngineWorld world;
  EngineProcess none(world.executor(), {{"no-such-engine"}, world.Directory("a")});
  EXPECT_TRUE(absl::IsNotFound(world.Run(none.Start(kCallPatience))));
  EXPECT_FALSE(none.running());
  EngineProcess far(world.executor(), {{"redis-server"}, world.Directory(std::string(120, 'x'))});
  EXPECT_TRUE(absl::IsInvalidArgument(world.Run(far.Start(kCallPatience))));
}

TEST(EngineProcessTest, ADumpThatALostEngineLeftIsNotLoaded) {
  EngineWorld world;
  TestEngine engine(&world, "a");
  engine.Do({"SET", "k", "v"});
  engine.Do({"SAVE"});
  ASSERT_TRUE(std::filesystem::exists(world.Directory("a") + "/dump.rdb"));
  engine.Kill();
  engine.Start();
  EXPECT_EQ(engine.Ask({"DBSIZE"}), "0");
}

TEST(EngineProcessTest, IsFoundAgainIfItMayOutliveTheAgent) {
  EngineWorld world;
  const EngineProcessOptions options = {EngineCommand(), world.Directory("a"), true};
  auto first = std::make_unique<EngineProcess>(world.executor(), options);
  ASSERT_TRUE(world.Run(first->Start(kCallPatience)).ok());
  EngineLink link(world.executor(), first->address());
  ASSERT_TRUE(world.Until([&] { return world.Run(link.Connect(kCallPatience)).ok(); }));
  const pid_t pid = first->pid();
  first = nullptr;
  EngineProcess second(world.executor(), options);
  ASSERT_TRUE(world.Run(second.Start(kCallPatience)).ok());
  EXPECT_EQ(second.pid(), pid);
  second.Kill();
  EXPECT_TRUE(world.Run(second.WaitForEnd(kCallPatience)));
  EXPECT_FALSE(second.running());
}

// The agent of this test is a process of its own, which starts an engine and is killed.
TEST(EngineProcessTest, DiesWithTheAgent) {
  EngineWorld world;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t agent = fork();
  if (agent == 0) {
    EngineWorld own;
    EngineProcess engine(own.executor(), {EngineCommand(), world.Directory("a")});
    const bool started = own.Run(engine.Start(kCallPatience)).ok();
    const pid_t pid = started ? engine.pid() : 0;
    if (write(ends[1], &pid, sizeof pid) != sizeof pid) _exit(1);
    pause();
    _exit(0);
  }
  pid_t engine = 0;
  ASSERT_EQ(read(ends[0], &engine, sizeof engine), static_cast<ssize_t>(sizeof engine));
  ASSERT_GT(engine, 0);
  const auto process = ChildProcess::Find(world.executor(), engine);
  ASSERT_TRUE(process.ok());
  kill(agent, SIGKILL);
  waitpid(agent, nullptr, 0);
  EXPECT_TRUE(world.Run((*process)->WaitForEnd(kCallPatience)));
  close(ends[0]);
  close(ends[1]);
}

class RecordingOwner : public EngineWatchOwner {
 public:
  asio::awaitable<absl::Status> PrepareEngine(EngineLink*, EngineFacts) override {
    ++prepared;
    co_return prepare_answer;
  }
  void OnEngineReady(const EngineFacts& facts) override { run_ids.push_back(facts.run_id); }
  void OnEngineDown(const absl::Status& why) override { downs.push_back(why); }

  absl::Status prepare_answer;
  int prepared = 0;
  std::vector<std::string> run_ids;
  std::vector<absl::Status> downs;
};

class EngineWatchTest : public ::testing::Test {
 protected:
  ~EngineWatchTest() override {
    if (watch_ != nullptr) world_.Run(watch_->Stop());
    process_.Kill();
  }
  void Watch(Millis patience = kCallPatience) {
    watch_ = std::make_unique<EngineWatch>(
        world_.executor(), process_.address(), &process_, &owner_,
        EngineMinderOptions{.interval = Millis(10), .patience = patience, .min_pause = Millis(5)});
    watch_->Start();
  }
  bool ReadyTimes(size_t n) {
    return world_.Until([&] { return owner_.run_ids.size() >= n; });
  }

  EngineWorld world_;
  RecordingOwner owner_;
  EngineProcess process_{world_.executor(), {EngineCommand(), world_.Directory("a")}};
  std::unique_ptr<EngineWatch> watch_;
};

TEST_F(EngineWatchTest, StartsAKilledEngineAgain) {
  Watch();
  ASSERT_TRUE(ReadyTimes(1));
  EXPECT_TRUE(watch_->ready());
  process_.Kill();
  ASSERT_TRUE(ReadyTimes(2));
  EXPECT_EQ(owner_.downs.size(), 1U);
  EXPECT_NE(owner_.run_ids[0], owner_.run_ids[1]);
  EXPECT_EQ(owner_.prepared, 2);
}

TEST_F(EngineWatchTest, KillsAnEngineThatHangs) {
  Watch(Millis(1'000));
  ASSERT_TRUE(ReadyTimes(1));
  const pid_t hung = process_.pid();
  kill(hung, SIGSTOP);
  ASSERT_TRUE(ReadyTimes(2));
  EXPECT_NE(process_.pid(), hung);
  EXPECT_TRUE(absl::IsDeadlineExceeded(owner_.downs.at(0)));
}

// It answers nobody for longer than the patience, not even BUSY: the threshold for that is 5 s.
TEST_F(EngineWatchTest, WaitsForAnEngineThatComputes) {
  Watch(Millis(300));
  ASSERT_TRUE(ReadyTimes(1));
  EngineLink other(world_.executor(), process_.address());
  ASSERT_TRUE(world_.Run(other.Connect(kCallPatience)).ok());
  const char* const kLoop =
      "local s = redis.call('TIME') local now repeat for i = 1, 100000 do end "
      "now = redis.call('TIME') until (now[1] - s[1]) * 1000000 + now[2] - s[2] > 1500000 "
      "return 'done'";
  const auto done = world_.Run(other.Call({"EVAL", kLoop, "0"}, kCallPatience));
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->text, "done");
  EXPECT_TRUE(owner_.downs.empty());
}

TEST_F(EngineWatchTest, ABrokenConnectionCostsNoMemory) {
  Watch();
  ASSERT_TRUE(ReadyTimes(1));
  EngineLink other(world_.executor(), process_.address());
  ASSERT_TRUE(world_.Run(other.Connect(kCallPatience)).ok());
  ASSERT_TRUE(world_.Run(other.Call({"CLIENT", "KILL", "TYPE", "normal"}, kCallPatience)).ok());
  ASSERT_TRUE(ReadyTimes(2));
  EXPECT_EQ(owner_.run_ids[0], owner_.run_ids[1]);
}

TEST_F(EngineWatchTest, AnEngineThatMustNotBeUsedIsDown) {
  owner_.prepare_answer = absl::FailedPreconditionError("not so");
  Watch();
  ASSERT_TRUE(world_.Until([&] { return owner_.prepared >= 2; }));
  EXPECT_TRUE(owner_.run_ids.empty());
  EXPECT_EQ(owner_.downs.size(), 1U);
  owner_.prepare_answer = absl::OkStatus();
  EXPECT_TRUE(ReadyTimes(1));
}

TEST_F(EngineWatchTest, NoticesAnAttachedEngineThatWasRestarted) {
  EngineProcess somebodys(world_.executor(), {EngineCommand(), world_.Directory("b")});
  ASSERT_TRUE(world_.Run(somebodys.Start(kCallPatience)).ok());
  watch_ = std::make_unique<EngineWatch>(
      world_.executor(), somebodys.address(), nullptr, &owner_,
      EngineMinderOptions{.interval = Millis(10), .min_pause = Millis(5), .max_pause = Millis(20)});
  watch_->Start();
  ASSERT_TRUE(ReadyTimes(1));
  const size_t downs = owner_.downs.size();
  somebodys.Kill();
  ASSERT_TRUE(world_.Run(somebodys.WaitForEnd(kCallPatience)));
  ASSERT_TRUE(world_.Run(somebodys.Start(kCallPatience)).ok());
  ASSERT_TRUE(ReadyTimes(2));
  EXPECT_EQ(owner_.downs.size(), downs + 1);
  EXPECT_NE(owner_.run_ids[0], owner_.run_ids[1]);
  world_.Run(watch_->Stop());
  EXPECT_TRUE(somebodys.running());
  somebodys.Kill();
}

}  // namespace
}  // namespace cairn::adapter::redis
