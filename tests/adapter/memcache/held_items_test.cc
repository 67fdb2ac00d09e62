// What clients are told of an item that the engine had no room to take back is what an engine that
// has it tells: asked of two real memcacheds, of which one lacks the item.
#include "adapter/memcache/held_items.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "adapter/memcache/passed_line.h"
#include "adapter/memcache/reply_text.h"
#include "adapter/memcache/request_parser.h"
#include "tests/adapter/memcache/memcached.h"

namespace cairn::adapter::memcache {
namespace {

constexpr std::string_view kStore = "ms k 3 F5 c\r\nabc\r\n";
constexpr std::string_view kStoreBinary = "ms ayB4 3 F5 b c\r\nabc\r\n";  // "k x"

OwnedRequest Parse(std::string_view bytes) {
  const RequestParser::Result parsed = RequestParser().Parse(bytes);
  EXPECT_EQ(parsed.outcome, RequestParser::Outcome::kRequest) << bytes;
  return {parsed.request, bytes};
}

class HeldItemsTest : public ::testing::Test {
 protected:
  // What an engine says, and what the client gets of it.
  struct Answer {
    std::string engine;
    std::string client;
  };
  Answer Ask(RawConnection* engine, const Request& request) {
    Decision decision;
    if (Classify(request) == RequestClass::kRead) {
      std::string line = PlainLine(request);
      line.resize(line.size() - 2);
      decision.engine = EngineCommand{.line = std::move(line), .reply = ReplyKindOf(request)};
      decision.form = ReplyForm::kEngine;
    } else {
      decision = Decide(request, std::nullopt, rules_);
    }
    std::string bytes;
    decision.engine->AppendTo(std::nullopt, &bytes);
    engine->Send(bytes);
    const std::string reply = engine->ReadReply(decision.engine->reply);
    return {reply, ClientReply(request, decision, reply, rules_)};
  }

  // The item as it was just stored in the engine that has it.
  HeldItem Store(std::string_view command) {
    full_->Send(std::string(command));
    const std::string reply = full_->ReadReply(ReplyKind::kMeta);
    EXPECT_TRUE(reply.starts_with("HD c")) << reply;
    return {Item{"abc", 5, 0}, command == kStoreBinary, std::stoull(reply.substr(4))};
  }

  void ExpectTheSame(std::string_view store, const std::string& command, size_t held_at = 0) {
    const HeldItem item = Store(store);
    const OwnedRequest request = Parse(command + "\r\n");
    HeldItems held(request->keys.size());
    held[held_at] = item;
    const Answer with = Ask(full_.get(), *request);
    const Answer without = Ask(empty_.get(), *request);
    EXPECT_NE(with.engine, without.engine) << command;
    EXPECT_EQ(ReplyWithHeld(*request, held, without.engine, without.client, rules_), with.client)
        << command;
  }

  Memcached full_engine_;
  Memcached empty_engine_;
  const std::unique_ptr<RawConnection> full_ = full_engine_.Connect();
  const std::unique_ptr<RawConnection> empty_ = empty_engine_.Connect();
  DecisionRules rules_{.clock = {.now = 1'800'000'000, .started = 1'799'999'000},
                       .tokens = CasTokens(3, 0)};
};

TEST_F(HeldItemsTest, IsToldAsAnEngineThatHasItTells) {
  for (const std::string command :
       {"get k", "gets k", "gat 0 k", "gats 0 k", "mg k", "mg k v", "mg k v q k O77", "mg k q s f",
        "mg k c f h l s t v", "mg k T0 t v", "touch k 0", "touch k 0 noreply", "delete k",
        "delete k noreply", "md k", "md k q", "md k O7 k", "mg k t T0 c O1 k h l"}) {
    ExpectTheSame(kStore, command);
  }
}

TEST_F(HeldItemsTest, KeysInBase64AreToldAsTheyCame) {
  for (const std::string command :
       {"mg ayB4 b", "mg ayB4 b k v c", "mg ayB4 b v k O5 f", "md ayB4 b k"}) {
    ExpectTheSame(kStoreBinary, command);
  }
}

TEST_F(HeldItemsTest, StandsAmongOthersInTheOrderOfTheKeys) {
  for (RawConnection* const engine : {full_.get(), empty_.get()}) {
    for (const std::string key : {"a", "z"}) {
      engine->Send(fmt::format("set {} 1 0 3\r\nEND\r\n", key));
      EXPECT_EQ(engine->ReadReply(ReplyKind::kLine), "STORED\r\n");
    }
  }
  ExpectTheSame(kStore, "get a k none z", 1);
  ExpectTheSame(kStore, "get k a", 0);
  ExpectTheSame(kStore, "gat 0 a z k", 2);
}

// Requests to which the engine was not asked: it would only make a placeholder.
TEST_F(HeldItemsTest, NeedsNoEngineToBeTold) {
  const OwnedRequest request = Parse("mg k N30 R30 v t f\r\n");
  const HeldItems held = {HeldItem{Item{"abc", 5, rules_.clock.now + 20}, false, 7}};
  EXPECT_EQ(ReplyWithHeld(*request, held, "", "", rules_), "VA 3 t20 f5\r\nabc\r\n");
  // Flags count in their order.
  for (const auto& [command, reply] :
       {std::pair("mg k t T50\r\n", "HD t20\r\n"), std::pair("mg k T50 t\r\n", "HD t50\r\n")}) {
    EXPECT_EQ(ReplyWithHeld(*Parse(command), held, "EN\r\n", "EN\r\n", rules_), reply);
  }
}

// Its next version cannot be told from it: whoever swaps by this token must look again.
TEST_F(HeldItemsTest, ATokenWithoutANumberMatchesNothing) {
  const uint64_t token = rules_.tokens.ToClient(CasTokens::kUnnumbered);
  const EngineItem item = AsEngineItem({Item{"5", 0, 0}, false, CasTokens::kUnnumbered});
  EXPECT_NE(token, 0);
  EXPECT_EQ(item.cas, 0);
  for (const uint64_t number : {uint64_t{1}, uint64_t{2}, item.cas}) {
    EXPECT_FALSE(rules_.tokens.Matches(token, number)) << number;
  }
  const OwnedRequest swap = Parse(fmt::format("cas k 0 0 1 {}\r\nx\r\n", token));
  EXPECT_EQ(Decide(*swap, item, rules_).reply, "EXISTS\r\n");
}

TEST_F(HeldItemsTest, ErrorsOfTheEngineStayErrors) {
  const OwnedRequest request = Parse("get k\r\n");
  const HeldItems held = {HeldItem{Item{"abc", 5, 0}, false, 7}};
  const std::string error = "SERVER_ERROR out of memory writing get response\r\n";
  EXPECT_EQ(ReplyWithHeld(*request, held, error, error, rules_), error);
}

}  // namespace
}  // namespace cairn::adapter::memcache
