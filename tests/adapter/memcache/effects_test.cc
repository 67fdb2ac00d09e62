// What no memcached beside us can tell: the log's half of decisions, tokens of other engines,
// engines that have lost an item. That answers and outcomes are memcached's own is
// random_answers_test.cc's.
#include "adapter/memcache/effects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "adapter/memcache/passed_line.h"
#include "adapter/memcache/request_parser.h"

namespace cairn::adapter::memcache {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr UnixSeconds kNow = 1'800'000'000;
constexpr uint64_t kCas = 42;

class EffectsTest : public ::testing::Test {
 protected:
  Request Parse(std::string_view bytes) {
    bytes_ = bytes;
    RequestParser::Result result = RequestParser().Parse(bytes_);
    EXPECT_EQ(result.outcome, RequestParser::Outcome::kRequest) << bytes;
    return result.request;
  }
  Decision DecideOn(std::string_view bytes, const std::optional<EngineItem>& item = std::nullopt) {
    request_ = Parse(bytes);
    return Decide(request_, item, rules_);
  }
  std::string Sent(const Decision& decision, std::optional<uint64_t> cas = std::nullopt) {
    std::string out;
    if (decision.engine) decision.engine->AppendTo(cas, &out);
    return out;
  }
  std::string Token() { return std::to_string(rules_.tokens.ToClient(kCas)); }

  DecisionRules rules_{.clock = {.now = kNow, .started = kNow - 1000}, .tokens = CasTokens(9, 0)};
  const EngineItem item_{.value = "10", .client_flags = 7, .expires_at = kNow + 50, .cas = kCas};
  std::string bytes_;
  Request request_;
};

TEST_F(EffectsTest, TimesAreLoggedAndSentAbsolute) {
  const Decision decision = DecideOn("set k 7 100 2\r\nab\r\n");
  EXPECT_THAT(decision.effects, ElementsAre(StoreEffect{"k", false, {"ab", 7, kNow + 100}}));
  EXPECT_EQ(Sent(decision), "ms k 2 F7 T1800000100\r\nab\r\n");
  EXPECT_THAT(DecideOn("touch k 60\r\n").effects, ElementsAre(TouchEffect{"k", false, kNow + 60}));
  EXPECT_THAT(DecideOn("mg k T0 v\r\n").effects, ElementsAre(TouchEffect{"k", false, 0}));
  EXPECT_THAT(
      DecideOn("gat 1900000000 a b\r\n").effects,
      ElementsAre(TouchEffect{"a", false, 1'900'000'000}, TouchEffect{"b", false, 1'900'000'000}));
}

TEST_F(EffectsTest, WhatHasExpiredIsADeletion) {
  const std::vector<Effect> deleted = {DeleteEffect{"k", false}};
  EXPECT_EQ(DecideOn("set k 0 -1 1\r\nx\r\n").effects, deleted);
  EXPECT_EQ(Sent(DecideOn("set k 0 -1 1\r\nx\r\n")), "ms k 1 T-1\r\nx\r\n");
  EXPECT_EQ(DecideOn("set k 0 1000000000 1\r\nx\r\n").effects, deleted);
  EXPECT_EQ(DecideOn("touch k -5\r\n").effects, deleted);
  EXPECT_EQ(DecideOn("mg k T-1\r\n").effects, deleted);
}

TEST_F(EffectsTest, OutcomesAreLoggedNotIntentions) {
  EXPECT_THAT(DecideOn("append k 0 0 2\r\nab\r\n", item_).effects,
              ElementsAre(StoreEffect{"k", false, {"10ab", 7, kNow + 50}}));
  EXPECT_THAT(DecideOn("incr k 95\r\n", item_).effects,
              ElementsAre(StoreEffect{"k", false, {"105", 7, kNow + 50}}));
  EXPECT_THAT(DecideOn("decr k 1\r\n", item_).effects,
              ElementsAre(StoreEffect{"k", false, {"9 ", 7, kNow + 50}}));
  EXPECT_THAT(DecideOn("add k 0 0 1\r\nx\r\n", item_).effects, IsEmpty());
  EXPECT_THAT(DecideOn("ma k N60 J5\r\n").effects,
              ElementsAre(StoreEffect{"k", false, {"5", 0, kNow + 60}}));
}

TEST_F(EffectsTest, SoftStateStaysOnTheEngine) {
  EXPECT_THAT(DecideOn("mg k N30 v\r\n").effects, IsEmpty());
  EXPECT_THAT(DecideOn("mg k R30\r\n").effects, IsEmpty());
  const Decision invalidated = DecideOn("md k I T30\r\n");
  EXPECT_THAT(invalidated.effects, ElementsAre(DeleteEffect{"k", false}));
  EXPECT_EQ(Sent(invalidated), "md k I T1800000030\r\n");
  const std::string old_token = std::to_string(rules_.tokens.ToClient(kCas - 5));
  const Decision stale = DecideOn("ms k 1 I C" + old_token + "\r\nx\r\n", item_);
  EXPECT_THAT(stale.effects, ElementsAre(DeleteEffect{"k", false}));
  EXPECT_EQ(Sent(stale), "ms k 1 C41 I\r\nx\r\n");
}

TEST_F(EffectsTest, ATokenOfAnotherEngineIsExists) {
  const std::string foreign = std::to_string(CasTokens(8, 0).ToClient(kCas));
  EXPECT_EQ(DecideOn("cas k 0 0 1 " + foreign + "\r\nx\r\n", item_).reply, "EXISTS\r\n");
  EXPECT_EQ(DecideOn("cas k 0 0 1 42\r\nx\r\n", item_).reply, "EXISTS\r\n");
  EXPECT_EQ(DecideOn("ms k 1 I C" + foreign + "\r\nx\r\n", item_).reply, "EX\r\n");
  EXPECT_EQ(DecideOn("md k C" + foreign + "\r\n", item_).reply, "EX\r\n");
  EXPECT_EQ(DecideOn("ma k C" + foreign + "\r\n", item_).reply, "EX\r\n");
  EXPECT_EQ(DecideOn("cas k 0 0 1 " + foreign + "\r\nx\r\n").reply, "NOT_FOUND\r\n");
  EXPECT_EQ(Sent(DecideOn("cas k 0 0 1 " + Token() + "\r\nx\r\n", item_)), "ms k 1\r\nx\r\n");
}

TEST_F(EffectsTest, CommandsThatBuildOnAnItemSayWhenItIsGone) {
  const Decision decision = DecideOn("append k 0 0 1\r\nx\r\n", item_);
  EXPECT_EQ(Sent(decision), "ms k 1 MA C42\r\nx\r\n");
  EXPECT_FALSE(LostItem(decision, "HD\r\n"));
  EXPECT_FALSE(LostItem(decision, "SERVER_ERROR out of memory storing object\r\n"));
  for (const std::string_view lost : {"NS\r\n", "EX\r\n", "NF\r\n"}) {
    EXPECT_TRUE(LostItem(decision, lost)) << lost;
  }
  std::string again;
  CommandFor(decision.effects.front(), kNow).AppendTo(std::nullopt, &again);
  EXPECT_EQ(again, "ms k 3 F7 T1800000050\r\n10x\r\n");
  EXPECT_EQ(ClientReply(request_, decision, "HD\r\n", rules_), "STORED\r\n");
  EXPECT_FALSE(LostItem(DecideOn("set k 0 0 1\r\nx\r\n"), "NS\r\n"));
}

TEST_F(EffectsTest, AnItemWhoseRenewalWasTakenBackHasNoGuard) {
  EngineItem stale = item_;
  stale.stale = stale.token_sent = stale.took_token = true;
  EXPECT_EQ(Sent(DecideOn("append k 0 0 1\r\nx\r\n", stale)), "ms k 1 MA\r\nx\r\n");
  EXPECT_EQ(RepairCommand(request_), "md k I\r\n");
}

TEST_F(EffectsTest, EnginesOfLaterReleasesAreGivenTheCas) {
  EXPECT_EQ(Sent(DecideOn("set k 0 0 1\r\nx\r\n"), 77), "ms k 1 E77\r\nx\r\n");
  EXPECT_EQ(Sent(DecideOn("incr k 1\r\n", item_), 77), "ma k D1 C42 E77\r\n");
  EXPECT_EQ(Sent(DecideOn("delete k\r\n"), 77), "md k\r\n");
}

TEST_F(EffectsTest, FlushesWithADelayNeverReachTheEngine) {
  const Decision later = DecideOn("flush_all 100\r\n");
  EXPECT_THAT(later.effects, ElementsAre(FlushAtEffect{kNow + 99}));
  EXPECT_FALSE(later.engine);
  EXPECT_EQ(later.reply, "OK\r\n");
  EXPECT_THAT(DecideOn("flush_all 1800000500 noreply\r\n").effects,
              ElementsAre(FlushAtEffect{1'800'000'499}));
  EXPECT_EQ(DecideOn("flush_all 1800000500 noreply\r\n").reply, "");
  // So long ago that memcached takes it for "none".
  EXPECT_THAT(DecideOn("flush_all 2592001\r\n").effects, ElementsAre(FlushAtEffect{0}));
  for (const std::string_view now : {"flush_all\r\n", "flush_all 0\r\n", "flush_all 1\r\n"}) {
    EXPECT_THAT(DecideOn(now).effects, ElementsAre(FlushEffect{}, FlushAtEffect{})) << now;
    EXPECT_EQ(Sent(DecideOn(now)), "flush_all\r\n");
  }
}

TEST_F(EffectsTest, TooLargeASetDeletes) {
  const Decision decision = DecideOn("set k 0 0 2000000\r\n");
  EXPECT_THAT(decision.effects, ElementsAre(DeleteEffect{"k", false}));
  EXPECT_EQ(ClientReply(request_, decision, "NF\r\n", rules_),
            "SERVER_ERROR object too large for cache\r\n");
}

TEST_F(EffectsTest, TheEngineNeverRepeatsABinaryKey) {
  const Request get = Parse("mg YQpi b t k v O1 q\r\n");
  EXPECT_EQ(PlainLine(get), "mg YQpi b t v O1\r\n");
  const std::pair<std::string, std::string> cases[] = {
      {"VA 1 t-1 O1 W\r\n", "VA 1 t-1 kYQpi b O1 W\r\n"},
      {"HD t5 O1\r\n", "HD t5 kYQpi b O1\r\n"},
      {"EN O1\r\n", ""},
      {"SERVER_ERROR x\r\n", "SERVER_ERROR x\r\n"},
  };
  for (const auto& [line, want] : cases) {
    std::string out;
    AppendPassedLine(get, rules_.tokens, line, &out);
    EXPECT_EQ(out, want) << line;
  }
  const Request last = Parse("mg YQpi b O1 k\r\n");
  std::string out;
  AppendPassedLine(last, rules_.tokens, "EN O1\r\n", &out);
  EXPECT_EQ(out, "EN O1 kYQpi b\r\n");
}

TEST_F(EffectsTest, AnswersOfAnEngineThatAreNoneAreErrors) {
  for (const std::string_view reply :
       {"", "HD", "STORED\r\n", "VA 3\r\nab\r\n", "VA x\r\n\r\n", "HD y5\r\n", "ME k\r\n"}) {
    EXPECT_FALSE(ReadAnswer(reply, kNow).ok()) << reply;
  }
  EXPECT_FALSE(ReadClock("STAT time 5\r\nEND\r\n").ok());
  const auto clock = ReadClock("STAT uptime 40\r\nSTAT time 1000\r\nEND\r\n");
  ASSERT_TRUE(clock.ok());
  EXPECT_EQ(clock->now, 1000);
  EXPECT_EQ(clock->started, 900);
}

}  // namespace
}  // namespace cairn::adapter::memcache
