#include "adapter/redis/resp_encoder.h"

#include <gtest/gtest.h>

#include <limits>

namespace cairn::adapter::redis {
namespace {

struct EncodingCase {
  const char* name;
  void (*write)(ReplyWriter& writer);
  std::string_view resp2;
  std::string_view resp3;
};

void PrintTo(const EncodingCase& example, std::ostream* out) { *out << example.name; }

class ReplyWriterTest : public ::testing::TestWithParam<EncodingCase> {};

TEST_P(ReplyWriterTest, WritesWhatRedisWrites) {
  for (const auto& [version, want] : {std::pair(RespVersion::k2, GetParam().resp2),
                                      std::pair(RespVersion::k3, GetParam().resp3)}) {
    std::string out = "before";
    ReplyWriter writer(version, &out);
    GetParam().write(writer);
    EXPECT_EQ(out, "before" + std::string(want)) << "RESP" << static_cast<int>(version);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Replies, ReplyWriterTest,
    ::testing::Values(
        EncodingCase{"simple", [](ReplyWriter& w) { w.Simple("OK"); }, "+OK\r\n", "+OK\r\n"},
        EncodingCase{"error", [](ReplyWriter& w) { w.Error("ERR a\r\nb"); }, "-ERR a  b\r\n",
                     "-ERR a  b\r\n"},
        EncodingCase{"integer",
                     [](ReplyWriter& w) { w.Integer(std::numeric_limits<int64_t>::min()); },
                     ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"},
        EncodingCase{"bulk", [](ReplyWriter& w) { w.Bulk("a\r\nb"); }, "$4\r\na\r\nb\r\n",
                     "$4\r\na\r\nb\r\n"},
        EncodingCase{"empty", [](ReplyWriter& w) { w.Bulk(""); }, "$0\r\n\r\n", "$0\r\n\r\n"},
        EncodingCase{"null", [](ReplyWriter& w) { w.Null(); }, "$-1\r\n", "_\r\n"},
        EncodingCase{"nullarray", [](ReplyWriter& w) { w.NullArray(); }, "*-1\r\n", "_\r\n"},
        EncodingCase{"boolean", [](ReplyWriter& w) { w.Boolean(true); }, ":1\r\n", "#t\r\n"},
        EncodingCase{"double", [](ReplyWriter& w) { w.Double(1.5); }, "$3\r\n1.5\r\n", ",1.5\r\n"},
        EncodingCase{"infinity",
                     [](ReplyWriter& w) { w.Double(-std::numeric_limits<double>::infinity()); },
                     "$4\r\n-inf\r\n", ",-inf\r\n"},
        EncodingCase{"verbatim", [](ReplyWriter& w) { w.Verbatim("txt", "hello"); },
                     "$5\r\nhello\r\n", "=9\r\ntxt:hello\r\n"},
        EncodingCase{"array", [](ReplyWriter& w) { w.Array(2); }, "*2\r\n", "*2\r\n"},
        EncodingCase{"set", [](ReplyWriter& w) { w.Set(2); }, "*2\r\n", "~2\r\n"},
        EncodingCase{"map", [](ReplyWriter& w) { w.Map(2); }, "*4\r\n", "%2\r\n"},
        EncodingCase{"push", [](ReplyWriter& w) { w.Push(3); }, "*3\r\n", ">3\r\n"}),
    [](const auto& example) { return std::string(example.param.name); });

TEST(EncodeCommandTest, IsAnArrayOfBulkStrings) {
  EXPECT_EQ(EncodeCommand({"SET", "k", ""}), "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
}

}  // namespace
}  // namespace cairn::adapter::redis
