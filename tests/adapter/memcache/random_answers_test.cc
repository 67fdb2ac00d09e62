// Commands by chance, to the agent's rules over one memcached and to another memcached directly:
// the same answers, and in the end the engine has what the effects say, which is what a standby
// will have.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "adapter/memcache/line_text.h"
#include "tests/adapter/memcache/alike.h"
#include "tests/adapter/memcache/command_maker.h"
#include "tests/adapter/memcache/lone_front.h"

namespace cairn::adapter::memcache {
namespace {

constexpr int kCommands = 4'000;
const std::string kLastLine = "mg last-of-all k\r\n";
constexpr std::string_view kLastAnswer = "EN klast-of-all\r\n";

struct Run {
  uint64_t seed;
  bool soft;
};

class RandomAnswers : public ::testing::TestWithParam<Run> {
 protected:
  RandomAnswers() : direct_(plain_.Connect()), front_(&engine_, CasTokens(/*epoch=*/7, 1)) {}

  // Sends one command to both; "" if the answers are alike.
  std::string Send(const std::string& command, Random* random) {
    std::string theirs = command;
    std::string ours = command;
    if (const size_t at = command.find(CommandMaker::kToken); at != std::string::npos) {
      const SeenToken token = comparison_.PickToken(random);
      theirs.replace(at, 1, token.theirs);
      ours.replace(at, 1, token.ours);
    }
    direct_->Send(theirs + kLastLine);
    return comparison_.Compare(direct_->ReadUntil(kLastAnswer), front_.Feed(ours + kLastLine));
  }

  // The engine's line for a key, and its value.
  std::string Look(const std::string& key) {
    front_.engine()->Send("mg " + key + " f t v\r\n");
    return front_.engine()->ReadReply(ReplyKind::kMeta);
  }

  void CheckItem(const std::string& key) {
    const bool binary = key.ends_with(" b");
    const std::string name = binary ? *DecodeKey(key.substr(0, key.size() - 2)) : key;
    const std::string reply = Look(key);
    const std::string line = reply.substr(0, reply.find("\r\n"));
    const auto it = front_.items().find(name);
    if (it == front_.items().end()) {
      // Soft state is the engine's alone: what was invalidated, and places that are kept free.
      const bool soft = line.find(" X") != std::string::npos ||
                        line.find(" Z") != std::string::npos ||
                        line.find(" W") != std::string::npos;
      EXPECT_TRUE(reply == "EN\r\n" || soft) << key << ": " << reply;
      return;
    }
    const absl::StatusOr<std::optional<EngineItem>> item = ReadAnswer(reply, Now());
    ASSERT_TRUE(item.ok() && item->has_value()) << key << ": " << reply;
    const Item& logged = it->second.item;
    EXPECT_EQ((*item)->value, logged.value) << key;
    EXPECT_EQ((*item)->client_flags, logged.client_flags) << key;
    EXPECT_EQ(it->second.binary, binary) << key;
    EXPECT_EQ((*item)->expires_at == 0, logged.expires_at == 0) << key;
    EXPECT_LE(std::abs((*item)->expires_at - logged.expires_at), 2) << key;
  }

  UnixSeconds Now() {
    front_.engine()->Send("stats\r\n");
    return ReadClock(front_.engine()->ReadReply(ReplyKind::kStats))->now;
  }

  // Without work in the background, which decides whether a number that got shorter is padded.
  Memcached plain_{{"-o", "no_lru_maintainer"}};
  Memcached engine_{{"-o", "no_lru_maintainer"}};
  const std::unique_ptr<RawConnection> direct_;
  LoneFront front_;
  Comparison comparison_;
};

TEST_P(RandomAnswers, AreAlikeAndLeaveWhatTheEffectsSay) {
  CommandMaker maker(GetParam().seed, GetParam().soft);
  Random random(GetParam().seed + 1);
  for (int i = 0; i < kCommands; ++i) {
    const std::string command = maker.Next();
    const std::string difference = Send(command, &random);
    ASSERT_EQ(difference, "") << "command " << i << ": " << command;
    if (i % 100 != 99) continue;
    for (const std::string& key : CommandMaker::Keys()) CheckItem(key);
    ASSERT_FALSE(HasFailure()) << "after command " << i << ": " << command;
    // Looking has taken rights to renew items, which are missing from now on in the engine alone.
    ASSERT_EQ(Send("flush_all\r\n", &random), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomAnswers,
                         ::testing::Values(Run{1, false}, Run{2, false}, Run{3, false},
                                           Run{4, true}, Run{5, true}, Run{6, true}),
                         [](const auto& run) {
                           return std::to_string(run.param.seed) +
                                  (run.param.soft ? "Soft" : "Plain");
                         });

}  // namespace
}  // namespace cairn::adapter::memcache
