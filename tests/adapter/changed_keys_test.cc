// Which keys records have changed, by the key specifications of a real engine.
#include "adapter/redis/resharding/changed_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "adapter/redis/record_builder.h"
#include "adapter/redis/resp_encoder.h"

namespace cairn::adapter::redis {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using Commands = std::vector<std::vector<std::string>>;

const CommandTable& Table() {
  static const auto* const table = [] {
    std::ifstream file(CAIRN_ENGINES_DIR "/redis-7.0.15.command", std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    return new CommandTable(*CommandTable::FromReply(*ReadRespValue(bytes.str())));
  }();
  return *table;
}

const EngineVersion kEngine = *EngineVersion::Parse("redis/7.0.15");

// A log of one reign, whose records hold few bytes.
class LogOf {
 public:
  explicit LogOf(const Commands& commands, size_t max_record_bytes = 1'000) {
    RecordBuilder::Options options;
    options.engine = kEngine;
    options.replid = std::string(40, 'a');
    options.gather_bytes = 100;
    options.max_record_bytes = max_record_bytes;
    RecordBuilder builder(options);
    StreamCutter cutter(0, 0);
    std::string stream;
    for (const std::vector<std::string>& command : commands) {
      AppendCommand(std::vector<std::string_view>(command.begin(), command.end()), &stream);
    }
    for (std::string_view input = stream; !input.empty();) {
      builder.Add(*cutter.Next(&input), &records_);
    }
    builder.Flush(&records_);
  }

  // Of all slots, or some.
  ChangedKeys::Changes Changes(SlotRange slots = {}) const {
    ChangedKeys changed(&Table(), slots, {.engine = kEngine}, Seq(5));
    Seq seq(5);
    for (const StreamRecord& one : records_) {
      Record record;
      record.seq = ++seq;
      record.payload = one.payload;
      record.metadata[std::string(kStreamMarkKey)] = one.mark.ToText();
      EXPECT_TRUE(changed.Take(std::move(record)).ok());
    }
    EXPECT_EQ(changed.applied_seq(), seq);
    return changed.TakeChanges();
  }
  [[nodiscard]] size_t size() const { return records_.size(); }

 private:
  std::vector<StreamRecord> records_;
};

TEST(ChangedKeysTest, AreThoseThatAreWritten) {
  const LogOf log({{"SELECT", "0"},
                   {"SET", "a", "1"},
                   {"MULTI"},
                   {"LPUSH", "b", "x"},
                   {"DEL", "c", "d"},
                   {"EXEC"},
                   {"SUNIONSTORE", "e", "f", "g"},
                   {"XADD", "h", "1-1", "n", "v"},
                   {"PUBLISH", "i", "j"},
                   {"INCR", "a"}});
  const ChangedKeys::Changes changes = log.Changes();
  EXPECT_FALSE(changes.any);
  EXPECT_THAT(changes.keys, UnorderedElementsAre("a", "b", "c", "d", "e", "h"));
}

TEST(ChangedKeysTest, OnlyOfTheSlotsAndTheFirstDatabase) {
  const LogOf log({{"SELECT", "1"},
                   {"SET", "foo", "1"},
                   {"FLUSHDB"},
                   {"SELECT", "0"},
                   {"SET", "bar", "1"},
                   {"SET", "123", "1"}});
  EXPECT_THAT(log.Changes({12182, 12182}).keys, IsEmpty());
  EXPECT_FALSE(log.Changes({12182, 12182}).any);
  EXPECT_THAT(log.Changes({5061, 5970}).keys, UnorderedElementsAre("bar", "123"));
}

TEST(ChangedKeysTest, AnyWhenTheCommandDoesNotSay) {
  for (const std::vector<std::string>& command : Commands{
           {"FLUSHALL"}, {"SWAPDB", "0", "1"}, {"SORT", "a", "STORE", "b"}, {"UNHEARD.OF", "a"}}) {
    const LogOf log({{"SELECT", "0"}, command});
    const bool sort = command[0] == "SORT";
    EXPECT_EQ(log.Changes().any, !sort) << command[0];
    if (sort) {
      EXPECT_THAT(log.Changes().keys, UnorderedElementsAre("b"));
    }
  }
}

TEST(ChangedKeysTest, OfAUnitOfManyRecordsOnceItIsWhole) {
  const LogOf log({{"SELECT", "0"}, {"SET", "large", std::string(5'000, 'v')}, {"SET", "a", "1"}});
  EXPECT_GT(log.size(), 4u);
  EXPECT_THAT(log.Changes().keys, UnorderedElementsAre("large", "a"));
}

}  // namespace
}  // namespace cairn::adapter::redis
