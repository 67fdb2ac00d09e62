#include "adapter/redis/reply_scanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "adapter/redis/resp_encoder.h"
#include "adapter/redis/resp_value.h"

namespace cairn::adapter::redis {
namespace {

// Whole replies: bytes, type, null.
struct Whole {
  std::string bytes;
  ReplyType type;
  bool null;

  bool operator==(const Whole& other) const = default;
};

std::ostream& operator<<(std::ostream& out, const Whole& whole) {
  return out << static_cast<char>(whole.type) << (whole.null ? " null " : " ")
             << ::testing::PrintToString(whole.bytes);
}

struct Scanned {
  std::vector<Whole> replies;
  std::string rest;
  absl::Status status;
};

Scanned Scan(const std::vector<std::string_view>& inputs) {
  ReplyScanner scanner;
  Scanned scanned;
  for (std::string_view input : inputs) {
    while (!input.empty()) {
      EXPECT_EQ(scanner.idle(), scanned.rest.empty());
      const auto piece = scanner.Next(&input);
      if (!piece.ok()) {
        scanned.status = piece.status();
        return scanned;
      }
      EXPECT_EQ(piece->begins, scanned.rest.empty());
      scanned.rest += piece->bytes;
      if (!piece->ends) continue;
      scanned.replies.push_back({scanned.rest, piece->type, piece->null});
      scanned.rest.clear();
    }
  }
  return scanned;
}

const Whole kReplies[] = {
    {"+OK\r\n", ReplyType::kSimple, false},
    {"-ERR no\r\n", ReplyType::kError, false},
    {":-12\r\n", ReplyType::kInteger, false},
    {"$4\r\na\r\nb\r\n", ReplyType::kBulk, false},
    {"$0\r\n\r\n", ReplyType::kBulk, false},
    {"$-1\r\n", ReplyType::kBulk, true},
    {"*-1\r\n", ReplyType::kArray, true},
    {"*0\r\n", ReplyType::kArray, false},
    {"_\r\n", ReplyType::kNull, true},
    {"#t\r\n", ReplyType::kBoolean, false},
    {",1.5\r\n", ReplyType::kDouble, false},
    {"(123456789012345678901234567890\r\n", ReplyType::kBigNumber, false},
    {"!5\r\nERR x\r\n", ReplyType::kBlobError, false},
    {"=7\r\ntxt:abc\r\n", ReplyType::kVerbatim, false},
    {"*3\r\n:1\r\n*2\r\n$-1\r\n*0\r\n+x\r\n", ReplyType::kArray, false},
    {"%2\r\n+a\r\n_\r\n+b\r\n*1\r\n:2\r\n", ReplyType::kMap, false},
    {"~1\r\n%1\r\n$1\r\nk\r\n~0\r\n", ReplyType::kSet, false},
    {">2\r\n+message\r\n$1\r\nx\r\n", ReplyType::kPush, false},
    {"|1\r\n+ttl\r\n:5\r\n$1\r\nv\r\n", ReplyType::kBulk, false},
    {"|0\r\n|1\r\n+a\r\n*1\r\n:1\r\n_\r\n", ReplyType::kNull, true},
    {"*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n", ReplyType::kArray, false},
    {"*1\r\n|0\r\n:1\r\n", ReplyType::kArray, false},
};

TEST(ReplyScannerTest, FindsTheEndOfEachReplyWhereverTheInputIsCut) {
  std::string all;
  for (const Whole& whole : kReplies) all += whole.bytes;
  const std::string_view bytes = all;
  for (size_t at = 0; at <= bytes.size(); ++at) {
    const Scanned scanned = Scan({bytes.substr(0, at), bytes.substr(at)});
    ASSERT_TRUE(scanned.status.ok()) << scanned.status;
    ASSERT_THAT(scanned.replies, ::testing::ElementsAreArray(kReplies)) << at;
    ASSERT_EQ(scanned.rest, "");
  }
  std::vector<std::string_view> single;
  for (size_t at = 0; at < bytes.size(); ++at) single.push_back(bytes.substr(at, 1));
  EXPECT_THAT(Scan(single).replies, ::testing::ElementsAreArray(kReplies));
}

TEST(ReplyScannerTest, RefusesWhatIsNoReply) {
  for (const char* bytes :
       {"x", "\r\n", "$?\r\n", "*?\r\n", "$-2\r\n", "$-12\r\n", "%-1\r\n", "$--1\r\n", "$1a\r\n",
        "$\r\n", "$1\n", "$1\rx", "$1\r\nab\r\n", "$1\r\na\rx", "$1000000000000000\r\n", "*1\r\nx",
        "$ 1\r\n", "=-1\r\n"}) {
    const Scanned scanned = Scan({bytes});
    EXPECT_EQ(scanned.status.code(), absl::StatusCode::kInvalidArgument) << bytes;
  }
}

TEST(ReplyScannerTest, AnErrorIsForEver) {
  ReplyScanner scanner;
  std::string_view wrong = "x";
  EXPECT_FALSE(scanner.Next(&wrong).ok());
  std::string_view right = "+OK\r\n";
  EXPECT_FALSE(scanner.Next(&right).ok());
}

TEST(ReplyScannerTest, NestingIsBounded) {
  const auto nested = [](size_t depth) {
    std::string bytes;
    for (size_t i = 0; i < depth; ++i) bytes += "*1\r\n";
    return bytes + ":1\r\n";
  };
  EXPECT_EQ(Scan({nested(ReplyScanner::kMaxDepth)}).replies.size(), 1u);
  EXPECT_FALSE(Scan({nested(ReplyScanner::kMaxDepth + 1)}).status.ok());
}

// A random reply of the grammar.
void AppendRandom(std::mt19937& random, int depth, std::string* out) {
  ReplyWriter writer(RespVersion::k3, out);
  const size_t elements = random() % 4;
  switch (random() % (depth > 0 ? 12 : 7)) {
    case 0:
      return writer.Simple("OK");
    case 1:
      return writer.Error("ERR no");
    case 2:
      return writer.Integer(static_cast<int64_t>(random()) - 1000);
    case 3:
      return writer.Bulk(std::string(random() % 40, random() % 2 == 0 ? '\r' : '\n'));
    case 4:
      return writer.Null();
    case 5:
      return writer.Double(0.5);
    case 6:
      return writer.Verbatim("txt", "some text");
    case 7:
      writer.Map(elements);
      break;
    case 8:
      writer.Set(2 * elements);
      break;
    case 9:
      writer.Push(2 * elements);
      break;
    case 10:
      *out += "|1\r\n+about\r\n:1\r\n";
      return AppendRandom(random, depth - 1, out);
    default:
      writer.Array(2 * elements);
  }
  for (size_t i = 0; i < 2 * elements; ++i) AppendRandom(random, depth - 1, out);
}

TEST(ReplyScannerTest, AgreesWithTheReaderThatBuilds) {
  std::mt19937 random(20261122);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> replies(1 + random() % 4);
    std::string all;
    for (std::string& reply : replies) {
      AppendRandom(random, 4, &reply);
      all += reply;
      const auto value = ReadRespValue(reply);
      ASSERT_TRUE(value.ok()) << value.status() << reply;
    }
    std::vector<std::string_view> inputs;
    for (std::string_view rest = all; !rest.empty();) {
      inputs.push_back(rest.substr(0, 1 + random() % 50));
      rest.remove_prefix(inputs.back().size());
    }
    const Scanned scanned = Scan(inputs);
    ASSERT_TRUE(scanned.status.ok()) << scanned.status;
    ASSERT_EQ(scanned.replies.size(), replies.size());
    for (size_t i = 0; i < replies.size(); ++i) {
      EXPECT_EQ(scanned.replies[i].bytes, replies[i]);
      EXPECT_EQ(scanned.replies[i].null, ReadRespValue(replies[i])->null());
    }
  }
}

}  // namespace
}  // namespace cairn::adapter::redis
