#include "adapter/redis/request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "adapter/redis/resp_encoder.h"

namespace cairn::adapter::redis {
namespace {

using Argv = std::vector<std::string>;
using Outcome = RequestParser::Outcome;

struct Parsed {
  std::vector<Argv> commands;
  std::string forwarded;  // The bytes of all of them.
  std::string error;

  bool operator==(const Parsed& other) const = default;
};

std::ostream& operator<<(std::ostream& out, const Parsed& parsed) {
  for (const Argv& argv : parsed.commands) out << ::testing::PrintToString(argv) << "\n";
  return out << ::testing::PrintToString(parsed.forwarded) << "\n" << parsed.error;
}

void Drain(RequestParser& parser, Parsed& parsed) {
  while (parser.Next() == Outcome::kRequest) {
    parsed.commands.emplace_back(parser.argv().begin(), parser.argv().end());
    parsed.forwarded += parser.bytes();
  }
  parsed.error = parser.error();
}

Parsed Parse(const std::vector<std::string_view>& pieces, bool authenticated = true) {
  RequestParser parser;
  parser.set_authenticated(authenticated);
  Parsed parsed;
  for (const std::string_view piece : pieces) {
    parser.Feed(piece);
    Drain(parser, parsed);
  }
  return parsed;
}

// By Prepare and Commit, in reads of at most `read_bytes`.
Parsed ParseByReads(std::string_view bytes, size_t read_bytes) {
  RequestParser parser;
  Parsed parsed;
  while (!bytes.empty() && parsed.error.empty()) {
    const std::span<char> room = parser.Prepare();
    const size_t taken = std::min({room.size(), read_bytes, bytes.size()});
    std::copy_n(bytes.begin(), taken, room.begin());
    parser.Commit(taken);
    bytes.remove_prefix(taken);
    Drain(parser, parsed);
  }
  return parsed;
}

struct RequestCase {
  std::string bytes;
  std::vector<Argv> commands;
  std::string error;
};

// What Redis 7.0.15 made of these bytes.
const RequestCase kCases[] = {
    {"*1\r\n$4\r\nPING\r\n", {{"PING"}}, ""},
    {"*2\r\n$4\r\nECHO\r\n$4\r\na\r\nb\r\n", {{"ECHO", "a\r\nb"}}, ""},
    {"*2\r\n$3\r\nGET\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n", {{"GET", ""}, {"PING"}}, ""},
    {"*-5\r\n*0\r\n\r\n\n   \r\nPING\nPING\r\n", {{"PING"}, {"PING"}}, ""},
    {"*1\r\n$0000", {}, ""},
    {"PING\r", {}, ""},
    {"*1\r\n$4\r\nPINGxx", {{"PING"}}, ""},
    {"*1\rX$4\rYPINGzz", {{"PING"}}, ""},
    {"*2147483648\r\n", {}, "invalid multibulk length"},
    {"*+1\r\n", {}, "invalid multibulk length"},
    {"*01\r\n", {}, "invalid multibulk length"},
    {"* 1\r\n", {}, "invalid multibulk length"},
    {"*\r\n", {}, "invalid multibulk length"},
    {"*-0\r\n", {}, "invalid multibulk length"},
    {"*99999999999999999999\r\n", {}, "invalid multibulk length"},
    {"*1\r\n$-1\r\n", {}, "invalid bulk length"},
    {"*1\r\n$\n\r\n", {}, "invalid bulk length"},
    {"*1\r\n$04\r\n", {}, "invalid bulk length"},
    {"*1\r\n$536870913\r\n", {}, "invalid bulk length"},
    {"*1\r\n$536870912\r\n", {}, ""},
    {"*1\r\n$4\r\nPING\r\n*1\r\n$\r\n", {{"PING"}}, "invalid bulk length"},
    {"*1\r\n:5\r\n", {}, "expected '$', got ':'"},
    {"*1\r\n\r\n", {}, "expected '$', got ' '"},
    {"*1\r\nxx", {}, ""},
    {"ECHO \"a\\x41\\n\\q\\t\"\r\n", {{"ECHO", "aA\nq\t"}}, ""},
    {"ECHO \"\\x4\"\r\n", {{"ECHO", "x4"}}, ""},
    {"ECHO 'a\\'b\\n'\r\n", {{"ECHO", "a'b\\n"}}, ""},
    {"ECHO a\"b c\"\r\n", {{"ECHO", "ab c"}}, ""},
    {"ECHO a\vb\tc\r\n", {{"ECHO", "a\vb", "c"}}, ""},
    {"\vPING\r\n", {{"PING"}}, ""},
    {"\"\"\r\n", {{""}}, ""},
    {"ECHO a\"b\"c\r\n", {}, "unbalanced quotes in request"},
    {"\"abc\r\n", {}, "unbalanced quotes in request"},
    {"'\r\n", {}, "unbalanced quotes in request"},
    {std::string(65537, 'a'), {}, "too big inline request"},
    {"*" + std::string(65536, '1'), {}, "too big mbulk count string"},
    {"*1\r\n$" + std::string(65536, '1'), {}, "too big bulk count string"},
    {std::string(65536, 'a') + "\n", {{std::string(65536, 'a')}}, ""},
};

Parsed Want(const RequestCase& example) {
  Parsed want;
  want.commands = example.commands;
  for (const Argv& argv : example.commands) {
    AppendCommand(std::vector<std::string_view>(argv.begin(), argv.end()), &want.forwarded);
  }
  if (!example.error.empty()) want.error = "ERR Protocol error: " + example.error;
  return want;
}

TEST(RequestParserTest, UnderstandsWhatRedisDoes) {
  for (const RequestCase& example : kCases) {
    EXPECT_EQ(Parse({example.bytes}), Want(example)) << example.bytes.substr(0, 60);
  }
}

TEST(RequestParserTest, WhereTheReadsEndMakesNoDifference) {
  for (const RequestCase& example : kCases) {
    if (example.bytes.size() > 1000) {
      EXPECT_EQ(ParseByReads(example.bytes, 997), Want(example)) << example.bytes.substr(0, 60);
      continue;
    }
    const std::string_view bytes = example.bytes;
    for (size_t at = 0; at <= bytes.size(); ++at) {
      EXPECT_EQ(Parse({bytes.substr(0, at), bytes.substr(at)}), Want(example)) << bytes << at;
    }
    EXPECT_EQ(ParseByReads(bytes, 1), Want(example)) << bytes;
  }
}

TEST(RequestParserTest, StrangersMaySendLittle) {
  const auto error = [](std::string_view bytes, bool authenticated) {
    return Parse({bytes}, authenticated).error;
  };
  EXPECT_EQ(error("*10\r\n", false), "");
  EXPECT_EQ(error("*11\r\n", false), "ERR Protocol error: unauthenticated multibulk length");
  EXPECT_EQ(error("*11\r\n", true), "");
  EXPECT_EQ(error("*1\r\n$16384\r\n", false), "");
  EXPECT_EQ(error("*1\r\n$16385\r\n", false), "ERR Protocol error: unauthenticated bulk length");
  EXPECT_EQ(error("*1\r\n$16385\r\n", true), "");
}

TEST(RequestParserTest, RequestsAreBoundedAsAWhole) {
  RequestParser parser({.max_request_bytes = 100, .max_arguments = 3});
  parser.Feed("*3\r\n$50\r\n" + std::string(50, 'a') + "\r\n$50\r\n");
  EXPECT_EQ(parser.Next(), Outcome::kError);
  EXPECT_EQ(parser.error(), "ERR Protocol error: a request of more than 100 bytes");
  RequestParser of_many({.max_arguments = 3});
  of_many.Feed("*4\r\n");
  EXPECT_EQ(of_many.Next(), Outcome::kError);
}

std::string RandomWord(std::mt19937& random) {
  constexpr std::string_view kBytes = "ab\r\n$*1 \"'\\";
  std::string word(std::uniform_int_distribution<size_t>(0, 12)(random), ' ');
  for (char& c : word) c = kBytes[random() % kBytes.size()];
  return word;
}

TEST(RequestParserTest, RandomCommandsInRandomReads) {
  std::mt19937 random(20261122);
  for (int round = 0; round < 300; ++round) {
    Parsed want;
    for (size_t command = random() % 8; command > 0; --command) {
      Argv argv(1 + random() % 5);
      for (std::string& argument : argv) argument = RandomWord(random);
      if (random() % 8 == 0) argv.emplace_back(40000 + random() % 50000, 'x');
      AppendCommand(std::vector<std::string_view>(argv.begin(), argv.end()), &want.forwarded);
      want.commands.push_back(std::move(argv));
    }
    EXPECT_EQ(ParseByReads(want.forwarded, 1 + random() % 30000), want);
  }
}

TEST(RequestParserTest, MemoryFollowsWhatHasArrivedAndIsGivenBack) {
  RequestParser parser;
  parser.Feed("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\n");
  EXPECT_EQ(parser.Next(), Outcome::kNeedMore);
  size_t fed = 0;
  for (; fed < (8u << 20); fed += 10000) {
    const std::span<char> room = parser.Prepare();
    ASSERT_GE(room.size(), 10000u);
    std::fill_n(room.begin(), 10000, 'v');
    parser.Commit(10000);
    ASSERT_EQ(parser.Next(), Outcome::kNeedMore);
    ASSERT_LE(parser.memory_bytes(), 4 * fed + (200u << 10));
  }

  RequestParser small;
  small.Feed(EncodeCommand({"SET", "k", std::string(1 << 20, 'v')}) + "PI");
  ASSERT_EQ(small.Next(), Outcome::kRequest);
  ASSERT_EQ(small.Next(), Outcome::kNeedMore);
  EXPECT_EQ(small.pending_bytes(), 2u);
  small.Feed("NG\r\n");
  ASSERT_EQ(small.Next(), Outcome::kRequest);
  ASSERT_EQ(small.Next(), Outcome::kNeedMore);
  EXPECT_LT(small.memory_bytes(), 10000u);
}

TEST(RequestParserTest, ALargeRequestIsReadAloneAndHandedOnWithoutACopy) {
  const std::string large = EncodeCommand({"SET", "k", std::string(300000, 'v')});
  const std::string bytes = EncodeCommand({"PING"}) + large + EncodeCommand({"GET", "k"});
  RequestParser parser;
  std::string_view rest = bytes;
  std::vector<std::string> taken;
  std::vector<bool> copied;
  while (!rest.empty()) {
    const std::span<char> room = parser.Prepare();
    const size_t count = std::min(room.size(), rest.size());
    std::copy_n(rest.begin(), count, room.begin());
    parser.Commit(count);
    rest.remove_prefix(count);
    while (parser.Next() == Outcome::kRequest) {
      const char* const in_place = parser.bytes().data();
      taken.push_back(parser.TakeBytes());
      copied.push_back(taken.back().data() != in_place);
    }
  }
  EXPECT_THAT(taken,
              ::testing::ElementsAre(EncodeCommand({"PING"}), large, EncodeCommand({"GET", "k"})));
  EXPECT_FALSE(copied[1]);
}

TEST(RequestParserTest, ASilentClientCostsNothing) {
  RequestParser parser;
  ASSERT_FALSE(parser.Prepare().empty());
  EXPECT_EQ(parser.Next(), Outcome::kNeedMore);
  parser.ReleaseMemory();
  EXPECT_LT(parser.memory_bytes(), 100u);
  parser.Feed("PI");
  EXPECT_EQ(parser.Next(), Outcome::kNeedMore);
  parser.ReleaseMemory();  // Not what has begun to arrive.
  parser.Feed("NG\r\n");
  ASSERT_EQ(parser.Next(), Outcome::kRequest);
  EXPECT_EQ(parser.argv()[0], "PING");
}

}  // namespace
}  // namespace cairn::adapter::redis
