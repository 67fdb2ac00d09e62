#include "adapter/memcache/reply_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace cairn::adapter::memcache {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Parsed {
  std::vector<std::string> replies;
  std::string rest;
  bool ok = true;
  bool operator==(const Parsed&) const = default;
};

// All replies of one kind in `inputs`, of which each comes behind what was left of the last.
Parsed ParseAll(ReplyKind kind, const std::vector<std::string_view>& inputs) {
  Parsed parsed;
  ReplyParser parser;
  std::string pending;
  std::string reply;
  for (const std::string_view input : inputs) {
    pending += input;
    std::string_view rest = pending;
    while (!rest.empty()) {
      const auto piece = parser.Next(kind, &rest);
      if (!piece.ok()) return {.ok = false};
      if (!piece->has_value()) break;
      reply += (*piece)->bytes;
      EXPECT_EQ(parser.idle(), (*piece)->ends);
      if ((*piece)->ends) parsed.replies.push_back(std::exchange(reply, ""));
    }
    pending.erase(0, pending.size() - rest.size());
  }
  parsed.rest = reply + pending;
  return parsed;
}

struct Case {
  ReplyKind kind;
  std::vector<std::string> replies;
};

const std::vector<Case>& Cases() {
  static const std::vector<Case> kCases = {
      {ReplyKind::kLine, {"STORED\r\n", "12\r\n", "VERSION 1.6.18\r\n", "ERROR\r\n"}},
      {ReplyKind::kValues,
       {"END\r\n", "VALUE k 0 5\r\nEND\r\n\r\nEND\r\n",
        "VALUE a 1 0 77\r\n\r\nVALUE b 1 2 78\r\n\r\n\r\nEND\r\n",
        "SERVER_ERROR out of memory\r\n"}},
      {ReplyKind::kMeta,
       {"HD\r\n", "EN\r\n", "VA 4 f1 c7\r\nHD\r\n\r\n", "VA 0\r\n\r\n", "NF O1\r\n", "NS\r\n",
        "EX\r\n", "ME k exp=-1\r\n", "CLIENT_ERROR x\r\n"}},
      {ReplyKind::kMetaGroup, {"MN\r\n", "HD k1\r\nVA 2 k2\r\nMN\r\nEN\r\nMN\r\n"}},
      {ReplyKind::kStats,
       {"STAT a 1\r\nSTAT b 2\r\nEND\r\n", "END\r\n", "RESET\r\n", "ITEM k [1 b; 0 s]\r\nEND\r\n",
        "ERROR\r\n"}},
  };
  return kCases;
}

TEST(ReplyParserTest, FindsTheEndsHoweverTheBytesArrive) {
  for (const Case& c : Cases()) {
    std::string all;
    for (const std::string& reply : c.replies) all += reply;
    for (size_t cut = 0; cut <= all.size(); ++cut) {
      const std::string_view bytes = all;
      const Parsed parsed = ParseAll(c.kind, {bytes.substr(0, cut), bytes.substr(cut)});
      EXPECT_TRUE(parsed.ok) << all << cut;
      EXPECT_EQ(parsed.replies, c.replies) << cut;
      EXPECT_EQ(parsed.rest, "");
    }
  }
}

TEST(ReplyParserTest, AValueNeedsNoRoomOfItsOwn) {
  ReplyParser parser;
  std::string_view input = "VA 1000000\r\n";
  EXPECT_TRUE((*parser.Next(ReplyKind::kMeta, &input))->line);
  const std::string bytes(500'000, 'v');
  for (int i = 0; i < 2; ++i) {
    input = bytes;
    const auto piece = parser.Next(ReplyKind::kMeta, &input);
    EXPECT_EQ((*piece)->bytes.data(), bytes.data());
    EXPECT_EQ((*piece)->bytes.size(), bytes.size());
    EXPECT_FALSE((*piece)->line);
  }
  input = "\r\nHD\r\n";
  EXPECT_TRUE((*parser.Next(ReplyKind::kMeta, &input))->ends);
  EXPECT_EQ(input, "HD\r\n");
}

TEST(ReplyParserTest, WhatIsNotDueIsAnError) {
  const std::pair<ReplyKind, std::string> cases[] = {
      {ReplyKind::kValues, "STORED\r\n"},
      {ReplyKind::kValues, "VALUE k 0\r\n"},
      {ReplyKind::kValues, "VALUE k 0 x\r\n"},
      {ReplyKind::kValues, "VALUE k 0 99999999999\r\n"},
      {ReplyKind::kValues, "VALUE k 0 1\r\nabEND\r\n"},
      {ReplyKind::kValues, "VALUE k 0 1\r\na\rb"},
      {ReplyKind::kMeta, "VALUE k 0 1\r\n"},
      {ReplyKind::kMeta, "HDx\r\n"},
      {ReplyKind::kMeta, "VA\r\n"},
      {ReplyKind::kMeta, "HD\n"},
      {ReplyKind::kStats, "STAT a 1\r\nSTORED\r\n"},
      {ReplyKind::kLine, std::string(ReplyParser::kMaxLineBytes, 'x')},
  };
  for (const auto& [kind, bytes] : cases) EXPECT_FALSE(ParseAll(kind, {bytes}).ok) << bytes;
}

TEST(ReplyParserTest, AnErrorIsForEver) {
  ReplyParser parser;
  std::string_view input = "oops\r\n";
  EXPECT_FALSE(parser.Next(ReplyKind::kMeta, &input).ok());
  input = "HD\r\n";
  EXPECT_FALSE(parser.Next(ReplyKind::kMeta, &input).ok());
}

}  // namespace
}  // namespace cairn::adapter::memcache
