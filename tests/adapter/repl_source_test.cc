// ReplSource: the agent as a replica of a real engine.
#include "adapter/redis/repl_source.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "tests/adapter/engine_fixture.h"

namespace cairn::adapter::redis {
namespace {

class ReplSourceTest : public ::testing::Test {
 protected:
  std::string ReadWholeDump(ReplSource* source, size_t at_once = 100'000) {
    std::string dump;
    std::string buffer(at_once, '\0');
    while (true) {
      const auto bytes = world_.Run(source->ReadDump({buffer.data(), buffer.size()}));
      EXPECT_TRUE(bytes.ok()) << bytes.status();
      if (!bytes.ok() || *bytes == 0) return dump;
      dump.append(buffer, 0, *bytes);
    }
  }
  // Until the stream ends like that.
  bool ReadUntil(ReplSource* source, std::string_view ending) {
    std::string stream;
    while (!stream.ends_with(ending)) {
      const auto bytes = world_.Run(source->Read());
      EXPECT_TRUE(bytes.ok()) << bytes.status();
      if (!bytes.ok()) return false;
      stream.append(*bytes);
    }
    return true;
  }
  // Attaches, so that the engine counts from then on, and leaves.
  StreamPlace Begin() {
    ReplSource source(world_.executor(), engine_.address(), {});
    const auto place = world_.Run(source.AttachWithDump());
    EXPECT_TRUE(place.ok()) << place.status();
    ReadWholeDump(&source);
    source.Close();
    return place.ok() ? *place : StreamPlace();
  }

  EngineWorld world_;
  TestEngine engine_{&world_, "a"};
};

TEST_F(ReplSourceTest, ReadsADumpInBothForms) {
  for (int i = 0; i < 2000; ++i) {
    engine_.Do({"SET", "key" + std::to_string(i), std::string(i % 97, 'v')});
  }
  for (const std::string diskless : {"yes", "no"}) {
    engine_.Do({"CONFIG", "SET", "repl-diskless-sync", diskless});
    for (const size_t at_once : {7UL, 100'000UL}) {
      ReplSource source(world_.executor(), engine_.address(), {});
      const auto place = world_.Run(source.AttachWithDump());
      ASSERT_TRUE(place.ok()) << place.status();
      const std::string dump = ReadWholeDump(&source, at_once);
      EXPECT_TRUE(dump.starts_with("REDIS0")) << diskless;
      ASSERT_GT(dump.size(), 9U);
      EXPECT_EQ(dump[dump.size() - 9], '\xff') << diskless;
      // The stream goes on right behind it.
      engine_.Do({"SET", "last", "x"});
      EXPECT_TRUE(ReadUntil(&source, "last\r\n$1\r\nx\r\n")) << diskless;
      EXPECT_EQ(source.read_offset(), engine_.Facts().offset);
    }
  }
}

TEST_F(ReplSourceTest, GoesOnWhereItStopped) {
  StreamPlace place = Begin();
  for (int round = 0; round < 5; ++round) {
    engine_.Do({"SET", "k", "while away " + std::to_string(round)});
    ReplSource source(world_.executor(), engine_.address(), {});
    const auto attached = world_.Run(source.Attach(place));
    ASSERT_TRUE(attached.ok()) << attached.status();
    ASSERT_EQ(*attached, ReplSource::Attachment::kContinued);
    ASSERT_TRUE(ReadUntil(&source, "while away " + std::to_string(round) + "\r\n"));
    place.offset = source.read_offset();
    EXPECT_EQ(source.history(), place.history);
    EXPECT_EQ(place, engine_.Facts().place());
  }
}

TEST_F(ReplSourceTest, TellsAGap) {
  engine_.Do({"CONFIG", "SET", "repl-backlog-size", "16384"});
  const StreamPlace place = Begin();
  engine_.Do({"SET", "k", std::string(100'000, 'x')});
  const StreamPlace now = engine_.Facts().place();
  const std::vector<StreamPlace> gaps = {
      place,                               // Forgotten.
      {now.history, now.offset + 1},       // Never said.
      {std::string(40, '0'), now.offset},  // Another history.
  };
  for (const StreamPlace& gap : gaps) {
    ReplSource source(world_.executor(), engine_.address(), {});
    const auto attached = world_.Run(source.Attach(gap));
    ASSERT_TRUE(attached.ok()) << attached.status();
    EXPECT_EQ(*attached, ReplSource::Attachment::kGap);
  }
  ReplSource source(world_.executor(), engine_.address(), {});
  EXPECT_EQ(*world_.Run(source.Attach(now)), ReplSource::Attachment::kContinued);
}

TEST_F(ReplSourceTest, AcknowledgesWhatIsCommittedAndNothingElse) {
  const StreamPlace place = Begin();
  ReplSource source(world_.executor(), engine_.address(), {.ack_interval = Millis(20)});
  ASSERT_TRUE(world_.Run(source.Attach(place)).ok());
  engine_.Do({"SET", "k", "v"});
  ASSERT_TRUE(ReadUntil(&source, "k\r\n$1\r\nv\r\n"));
  EXPECT_EQ(engine_.Ask({"WAIT", "1", "100"}), "0");
  source.Acknowledge(source.read_offset());
  EXPECT_EQ(engine_.Ask({"WAIT", "1", "20000"}), "1");
}

TEST_F(ReplSourceTest, TellsABrokenConnectionFromAGap) {
  const StreamPlace place = Begin();
  ReplSource source(world_.executor(), engine_.address(), {});
  ASSERT_TRUE(world_.Run(source.Attach(place)).ok());
  engine_.Do({"CLIENT", "KILL", "TYPE", "replica"});
  absl::Status ended;
  while (ended.ok()) ended = world_.Run(source.Read()).status();
  EXPECT_TRUE(absl::IsUnavailable(ended)) << ended;
  EXPECT_EQ(*world_.Run(source.Attach({place.history, source.read_offset()})),
            ReplSource::Attachment::kContinued);
  engine_.Kill();
  ended = absl::OkStatus();
  while (ended.ok()) ended = world_.Run(source.Read()).status();
  EXPECT_TRUE(absl::IsUnavailable(ended)) << ended;
  EXPECT_TRUE(absl::IsUnavailable(world_.Run(source.Attach(place)).status()));
}

TEST_F(ReplSourceTest, AnEngineThatHangsIsNotWaitedForForEver) {
  const StreamPlace place = Begin();
  ReplSource source(world_.executor(), engine_.address(),
                    {.handshake_patience = Millis(100), .silence = Millis(100)});
  engine_.Signal(SIGSTOP);
  EXPECT_TRUE(absl::IsDeadlineExceeded(world_.Run(source.Attach(place)).status()));
  engine_.Signal(SIGCONT);
}

TEST_F(ReplSourceTest, WaitsForAnEngineThatIsKnownToBeBusy) {
  const StreamPlace place = Begin();
  int asked = 0;
  ReplSource source(world_.executor(), engine_.address(),
                    {.silence = Millis(20), .wait_on = [&] { return ++asked < 3; }});
  ASSERT_TRUE(world_.Run(source.Attach(place)).ok());
  absl::Status ended;
  while (ended.ok()) ended = world_.Run(source.Read()).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(ended)) << ended;
  EXPECT_EQ(asked, 3);
}

TEST_F(ReplSourceTest, IsRefused) {
  const StreamPlace place = Begin();
  EngineAddress address = engine_.address();
  address.password = "wrong";
  engine_.Do({"CONFIG", "SET", "requirepass", "right"});
  ReplSource stranger(world_.executor(), engine_.address(), {});
  EXPECT_TRUE(absl::IsPermissionDenied(world_.Run(stranger.Attach(place)).status()));
  ReplSource wrong(world_.executor(), address, {});
  EXPECT_TRUE(absl::IsPermissionDenied(world_.Run(wrong.Attach(place)).status()));
  address.password = "right";
  ReplSource right(world_.executor(), address, {});
  EXPECT_TRUE(world_.Run(right.Attach(place)).ok());
  // A replica whose own link is down does not let others follow it.
  engine_.Do({"REPLICAOF", "127.0.0.1", "1"});
  ReplSource late(world_.executor(), address, {});
  EXPECT_TRUE(absl::IsFailedPrecondition(world_.Run(late.AttachWithDump()).status()));
}

TEST_F(ReplSourceTest, ClosingEndsARead) {
  const StreamPlace place = Begin();
  ReplSource source(world_.executor(), engine_.address(), {});
  ASSERT_TRUE(world_.Run(source.Attach(place)).ok());
  absl::Status ended;
  const auto read = [](ReplSource* from, absl::Status* out) -> asio::awaitable<void> {
    while (out->ok()) *out = (co_await from->Read()).status();
  };
  Spawn(world_.executor(), read(&source, &ended));
  world_.Drain();
  source.Close();
  ASSERT_TRUE(world_.Until([&] { return !ended.ok(); }));
  EXPECT_TRUE(absl::IsUnavailable(ended)) << ended;
}

}  // namespace
}  // namespace cairn::adapter::redis
