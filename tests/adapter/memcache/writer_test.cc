// What clients are told by a writer whose engine has no room, or whose view fails, and what engine
// and log have then.
#include "adapter/memcache/writer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "tests/adapter/memcache/writer_lab.h"

namespace cairn::adapter::memcache {
namespace {

// Refuses what it has no room for, and evicts nothing.
const std::vector<std::string> kTinyEngine = {"-M", "-m", "2"};

// Each on an item of its own, which is "9" before.
struct Change {
  std::string_view command;  // {}: the key.
  std::string_view reply;
  std::string_view value;  // Behind it.
};
constexpr Change kChanges[] = {
    {"set {} 0 0 2\r\n10\r\n", "STORED\r\n", "10"},
    {"set {} 0 0 2 noreply\r\n10\r\n", "", "10"},
    {"replace {} 0 0 2\r\n10\r\n", "STORED\r\n", "10"},
    {"append {} 0 0 1\r\n8\r\n", "STORED\r\n", "98"},
    {"prepend {} 0 0 1\r\n8\r\n", "STORED\r\n", "89"},
    {"incr {} 91\r\n", "100\r\n", "100"},
    {"decr {} 1\r\n", "8\r\n", "8"},
    {"ms {} 2 k O5\r\n10\r\n", "HD k{} O5\r\n", "10"},
    {"ms {} 2 q\r\n10\r\n", "", "10"},
    {"ms {} 1 MA\r\n8\r\n", "HD\r\n", "98"},
    {"ms {} 1 MP\r\n8\r\n", "HD\r\n", "89"},
    {"ms {} 2 MR T0\r\n10\r\n", "HD\r\n", "10"},
    {"ma {} D91 v\r\n", "VA 3\r\n100\r\n", "100"},
    {"ma {} D91 t q\r\n", "", "100"},
    {"ma {} D91 t v k\r\n", "VA 3 t-1 k{}\r\n100\r\n", "100"},
};

std::string With(std::string_view text, const std::string& key) {
  std::string out(text);
  for (size_t at; (at = out.find("{}")) != std::string::npos;) out.replace(at, 2, key);
  return out;
}

std::string Key(size_t change) { return fmt::format("k{}", change); }

struct How {
  WriteMode mode;
  bool looks_up;
};

class NoRoomTest : public ::testing::TestWithParam<How> {
 protected:
  NoRoomTest()
      : lab_({.mode = GetParam().mode, .looks_up = GetParam().looks_up, .engine = kTinyEngine}) {}

  // As long as the engine has something of the key, it is what the log has.
  void ExpectNothingOlder(const std::string& key, std::string_view value) {
    EXPECT_EQ(lab_.InLog(key), value) << key;
    EXPECT_EQ(lab_.InEngine(key).value_or(std::string(value)), value) << key;
    if (!GetParam().looks_up) return;
    EXPECT_EQ(lab_.Do("get " + key + "\r\n"),
              fmt::format("VALUE {} 0 {}\r\n{}\r\nEND\r\n", key, value.size(), value));
  }

  WriterLab lab_;
};

TEST_P(NoRoomTest, AChangeThatTheLogHasIsDoneWhateverTheEngineHasRoomFor) {
  for (size_t i = 0; i < std::size(kChanges); ++i) {
    EXPECT_EQ(lab_.Do(With("set {} 0 0 1\r\n9\r\n", Key(i))), "STORED\r\n");
  }
  lab_.FillEngine();
  for (size_t i = 0; i < std::size(kChanges); ++i) {
    const Change& change = kChanges[i];
    SCOPED_TRACE(change.command);
    EXPECT_EQ(lab_.Do(With(change.command, Key(i))), With(change.reply, Key(i)));
    ExpectNothingOlder(Key(i), change.value);
  }
}

TEST_P(NoRoomTest, WhatIsNewIsDoneToo) {
  lab_.FillEngine();
  EXPECT_EQ(lab_.Do("add new1 0 0 1\r\n5\r\n"), "STORED\r\n");
  EXPECT_EQ(lab_.Do("ms new2 1 ME\r\n5\r\n"), "HD\r\n");
  EXPECT_EQ(lab_.Do("ma new3 N0 J5 v\r\n"), "VA 1\r\n5\r\n");
  EXPECT_EQ(lab_.writer().stores_refused(), 3u);
  for (const std::string key : {"new1", "new2", "new3"}) {
    EXPECT_EQ(lab_.InEngine(key), std::nullopt);
    ExpectNothingOlder(key, "5");
  }
  // Whoever does it again does it once more, and was told so.
  if (!GetParam().looks_up) return;
  for (const std::string number : {"6", "7", "8"}) {
    EXPECT_EQ(lab_.Do("incr new1 1\r\n"), number + "\r\n");
  }
  ExpectNothingOlder("new1", "8");
  EXPECT_EQ(lab_.Do("touch new1 1000\r\n"), "TOUCHED\r\n");
  EXPECT_EQ(lab_.Do("gat 1000 new1\r\n"), "VALUE new1 0 1\r\n8\r\nEND\r\n");
  EXPECT_EQ(lab_.Do("delete new1\r\n"), "DELETED\r\n");
  EXPECT_EQ(lab_.InLog("new1"), std::nullopt);
}

// Its token is none: nobody knows what the item would have been.
TEST_P(NoRoomTest, ATokenOfWhatTheEngineHasNotMatchesNothing) {
  lab_.FillEngine();
  const std::string reply = lab_.Do("ms new 1 c\r\n5\r\n");
  ASSERT_TRUE(reply.starts_with("HD c")) << reply;
  const std::string token = reply.substr(4, reply.size() - 6);
  EXPECT_NE(token, "0");
  EXPECT_EQ(lab_.Do(fmt::format("cas new 0 0 1 {}\r\n6\r\n", token)),
            GetParam().looks_up ? "EXISTS\r\n" : "NOT_FOUND\r\n");
  EXPECT_EQ(lab_.InLog("new"), "5");
}

INSTANTIATE_TEST_SUITE_P(
    Modes, NoRoomTest,
    ::testing::Values(How{WriteMode::kThrough, false}, How{WriteMode::kThrough, true},
                      How{WriteMode::kBehind, false}, How{WriteMode::kBehind, true}),
    [](const auto& how) {
      return std::string(how.param.mode == WriteMode::kThrough ? "Through" : "Behind") +
             (how.param.looks_up ? "WithView" : "Alone");
    });

TEST(WriterTest, WhoWantsNoReplyIsNotToldOfAViewThatFails) {
  WriterLab lab({.looks_up = true});
  EXPECT_EQ(lab.Do("set k 0 0 1\r\n9\r\n"), "STORED\r\n");
  lab.BreakView();
  EXPECT_EQ(lab.Do("delete k\r\n"), "SERVER_ERROR the cache's view failed: nothing was done\r\n");
  EXPECT_EQ(lab.Do("delete k noreply\r\n"), "");
  EXPECT_EQ(lab.Do("touch k 0 noreply\r\n"), "");
  EXPECT_EQ(lab.InLog("k"), "9");
}

}  // namespace
}  // namespace cairn::adapter::memcache
