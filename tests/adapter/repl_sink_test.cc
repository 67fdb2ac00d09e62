// ReplSink against a real engine that follows it, and the whole path from engine to engine.
#include "adapter/redis/repl_sink.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "adapter/redis/engine_promotion.h"
#include "adapter/redis/resp_encoder.h"
#include "tests/adapter/repl_path.h"

namespace cairn::adapter::redis {
namespace {

ReplSinkOptions SinkOptions() {
  ReplSinkOptions options;
  options.password = kSinkPassword;
  options.keepalive = Millis(20);
  return options;
}

class ReplSinkTest : public ::testing::Test {
 protected:
  void Follow(TestEngine* engine, ListFeeder* feeder) {
    engine->Do({"CONFIG", "SET", "masterauth", std::string(kSinkPassword)});
    engine->Do({"CONFIG", "SET", "repl-diskless-load", "on-empty-db"});
    const absl::Status follows =
        world_.Run(FollowSink(engine->link(), feeder->sink(), kCallPatience));
    ASSERT_TRUE(follows.ok()) << follows;
  }
  void Append(std::initializer_list<std::string_view> command) {
    log_.Append({EncodeCommand(command), 0, {}});
  }
  bool CaughtUp(const ListFeeder& feeder) {
    return world_.Until([&] { return feeder.caught_up(); });
  }
  // Both hold the same, once everything has arrived.
  bool Equal(TestEngine* a, TestEngine* b, const ListFeeder& feeder, const ListPublisher& from) {
    return world_.Until([&] {
      return from.place() == a->Facts().place() && feeder.caught_up() && a->Digest() == b->Digest();
    });
  }
  absl::StatusOr<PromotedEvent> Promote(TestEngine* engine, ListFeeder* feeder,
                                        Millis patience = kCallPatience) {
    return world_.Run(
        PromoteEngine(engine->link(), feeder->sink(), feeder->fed->acked_offset, patience));
  }

  EngineWorld world_;
  ListLog log_{&world_};
};

TEST_F(ReplSinkTest, FeedsWhatIsPushedAndToldSoon) {
  TestEngine engine(&world_, "b");
  engine.Do({"SET", "old", "memory"});
  ListFeeder feeder(&world_, &log_, SinkOptions());
  Follow(&engine, &feeder);
  for (int i = 0; i < 500; ++i) Append({"INCR", "n"});
  ASSERT_TRUE(CaughtUp(feeder));
  EXPECT_EQ(feeder.fed->acked_offset, feeder.fed->fed_offset);
  EXPECT_TRUE(feeder.sink()->link_up());
  // Reads, while it is fed: and it is read-only.
  EXPECT_EQ(engine.Ask({"GET", "n"}), "500");
  EXPECT_EQ(engine.Ask({"EXISTS", "old"}), "0");
  EXPECT_TRUE(engine.Do({"SET", "n", "1"}).error());
  EXPECT_EQ(feeder.asked.size(), 1U);
}

TEST_F(ReplSinkTest, GoesOnAfterABreakAtEveryByte) {
  TestEngine engine(&world_, "b");
  ListFeeder feeder(&world_, &log_, SinkOptions());
  feeder.by_hand = true;
  Follow(&engine, &feeder);
  ASSERT_TRUE(CaughtUp(feeder));
  const uint64_t stream = feeder.sink()->stream();
  const std::string unit = EncodeCommand({"MULTI"}) + EncodeCommand({"INCR", "n"}) +
                           EncodeCommand({"INCR", "m"}) + EncodeCommand({"EXEC"}) +
                           EncodeCommand({"INCR", "n"});
  uint64_t seq = 0;
  for (size_t cut = 0; cut <= unit.size(); ++cut) {
    const int links = feeder.link_changes;
    ReplSink* sink = feeder.sink();
    ASSERT_TRUE(world_.Run(sink->Push(stream, unit.substr(0, cut), std::nullopt)).ok());
    // It has read all of that (but what it does not understand yet, it forgets).
    world_.Drain();
    engine.Do({"CLIENT", "KILL", "TYPE", "master"});
    log_.records.push_back({});
    ASSERT_TRUE(world_.Run(sink->Push(stream, unit.substr(cut), Seq(++seq))).ok());
    ASSERT_TRUE(world_.Until([&] { return feeder.link_changes > links; })) << cut;
  }
  ASSERT_TRUE(CaughtUp(feeder));
  EXPECT_EQ(engine.Ask({"GET", "n"}), std::to_string(2 * seq));
  EXPECT_EQ(engine.Ask({"GET", "m"}), std::to_string(seq));
  EXPECT_EQ(feeder.sink()->stream(), stream);
  EXPECT_EQ(feeder.asked.size(), 1U);
}

TEST_F(ReplSinkTest, ARecordLargerThanTheWindowPasses) {
  TestEngine engine(&world_, "b");
  ReplSinkOptions options = SinkOptions();
  options.window_bytes = 64 << 10;
  ListFeeder feeder(&world_, &log_, options);
  feeder.by_hand = true;
  Follow(&engine, &feeder);
  ASSERT_TRUE(CaughtUp(feeder));
  const uint64_t stream = feeder.sink()->stream();
  const std::string value(4 << 20, 'v');
  const std::string unit = EncodeCommand({"SET", "large", value});
  for (size_t at = 0; at < unit.size(); at += 10'000) {
    const bool last = at + 10'000 >= unit.size();
    if (last) log_.records.push_back({});
    const std::optional<Seq> through = last ? std::optional(Seq(1)) : std::nullopt;
    ASSERT_TRUE(world_.Run(feeder.sink()->Push(stream, unit.substr(at, 10'000), through)).ok());
  }
  ASSERT_TRUE(CaughtUp(feeder));
  EXPECT_EQ(engine.Ask({"STRLEN", "large"}), std::to_string(value.size()));
  // Many records pass as well.
  for (uint64_t seq = 2; seq <= 100; ++seq) {
    const std::string small = EncodeCommand({"SET", "k", std::string(9'000, 'x')});
    log_.records.push_back({});
    ASSERT_TRUE(world_.Run(feeder.sink()->Push(stream, small, Seq(seq))).ok());
  }
  EXPECT_TRUE(CaughtUp(feeder));
}

TEST_F(ReplSinkTest, ALostMemoryIsBuiltAnew) {
  TestEngine engine(&world_, "b");
  ListFeeder feeder(&world_, &log_, SinkOptions());
  Follow(&engine, &feeder);
  for (int i = 0; i < 10; ++i) Append({"INCR", "n"});
  ASSERT_TRUE(CaughtUp(feeder));
  engine.Kill();
  ASSERT_TRUE(world_.Until([&] { return !feeder.sink()->link_up(); }));
  engine.Start();
  feeder.refusals = 1;  // Not at once.
  Follow(&engine, &feeder);
  ASSERT_TRUE(world_.Until([&] { return feeder.sink()->stream() == 2; }));
  EXPECT_EQ(feeder.asked.size(), 3U);
  ASSERT_TRUE(CaughtUp(feeder));
  EXPECT_EQ(engine.Ask({"GET", "n"}), "10");
  // And by order.
  feeder.sink()->Reset();
  ASSERT_TRUE(world_.Until([&] { return feeder.sink()->stream() == 3; }));
  ASSERT_TRUE(CaughtUp(feeder));
  EXPECT_EQ(engine.Ask({"GET", "n"}), "10");
}

TEST_F(ReplSinkTest, PromotesWithEverythingOrNotAtAll) {
  TestEngine engine(&world_, "b");
  ListFeeder feeder(&world_, &log_, SinkOptions());
  Follow(&engine, &feeder);
  Append({"SELECT", "3"});
  for (int i = 0; i < 1000; ++i) Append({"INCR", "n"});
  ASSERT_TRUE(CaughtUp(feeder));
  // Not the end of what was fed.
  EXPECT_TRUE(absl::IsFailedPrecondition(
      world_.Run(PromoteEngine(engine.link(), feeder.sink(), StreamOffset(2), kCallPatience))
          .status()));
  // The engine has not taken the last record.
  const EngineFedEvent before = *feeder.fed;
  engine.Signal(SIGSTOP);
  Append({"INCR", "n"});
  ASSERT_TRUE(world_.Until([&] { return feeder.fed->fed_seq == log_.last(); }));
  const auto early =
      world_.Run(PromoteEngine(engine.link(), feeder.sink(), feeder.fed->fed_offset, Millis(100)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(early.status())) << early.status();
  engine.Signal(SIGCONT);
  ASSERT_TRUE(CaughtUp(feeder));
  EXPECT_FALSE(engine.Facts().primary);
  EXPECT_GT(feeder.fed->acked_offset, before.acked_offset);

  const StreamOffset expected = feeder.fed->acked_offset;
  const auto promoted = Promote(&engine, &feeder);
  ASSERT_TRUE(promoted.ok()) << promoted.status();
  EXPECT_EQ(promoted->fed_offset, expected);
  EXPECT_EQ(promoted->place, engine.Facts().place());
  EXPECT_TRUE(engine.Facts().primary);

  // Its own effects can be read from there, and name their database first.
  ReplSource source(world_.executor(), engine.address(), {});
  ASSERT_EQ(*world_.Run(source.Attach(promoted->place)), ReplSource::Attachment::kContinued);
  engine.Do({"SELECT", "3"});
  EXPECT_EQ(engine.Ask({"INCR", "n"}), "1002");
  const auto bytes = world_.Run(source.Read());
  ASSERT_TRUE(bytes.ok());
  EXPECT_TRUE(bytes->starts_with(EncodeCommand({"SELECT", "3"}))) << *bytes;
}

TEST_F(ReplSinkTest, AStrangerGetsNothingAndDisturbsNobody) {
  TestEngine engine(&world_, "b");
  ListFeeder feeder(&world_, &log_, SinkOptions());
  Follow(&engine, &feeder);
  Append({"SET", "secret", "value"});
  ASSERT_TRUE(CaughtUp(feeder));
  struct Case {
    std::string says;
    std::string hears;
  };
  const std::string psync = EncodeCommand({"PSYNC", "?", "-1"});
  const std::string denied = "-NOAUTH Authentication required.\r\n";
  const std::vector<Case> cases = {
      {psync, denied},
      {EncodeCommand({"PING"}) + EncodeCommand({"SYNC"}), denied + denied},
      {EncodeCommand({"AUTH", "guess"}) + psync,
       "-WRONGPASS invalid username-password pair or user is disabled.\r\n" + denied},
      {EncodeCommand({"AUTH", std::string(kSinkPassword)}) + EncodeCommand({"KEYS", "*"}),
       "+OK\r\n-ERR this port feeds one engine and knows no such command\r\n"},
      {"*1\r\n$1000000\r\n", ""},
      {"\x16\x03\x01\x02 not of this protocol " + std::string(100'000, 'x') + "\r\n", ""},
  };
  for (const Case& c : cases) {
    EngineAddress address;
    address.host = "127.0.0.1";
    address.port = feeder.sink()->port();
    EngineSocket socket(world_.executor());
    ASSERT_TRUE(world_.Run(ConnectEngine(&socket, address, kCallPatience)).ok());
    const auto talk = [](EngineSocket* to, std::string says,
                         size_t expected) -> asio::awaitable<std::string> {
      std::error_code error;
      co_await asio::async_write(*to, asio::buffer(says),
                                 asio::redirect_error(asio::use_awaitable, error));
      std::string heard(expected == 0 ? 1 : expected, '\0');
      const size_t bytes = co_await asio::async_read(
          *to, asio::buffer(heard), asio::redirect_error(asio::use_awaitable, error));
      heard.resize(bytes);
      co_return heard;
    };
    EXPECT_EQ(world_.Run(talk(&socket, c.says, c.hears.size())), c.hears);
  }
  EXPECT_TRUE(feeder.sink()->link_up());
  EXPECT_EQ(feeder.link_changes, 1);
  Append({"SET", "still", "fed"});
  EXPECT_TRUE(CaughtUp(feeder));
}

TEST_F(ReplSinkTest, AnEngineWithTheWrongPasswordIsNotFed) {
  TestEngine engine(&world_, "b");
  ListFeeder feeder(&world_, &log_, SinkOptions());
  engine.Do({"CONFIG", "SET", "masterauth", "wrong"});
  ASSERT_TRUE(world_.Run(FollowSink(engine.link(), feeder.sink(), kCallPatience)).ok());
  world_.Drain();
  EXPECT_TRUE(feeder.asked.empty());
  EXPECT_FALSE(engine.Facts().link_up);
}

// A memory that was written through a lease, and that has nothing which the log lacks.
TEST_F(ReplSinkTest, ADeposedPrimaryGoesOnFromTheMeetingAndOnlyFromThere) {
  TestEngine a(&world_, "a");
  TestEngine b(&world_, "b");
  ListPublisher publisher(&world_, a.address(), &log_);
  publisher.Start(std::nullopt);
  ListFeeder feeder(&world_, &log_, SinkOptions());
  Follow(&b, &feeder);
  WriteAllSorts(&a, 200, 1);
  ASSERT_TRUE(Equal(&a, &b, feeder, publisher));
  publisher.Stop();
  const Meeting meeting{a.Facts().place(), log_.last()};
  const auto promoted = Promote(&b, &feeder);
  ASSERT_TRUE(promoted.ok()) << promoted.status();

  ListPublisher next(&world_, b.address(), &log_);
  next.Start(promoted->place);
  WriteAllSorts(&b, 200, 2);
  ListFeeder back(&world_, &log_, SinkOptions());
  back.meeting = meeting;
  Follow(&a, &back);
  ASSERT_TRUE(Equal(&b, &a, back, next));
  EXPECT_EQ(back.asked, std::vector<StreamPlace>{meeting.place});
  next.Stop();

  // One effect more than the log has: it must not go on.
  const auto again = Promote(&a, &back);
  ASSERT_TRUE(again.ok()) << again.status();
  a.Do({"INCR", "not in the log"});
  ListFeeder late(&world_, &log_, SinkOptions());
  late.meeting = Meeting{again->place, log_.last()};
  Follow(&a, &late);
  ASSERT_TRUE(CaughtUp(late));
  ASSERT_EQ(late.asked.size(), 1U);
  EXPECT_NE(late.asked[0], late.meeting->place);
  EXPECT_EQ(a.Ask({"EXISTS", "not in the log"}), "0");
}

TEST_F(ReplSinkTest, EffectsReachTheOtherEngineThroughBreaksOnBothSides) {
  TestEngine a(&world_, "a");
  TestEngine b(&world_, "b");
  WriteAllSorts(&a, 300, 3);
  ListPublisher publisher(&world_, a.address(), &log_);
  publisher.Start(std::nullopt);
  ASSERT_TRUE(world_.Until([&] { return publisher.attachments() == 1; }));
  ListFeeder feeder(&world_, &log_, SinkOptions());
  feeder.dump_path = world_.Directory("a.rdb");
  std::ofstream(feeder.dump_path, std::ios::binary) << publisher.dump();
  Follow(&b, &feeder);
  for (uint32_t round = 0; round < 20; ++round) {
    WriteAllSorts(&a, 50, 100 + round);
    if (round % 3 == 0) b.Do({"CLIENT", "KILL", "TYPE", "master"});
    if (round % 4 == 0) a.Do({"CLIENT", "KILL", "TYPE", "replica"});
  }
  ASSERT_TRUE(Equal(&a, &b, feeder, publisher));
  EXPECT_FALSE(publisher.failed());
  EXPECT_GT(publisher.attachments(), 3);
  EXPECT_GT(feeder.link_changes, 3);
  EXPECT_EQ(feeder.sink()->stream(), 1U);  // Never anew.
}

}  // namespace
}  // namespace cairn::adapter::redis
