// From effects to records and back: effect_codec, record_mark, record_builder, record_reader.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "adapter/memcache/effect_codec.h"
#include "adapter/memcache/record_builder.h"
#include "adapter/memcache/record_mark.h"
#include "adapter/memcache/record_reader.h"
#include "tests/adapter/memcache/effect_log.h"

namespace cairn::adapter::memcache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const StreamPlace kFrom = {"life-1", StreamOffset(100)};
constexpr RecordBuilder::Options kSmall = {.gather_bytes = 100, .max_record_bytes = 400};

Effect Store(std::string key, std::string value, uint32_t flags = 0, UnixSeconds at = 0) {
  return StoreEffect{std::move(key), false, {std::move(value), flags, at}};
}

std::vector<Effect> OneOfEach() {
  return {Store("k", ""),
          Store(std::string(250, 'k'), std::string(300, 'v'), UINT32_MAX, INT64_MAX),
          Store("k", "v", 1, -1),
          StoreEffect{std::string("\0\n", 2), true, {"v", 0, 1'700'000'000}},
          DeleteEffect{"k", false},
          DeleteEffect{"k", true},
          TouchEffect{"k", false, 0},
          TouchEffect{"k", true, INT64_MIN},
          FlushEffect{},
          FlushAtEffect{0},
          FlushAtEffect{1'700'000'000}};
}

std::string Encoded(const Effect& effect) {
  std::string payload;
  AppendEffect(ViewOf(effect), &payload);
  return payload;
}

TEST(EffectCodecTest, IsReadAsItWasWritten) {
  std::string all;
  for (const Effect& effect : OneOfEach()) all += Encoded(effect);
  std::string_view rest = all;
  for (const Effect& effect : OneOfEach()) {
    const auto read = TakeEffect(&rest);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(ToEffect(*read), effect);
  }
  EXPECT_TRUE(rest.empty());
}

TEST(EffectCodecTest, CostsFewBytesBesideKeyAndValue) {
  const std::string key(20, 'k');
  const std::string value(128, 'v');
  EXPECT_EQ(Encoded(Store(key, value)).size() - key.size() - value.size(), 4u);
  EXPECT_LE(Encoded(Store(key, value, UINT32_MAX, 1'800'000'000)).size() - 148, 15u);
}

// The bytes are a format: what older agents wrote must be read for ever.
TEST(EffectCodecTest, TheBytesOfTheFormat) {
  EXPECT_EQ(Encoded(Store("key", "val")), "\x01\x03\x03keyval");
  EXPECT_EQ(Encoded(Store("key", "val", 300, 1)), "\x31\x03\xac\x02\x02\x03keyval");
  EXPECT_EQ(Encoded(DeleteEffect{"key", true}), "\x0a\x03key");
  EXPECT_EQ(Encoded(TouchEffect{"key", false, -1}), "\x23\x03\x01key");
  EXPECT_EQ(Encoded(FlushEffect{}), "\x04");
  EXPECT_EQ(Encoded(FlushAtEffect{64}), "\x25\x80\x01");
}

TEST(EffectCodecTest, EveryTruncationIsAnError) {
  for (const Effect& effect : OneOfEach()) {
    const std::string whole = Encoded(effect);
    for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
      std::string_view cut = std::string_view(whole).substr(0, bytes);
      EXPECT_EQ(TakeEffect(&cut).status().code(), absl::StatusCode::kDataLoss) << bytes;
      EXPECT_EQ(cut.size(), bytes) << "nothing is taken";
    }
  }
}

// A flip is refused, or read as another effect, which is written as the flipped bytes: nothing is
// taken for what it is not. That it was flipped at all the log's own checksums tell.
TEST(EffectCodecTest, EveryBitCounts) {
  for (const Effect& effect : OneOfEach()) {
    const std::string whole = Encoded(effect);
    for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
      std::string flipped = whole;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      std::string_view rest = flipped;
      const auto read = TakeEffect(&rest);
      if (!read.ok()) continue;
      EXPECT_NE(ToEffect(*read), effect);
      EXPECT_EQ(Encoded(ToEffect(*read)) + std::string(rest), flipped);
    }
  }
}

TEST(EffectCodecTest, RefusesWithWords) {
  struct Case {
    std::string bytes;
    const char* want;
  };
  const Case cases[] = {
      {"", "expected an effect"},
      {std::string(1, '\0'), "tag"},
      {"\x06", "tag"},
      {"\x41\x01\x01kv", "tag"},
      {"\x0c", "tag"},
      {std::string("\x01\x00\x01v", 4), "key of 1 to 250"},
      {"\x01\xfb\x01", "key of 1 to 250"},
      {"\x01\x05\x01key", "expected a key at byte 3"},
      {"\x01\x03\x04keyval", "expected a value at byte 6 of the 9"},
      {std::string("\x11\x01\x00\x01kv", 6), "client flags"},
      {"\x11\x01\xff\xff\xff\xff\x10\x01kv", "client flags"},
      {std::string("\x01\x01\x81\x00kv", 6), "length of a value"},
      {"\x01\x01\x81\x80\x80\x80\x04kv", "length of a value"},
  };
  for (const Case& c : cases) {
    std::string_view rest = c.bytes;
    const auto read = TakeEffect(&rest);
    EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss) << c.want;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(c.want));
  }
}

TEST(RecordMarkTest, IsReadAsItWasWritten) {
  for (const char* text : {"v1 life_1-A 0+0", "v1 x 18446744073709551614+1", "v1 x 7+0 run=1/first",
                           "v1 x 7+0 run=2/middle", "v1 x 7+1 run=12/last"}) {
    const auto mark = RecordMark::Parse(text);
    ASSERT_TRUE(mark.ok()) << mark.status();
    EXPECT_EQ(mark->ToText(), text);
  }
  EXPECT_EQ(RecordMark::Parse("v1 x 7+3")->End(), (StreamPlace{"x", StreamOffset(10)}));
}

TEST(RecordMarkTest, NothingElseIsAccepted) {
  for (const char* text : {"",
                           "v1",
                           "v1 x",
                           "v1 x 1",
                           "v1 x 1+",
                           "v1 x +1",
                           "v1  1+1",
                           "v1 a.b 1+1",
                           "v1 x 01+1",
                           "v1 x 1+1 ",
                           "v1 x -1+1",
                           "v1 x 18446744073709551615+1",
                           "w1 x 1+1",
                           "v x 1+1",
                           "v1 x 1+1 run=1/first",
                           "v1 x 1+0 run=0/middle",
                           "v1 x 1+0 run=2/first",
                           "v1 x 1+0 run=1/middle",
                           "v1 x 1+0 run=2/last",
                           "v1 x 1+2 run=2/last",
                           "v1 x 1+1 run=1/last",
                           "v1 x 1+0 run=2/end",
                           "v1 x 1+0 run=2"}) {
    EXPECT_EQ(RecordMark::Parse(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
  EXPECT_FALSE(RecordMark::Parse(fmt::format("v1 {} 1+1", std::string(65, 'h'))).ok());
}

TEST(RecordMarkTest, ANewerFormatIsAFence) {
  const auto mark = RecordMark::Parse("v2 whatever comes");
  EXPECT_EQ(mark.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(mark.status().message()), HasSubstr("upgrade"));
}

std::vector<std::string> Marks(const std::vector<EffectRecord>& records) {
  std::vector<std::string> marks;
  for (const EffectRecord& record : records) {
    marks.push_back(fmt::format("{}B {}", record.payload.size(), record.mark.ToText()));
  }
  return marks;
}

TEST(RecordBuilderTest, GathersSmallEffectsAndCutsLargeOnes) {
  RecordBuilder builder(kFrom, kSmall);
  std::vector<EffectRecord> records = {builder.Opening()};
  for (int i = 0; i < 4; ++i) builder.Add(Store("k", std::string(36, 'v')), &records);  // 40 bytes.
  builder.Add(Store("k", std::string(150, 'v')), &records);  // 155: alone.
  builder.Add(Store("k", std::string(395, 'v')), &records);  // 400: the largest that is no run.
  builder.Add(Store("k", std::string(396, 'v')), &records);
  builder.Add(Store("k", std::string(996, 'v')), &records);
  builder.Add(FlushEffect{}, &records);
  EXPECT_EQ(builder.pending_bytes(), 1u);
  builder.Flush(&records);
  builder.Flush(&records);
  EXPECT_THAT(Marks(records),
              ElementsAre("0B v1 life-1 100+0", "120B v1 life-1 100+3", "40B v1 life-1 103+1",
                          "155B v1 life-1 104+1", "400B v1 life-1 105+1",
                          "400B v1 life-1 106+0 run=1/first", "1B v1 life-1 106+1 run=2/last",
                          "400B v1 life-1 107+0 run=1/first", "400B v1 life-1 107+0 run=2/middle",
                          "201B v1 life-1 107+1 run=3/last", "1B v1 life-1 108+1"));
  EXPECT_EQ(builder.place(), (StreamPlace{"life-1", StreamOffset(109)}));
  EXPECT_EQ(builder.pending_bytes(), 0u);
}

TEST(ReadPlaceTest, IsBehindTheRecordUnlessItEndsWithinARun) {
  RecordBuilder builder(kFrom, kSmall);
  std::vector<EffectRecord> records = {builder.Opening()};
  builder.Add(Store("k", std::string(600, 'v')), &records);
  std::vector<std::optional<uint64_t>> places;
  for (EffectRecord& made : records) {
    Record record = DataRecord(Seq(1), std::move(made));
    const auto place = ReadPlace(&record);
    ASSERT_TRUE(place.ok());
    places.push_back(place->has_value() ? std::optional((*place)->offset.value()) : std::nullopt);
  }
  EXPECT_THAT(places, ElementsAre(100u, std::nullopt, 101u));
  Record none{.seq = Seq(1)};
  EXPECT_THAT(std::string(ReadPlace(&none).status().message()), HasSubstr("no key 'memcache'"));
}

// Reads records as a log from seq 2 on, behind the grant; what they come to, or the error.
struct Read {
  std::vector<Effect> effects;
  std::vector<EffectId> ids;
  absl::Status status;
  uint64_t voided = 0;
  ReadPosition position;
};

Read ReadAll(const std::vector<Record>& records, ReadPosition from = {}) {
  RecordReader reader({.max_value_bytes = 20'000}, std::move(from));
  Read read;
  for (const Record& record : records) {
    read.status = reader.Next(record, [&](const EffectView& effect, EffectId id) {
      read.effects.push_back(ToEffect(effect));
      read.ids.push_back(id);
    });
    if (!read.status.ok()) break;
  }
  read.voided = reader.voided_runs();
  read.position = reader.position();
  return read;
}

// A reign as a log: grant, opening, the effects.
std::vector<Record> LogOf(const std::vector<Effect>& effects) {
  RecordBuilder builder(kFrom, kSmall);
  std::vector<EffectRecord> made = {builder.Opening()};
  for (const Effect& effect : effects) builder.Add(effect, &made);
  builder.Flush(&made);
  std::vector<Record> records = {GrantRecord(Seq(1))};
  for (EffectRecord& record : made) {
    records.push_back(DataRecord(records.back().seq + 1, std::move(record)));
  }
  return records;
}

TEST(RecordReaderTest, ReadsWhatWasBuilt) {
  std::vector<Effect> effects = OneOfEach();
  effects.push_back(Store("run", std::string(1'500, 'r'), 7, 8));
  effects.push_back(DeleteEffect{"k", false});
  const std::vector<Record> log = LogOf(effects);
  const Read read = ReadAll(log);
  ASSERT_TRUE(read.status.ok()) << read.status;
  EXPECT_EQ(read.effects, effects);
  EXPECT_TRUE(std::is_sorted(read.ids.begin(), read.ids.end()));
  EXPECT_EQ(read.ids.front(), (EffectId{Seq(3), 0}));
  EXPECT_EQ(
      read.position,
      (ReadPosition{
          log.back().seq, Epoch(1), {"life-1", StreamOffset(100 + effects.size())}, Epoch(1)}));
}

TEST(RecordReaderTest, AnyPositionIsOneToGoOnFrom) {
  EffectLog log(7);
  std::vector<Record> records;
  for (int i = 0; i < 60; ++i) {
    for (Record& record : log.Next().batch.records) records.push_back(std::move(record));
  }
  const Read whole = ReadAll(records);
  ASSERT_TRUE(whole.status.ok()) << whole.status;
  EXPECT_GT(whole.voided, 0u);
  for (size_t cut = 0; cut < records.size(); cut += 5) {
    const Read first = ReadAll({records.begin(), records.begin() + static_cast<long>(cut)});
    const auto rest = records.begin() + static_cast<long>(first.position.seq.value());
    const Read second = ReadAll({rest, records.end()}, first.position);
    ASSERT_TRUE(second.status.ok()) << second.status;
    EXPECT_EQ(second.position, whole.position);
    EXPECT_EQ(first.effects.size() + second.effects.size(), whole.effects.size());
  }
}

TEST(RecordReaderTest, EveryTruncatedRecordIsRefused) {
  const std::vector<Record> log =
      LogOf({Store("a", "1"), DeleteEffect{"b", false}, Store("run", std::string(600, 'r'))});
  for (size_t i = 2; i < log.size(); ++i) {
    for (size_t bytes = 0; bytes < log[i].payload.size(); ++bytes) {
      std::vector<Record> cut = log;
      cut[i].payload.resize(bytes);
      const Read read = ReadAll(cut);
      ASSERT_EQ(read.status.code(), absl::StatusCode::kDataLoss) << i << " " << bytes;
      EXPECT_LT(read.position.seq, log.back().seq);
    }
  }
}

TEST(RecordReaderTest, ANewEpochOrAnOpeningVoidsARun) {
  const std::vector<Record> log = LogOf({Store("run", std::string(900, 'r'))});
  ASSERT_EQ(log.size(), 5u);
  const Record opening = DataRecord(Seq(4), {"", {.history = "life-2", .offset = StreamOffset(5)}});
  for (const bool by_grant : {true, false}) {
    std::vector<Record> records(log.begin(), log.begin() + 3);
    records.push_back(by_grant ? GrantRecord(Seq(4)) : opening);
    const Read read = ReadAll(records);
    ASSERT_TRUE(read.status.ok()) << read.status;
    EXPECT_EQ(read.voided, 1u);
    EXPECT_TRUE(read.effects.empty());
    EXPECT_EQ(read.position.seq, Seq(4));
    // What still comes of it is refused.
    records.push_back(log[4]);
    EXPECT_EQ(ReadAll(records).status.code(), absl::StatusCode::kDataLoss);
  }
}

TEST(RecordReaderTest, AnotherLeaseDoesNotVoidARun) {
  const std::vector<Record> log = LogOf({Store("run", std::string(600, 'r'))});
  ASSERT_EQ(log.size(), 4u);
  std::vector<Record> records(log.begin(), log.begin() + 3);
  records.push_back(GrantRecord(Seq(4), "other"));
  EXPECT_EQ(ReadAll(records).position.seq, Seq(2)) << "what is held back does not count";
  records.push_back(log[3]);
  records.back().seq = Seq(5);
  const Read read = ReadAll(records);
  ASSERT_TRUE(read.status.ok()) << read.status;
  EXPECT_THAT(read.ids, ElementsAre(EffectId{Seq(5), 0}));
}

TEST(RecordReaderTest, RefusesWhatDoesNotContinueWithWords) {
  struct Case {
    const char* name;
    const char* mark;
    std::string payload;
    absl::StatusCode code;
    const char* want;
  };
  const std::string flush = Encoded(FlushEffect{});
  constexpr auto kLoss = absl::StatusCode::kDataLoss;
  const Case cases[] = {
      {"a hole", "v1 life-1 102+1", flush, kLoss, "expected what follows offset 101 of life-1"},
      {"a record twice", "v1 life-1 100+1", flush, kLoss, "expected what follows offset 101"},
      {"another memory", "v1 life-2 101+1", flush, kLoss, "expected what follows offset 101"},
      {"fewer effects", "v1 life-1 101+2", flush, kLoss, "counts 2 effects; found 1"},
      {"more effects", "v1 life-1 101+1", flush + flush, kLoss, "counts 1 effects; found 1"},
      {"an opening with bytes", "v1 life-1 101+0", flush, kLoss, "expected none"},
      {"a run's middle", "v1 life-1 101+0 run=2/middle", flush, kLoss, "expected what follows"},
      {"a run of nothing", "v1 life-1 101+0 run=1/first", "", kLoss, "expected an effect"},
      {"a whole run", "v1 life-1 101+0 run=1/first", flush, kLoss, "and more behind it"},
      {"too large a value", "v1 life-1 101+0 run=1/first", "\x01\x01\xff\xff\x01kvvv", kLoss,
       "expected at most 20000"},
      {"a newer agent's", "v2 life-1 101+1", flush, absl::StatusCode::kFailedPrecondition, "v2"},
      {"no mark at all", "rubbish", flush, kLoss, "is not of the form"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    std::vector<Record> records = LogOf({FlushEffect{}});
    Record next{.seq = Seq(4), .payload = c.payload};
    next.metadata[std::string(kRecordMarkKey)] = c.mark;
    records.push_back(next);
    const Read read = ReadAll(records);
    EXPECT_EQ(read.status.code(), c.code);
    EXPECT_THAT(std::string(read.status.message()), HasSubstr("record 4: "));
    EXPECT_THAT(std::string(read.status.message()), HasSubstr(c.want));
    EXPECT_EQ(read.position.seq, Seq(3));
  }
}

}  // namespace
}  // namespace cairn::adapter::memcache
