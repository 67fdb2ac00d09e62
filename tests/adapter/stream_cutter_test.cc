#include "adapter/redis/stream_cutter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapter/redis/resp_encoder.h"

namespace cairn::adapter::redis {
namespace {

struct Unit {
  std::string bytes;
  uint64_t end_offset;
  uint32_t db_before;
  bool dropped;

  bool operator==(const Unit&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Unit& unit) {
  return out << ::testing::PrintToString(unit.bytes) << " to " << unit.end_offset << " db "
             << unit.db_before << (unit.dropped ? " dropped" : "");
}

std::vector<Unit> Cut(StreamCutter& cutter, const std::vector<std::string_view>& inputs) {
  std::vector<Unit> units;
  std::string bytes;
  for (std::string_view input : inputs) {
    while (!input.empty()) {
      const auto piece = cutter.Next(&input);
      if (!piece.ok()) {
        ADD_FAILURE() << piece.status();
        return units;
      }
      EXPECT_EQ(piece->begins_unit, bytes.empty());
      bytes += piece->bytes;
      if (!piece->ends_unit) continue;
      units.push_back({bytes, piece->end_offset, piece->db_before, piece->dropped});
      bytes.clear();
    }
  }
  EXPECT_EQ(bytes, "");
  return units;
}

TEST(StreamCutterTest, CutsAtCommandsAndTransactionsWhereverTheInputEnds) {
  const std::string select = EncodeCommand({"SELECT", "3"});
  const std::string set = EncodeCommand({"SET", "k", std::string(100, 'v')});
  const std::string ping = EncodeCommand({"PING"});
  const std::string getack = EncodeCommand({"REPLCONF", "GETACK", "*"});
  const std::string other = EncodeCommand({"replconf", "other", "x"});
  const std::string transaction = EncodeCommand({"MULTI"}) + set + ping +
                                  EncodeCommand({"select", "5"}) + set + EncodeCommand({"exec"});
  const std::vector<std::string> parts = {select, set, ping, getack, other, transaction, set};
  std::vector<Unit> want;
  std::string stream;
  for (size_t i = 0; i < parts.size(); ++i) {
    stream += parts[i];
    const uint32_t db = i == 0 ? 0 : i < 6 ? 3 : 5;
    want.push_back({parts[i], 1000 + stream.size(), db, i == 2 || i == 3});
  }
  const std::string_view bytes = stream;
  for (size_t at = 0; at <= bytes.size(); ++at) {
    StreamCutter cutter(1000, 0);
    ASSERT_THAT(Cut(cutter, {bytes.substr(0, at), bytes.substr(at)}),
                ::testing::ElementsAreArray(want))
        << at;
    EXPECT_EQ(cutter.offset(), 1000 + bytes.size());
    EXPECT_EQ(cutter.db(), 5u);
    EXPECT_TRUE(cutter.idle());
  }
  std::vector<std::string_view> single;
  for (size_t at = 0; at < bytes.size(); ++at) single.push_back(bytes.substr(at, 1));
  StreamCutter cutter(1000, 0);
  EXPECT_THAT(Cut(cutter, single), ::testing::ElementsAreArray(want));
}

TEST(StreamCutterTest, RefusesWhatIsNoCommandAndSaysWhere) {
  for (const char* bytes :
       {"\n", "+OK\r\n", "$1\r\nx\r\n", "*-1\r\n", "*0\r\n", "*1\r\n:1\r\n", "*1\r\n$0\r\n\r\n",
        "*2\r\n$6\r\nSELECT\r\n$1\r\nx\r\n", "*1\r\n$6\r\nSELECT\r\n", "PING\r\n",
        // Only a reply has attributes; how much of them has come makes no difference.
        "|1\r\n", "|1\r\n$1\r\nx\r\n$1\r\ny\r\n*1\r\n",
        // Longer than what is meant for the connection can be.
        "*2\r\n$4\r\nPING\r\n$50\r\n01234567890123456789012345678901234567890123456789\r\n"}) {
    StreamCutter cutter(70, 0);
    std::string_view input = bytes;
    const auto piece = cutter.Next(&input);
    ASSERT_EQ(piece.status().code(), absl::StatusCode::kInvalidArgument) << bytes;
    EXPECT_THAT(std::string(piece.status().message()), ::testing::HasSubstr("offset")) << bytes;
    std::string_view fine = "*1\r\n$4\r\nPING\r\n";
    EXPECT_FALSE(cutter.Next(&fine).ok()) << "for ever";
  }
}

}  // namespace
}  // namespace cairn::adapter::redis
