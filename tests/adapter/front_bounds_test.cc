// What clients that do not read cost the agent: they are asked to wait, or cut, before it is much.
#include <gtest/gtest.h>

#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "adapter/redis/resp_encoder.h"
#include "tests/adapter/front_lab.h"

namespace cairn::adapter::redis {
namespace {

constexpr const char* kOk = "+OK\r\n";
constexpr size_t kLarge = 100'000;

FrontOptions OneThread() {
  FrontOptions options;
  options.io_threads = 1;
  return options;
}

std::string Gets(size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) AppendCommand({"GET", "large"}, &bytes);
  return bytes;
}

// How many the engine has answered.
int CountGets(FrontLab& lab) {
  const std::string stats = lab.engine().Ask({"INFO", "commandstats"});
  constexpr std::string_view kField = "cmdstat_get:calls=";
  const size_t at = stats.find(kField);
  int calls = 0;
  if (at != std::string::npos) {
    std::from_chars(stats.data() + at + kField.size(), stats.data() + stats.size(), calls);
  }
  return calls;
}

// Redis cuts them, too.
TEST(FrontBoundsTest, WhoDoesNotReadMessagesIsCut) {
  for (const char* how : {"SUBSCRIBE", "MONITOR"}) {
    FrontOptions options = OneThread();
    options.limits.max_pushed_bytes = size_t{1} << 20;
    FrontLab lab(options);
    FrontClient silent(&lab);
    FrontClient publisher(&lab);
    std::vector<std::string> hear = {how};
    if (hear[0] == "SUBSCRIBE") hear.emplace_back("c");
    ASSERT_NE(silent.Ask(hear), "");
    const std::string message(kLarge, 'm');
    EXPECT_TRUE(lab.world().Until([&] {
      EXPECT_TRUE(publisher.Ask({"PUBLISH", "c", message}).starts_with(':'));
      return lab.front().Stats().clients_cut == 1;
    })) << how;
    EXPECT_TRUE(silent.IsCut());
    EXPECT_EQ(publisher.Ask({"ECHO", "x"}), "$1\r\nx\r\n");
  }
}

// The kernel takes some MiB of replies for a client that does not read. Beyond that, few are asked
// for, and none is lost.
TEST(FrontBoundsTest, LargeRepliesAreAskedForAsTheyAreRead) {
  constexpr int kAsked = 1000;
  FrontLab lab(OneThread());
  FrontClient client(&lab);
  ASSERT_EQ(client.Ask({"SET", "large", std::string(kLarge, 'v')}), kOk);
  client.Send(Gets(kAsked));
  FrontClient other(&lab);
  int calls = 0;
  EXPECT_TRUE(lab.world().Until([&] {  // Until the turns of others bring no more.
    for (int i = 0; i < 50; ++i) EXPECT_EQ(other.Ask({"ECHO", "x"}), "$1\r\nx\r\n");
    const int before = std::exchange(calls, CountGets(lab));
    return calls > 0 && calls == before;
  }));
  EXPECT_LT(calls, kAsked / 2);
  for (int i = 0; i < kAsked; ++i) ASSERT_EQ(client.Next().size(), kLarge + 11);
  EXPECT_EQ(client.Ask({"ECHO", "x"}), "$1\r\nx\r\n");
}

// Replies that are larger than all before are not foreseen; the bound holds all the same.
TEST(FrontBoundsTest, WhoAsksForMoreThanItReadsIsCut) {
  FrontOptions options = OneThread();
  options.limits.max_held_bytes = size_t{4} << 20;
  FrontLab lab(options);
  FrontClient client(&lab);
  ASSERT_EQ(client.Ask({"SET", "large", std::string(kLarge, 'v')}), kOk);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.Ask({"ECHO", "x"}), "$1\r\nx\r\n");
  client.Send(Gets(1000));
  EXPECT_TRUE(lab.world().Until([&] { return lab.front().Stats().clients_cut == 1; }));
  EXPECT_TRUE(client.IsCut());
}

// One reply may be as large as it is.
TEST(FrontBoundsTest, OneLargeReplyIsGiven) {
  FrontOptions options = OneThread();
  options.limits.max_held_bytes = kLarge / 2;
  FrontLab lab(options);
  FrontClient client(&lab);
  ASSERT_EQ(client.Ask({"SET", "large", std::string(kLarge, 'v')}), kOk);
  EXPECT_EQ(client.Ask({"GET", "large"}).size(), kLarge + 11);
}

}  // namespace
}  // namespace cairn::adapter::redis
