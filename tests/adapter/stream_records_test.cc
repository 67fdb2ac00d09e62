// From a replication stream to records and back: stream_mark, record_builder, record_reader.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "adapter/redis/record_builder.h"
#include "adapter/redis/record_reader.h"
#include "adapter/redis/resp_encoder.h"
#include "adapter/redis/stream_mark.h"

namespace cairn::adapter::redis {
namespace {

using ::testing::HasSubstr;
using Kind = FeedStep::Kind;

const std::string kReplid(40, 'a');
const EngineVersion kEngine = {"redis", 7, 0, 15};

TEST(StreamMarkTest, IsReadAsItWasWritten) {
  for (const char* run : {"", " run=1/first", " run=2/middle", " run=12/last"}) {
    const std::string text = fmt::format("v1 redis/7.0.15 {} 123456 db=3{}", kReplid, run);
    const auto mark = StreamMark::Parse(text);
    ASSERT_TRUE(mark.ok()) << mark.status();
    EXPECT_EQ(mark->ToText(), text);
    EXPECT_EQ(mark->engine, kEngine);
    EXPECT_EQ(mark->end_offset, 123456u);
    EXPECT_EQ(mark->db, 3u);
  }
}

TEST(StreamMarkTest, NothingElseIsAccepted) {
  const auto with = [](std::string_view version, std::string_view engine, std::string_view replid,
                       std::string_view rest) {
    return fmt::format("{} {} {} {}", version, engine, replid, rest);
  };
  const std::string r = kReplid;
  for (const std::string& text :
       {std::string(), std::string("v1"), with("v2", "redis/7.0.15", r, "1 db=0"),
        with("v1", "redis", r, "1 db=0"), with("v1", "redis/7.0", r, "1 db=0"),
        with("v1", "/7.0.15", r, "1 db=0"), with("v1", "redis/7.0.15", r.substr(1), "1 db=0"),
        with("v1", "redis/7.0.15", "G" + r.substr(1), "1 db=0"),
        with("v1", "redis/7.0.15", r, "01 db=0"), with("v1", "redis/7.0.15", r, "-1 db=0"),
        with("v1", "redis/7.0.15", r, "1"), with("v1", "redis/7.0.15", r, "1 db=x"),
        with("v1", "redis/7.0.15", r, "1 db=0 "), with("v1", "redis/7.0.15", r, "1 db=0 run=1"),
        with("v1", "redis/7.0.15", r, "1 db=0 run=2/first"),
        with("v1", "redis/7.0.15", r, "1 db=0 run=1/last"),
        with("v1", "redis/7.0.15", r, "1 db=0 run=0/middle"),
        with("v1", "redis/7.0.15", r, "1 db=0 run=3/end"),
        with("v1", "redis/7.0.15", r, "1 db=0 run=2/last x")}) {
    EXPECT_EQ(StreamMark::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(EngineVersionTest, TheOlderDoesNotUnderstandTheNewer) {
  const auto understands = [](const char* reader, const char* writer) {
    return Understands(*EngineVersion::Parse(reader), *EngineVersion::Parse(writer));
  };
  EXPECT_TRUE(understands("redis/7.0.15", "redis/6.2.1"));
  EXPECT_TRUE(understands("redis/7.0.14", "redis/7.0.15")) << "patches keep their formats";
  EXPECT_FALSE(understands("redis/7.0.15", "redis/7.2.0"));
  EXPECT_FALSE(understands("redis/7.4.0", "redis/8.0.0"));
  EXPECT_TRUE(understands("valkey/8.0.0", "redis/7.2.9"));
  EXPECT_FALSE(understands("valkey/8.0.0", "redis/7.4.0")) << "they have parted";
  EXPECT_FALSE(understands("redis/8.0.0", "valkey/8.0.0"));
}

// A stream through cutter and builder, in inputs of that size.
std::vector<StreamRecord> Build(std::string_view stream, const RecordBuilder::Options& options,
                                size_t input_bytes, uint64_t offset = 0, uint32_t db = 0) {
  StreamCutter cutter(offset, db);
  RecordBuilder builder(options);
  std::vector<StreamRecord> records;
  while (!stream.empty()) {
    std::string_view input = stream.substr(0, input_bytes);
    stream.remove_prefix(input.size());
    while (!input.empty()) {
      const auto piece = cutter.Next(&input);
      EXPECT_TRUE(piece.ok()) << piece.status();
      builder.Add(*piece, &records);
      EXPECT_LE(builder.pending_bytes(), options.gather_bytes + options.max_record_bytes);
    }
  }
  builder.Flush(&records);
  EXPECT_EQ(builder.pending_bytes(), 0u);
  EXPECT_EQ(builder.whole_offset(), cutter.offset());
  return records;
}

RecordBuilder::Options Small() {
  return {.engine = kEngine, .replid = kReplid, .gather_bytes = 100, .max_record_bytes = 200};
}

std::string Set(size_t bytes) { return EncodeCommand({"SET", "k", std::string(bytes, 'v')}); }

std::vector<std::string> Marks(const std::vector<StreamRecord>& records) {
  std::vector<std::string> marks;
  for (const StreamRecord& record : records) {
    marks.push_back(fmt::format("{}B to {} db={} {}/{}", record.payload.size(),
                                record.mark.end_offset, record.mark.db, record.mark.run_number,
                                static_cast<int>(record.mark.part)));
  }
  return marks;
}

TEST(RecordBuilderTest, GathersSmallUnitsAndCutsLargeOnes) {
  const std::string ping = EncodeCommand({"PING"});             // 14 bytes.
  const std::string stream = EncodeCommand({"SELECT", "2"}) +   // 23 bytes.
                             Set(5) + ping + Set(5) + Set(5) +  // 31 each: 23 + 2 × 31 < 100.
                             Set(120) +                         // 148: alone.
                             ping + Set(600) +                  // 628: a run.
                             EncodeCommand({"SELECT", "0"}) + ping;
  for (const size_t input_bytes : {size_t{1}, size_t{7}, size_t{150}, stream.size()}) {
    EXPECT_THAT(Marks(Build(stream, Small(), input_bytes)),
                ::testing::ElementsAre("85B to 99 db=0 0/0", "31B to 130 db=2 0/0",
                                       "148B to 278 db=2 0/0", "200B to 492 db=2 1/1",
                                       "200B to 692 db=2 2/2", "200B to 892 db=2 3/2",
                                       "28B to 920 db=2 4/3", "23B to 943 db=2 0/0"));
  }
}

TEST(RecordBuilderTest, AFlushLeavesWhatHasOnlyBegun) {
  StreamCutter cutter(0, 0);
  RecordBuilder builder(Small());
  std::vector<StreamRecord> records;
  const std::string stream = Set(5) + Set(6);
  std::string_view input = std::string_view(stream).substr(0, 40);
  while (!input.empty()) builder.Add(*cutter.Next(&input), &records);
  builder.Flush(&records);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].payload, Set(5));
  builder.Flush(&records);
  EXPECT_EQ(records.size(), 1u);
  EXPECT_EQ(builder.pending_bytes(), 9u);
  EXPECT_EQ(builder.whole_offset(), 31u);
  input = std::string_view(stream).substr(40);
  builder.Add(*cutter.Next(&input), &records);
  builder.Flush(&records);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1].payload, Set(6));
}

// A log as the reader sees it.
class ReaderTest : public ::testing::Test {
 protected:
  ReaderTest() { Restart(); }

  Record Data(const StreamRecord& record) { return Data(record.payload, record.mark.ToText()); }
  Record Data(std::string payload, const std::string& mark) {
    Record record{.seq = Seq(++last_seq_), .payload = std::move(payload)};
    record.metadata[std::string(kStreamMarkKey)] = mark;
    return record;
  }
  Record Lease(RecordKind kind, std::string name = "primary") {
    Record record{.seq = Seq(++last_seq_), .kind = kind};
    record.lease = LeaseEvent{.name = std::move(name)};
    return record;
  }
  Record Grant() { return Lease(RecordKind::kLeaseAcquired); }

  FeedStep Feed(Record record) {
    auto step = reader_->Next(&record);
    EXPECT_TRUE(step.ok()) << step.status();
    if (!step.ok()) return {};
    fed_ += step->select;
    if (step->kind == Kind::kFeed) fed_ += record.payload;
    if (step->kind == Kind::kFeedRun) {
      for (const std::string& payload : step->held) fed_ += payload;
    }
    return *std::move(step);
  }
  absl::Status Refusal(Record record) { return reader_->Next(&record).status(); }

  // A new log, and a reader of it.
  void Restart(size_t max_held_bytes = 10000) {
    last_seq_ = 0;
    fed_.clear();
    reader_.emplace(RecordReader::Options{.engine = kEngine, .max_held_bytes = max_held_bytes},
                    Seq(0));
  }

  uint64_t last_seq_ = 0;
  std::optional<RecordReader> reader_;
  std::string fed_;
};

TEST_F(ReaderTest, FeedsWhatWasStreamed) {
  const std::string multi = EncodeCommand({"MULTI"}) + Set(300) + EncodeCommand({"EXEC"});
  const std::string stream = EncodeCommand({"SELECT", "2"}) + Set(5) + multi + Set(6);
  Feed(Grant());
  for (const StreamRecord& record : Build(stream, Small(), 64)) Feed(Data(record));
  EXPECT_EQ(fed_, EncodeCommand({"SELECT", "0"}) + stream);
  EXPECT_EQ(reader_->position(), (StreamPosition{kReplid, stream.size()}));
  EXPECT_EQ(reader_->db(), 2u);
  EXPECT_EQ(reader_->applied_seq(), Seq(last_seq_));
}

TEST_F(ReaderTest, ARunIsFedWholeAndNothingStandsBehindItsBeginning) {
  Feed(Grant());
  const std::vector<StreamRecord> run = Build(Set(400), Small(), 1000);
  ASSERT_EQ(run.size(), 3u);
  EXPECT_EQ(Feed(Data(run[0])).kind, Kind::kHold);
  EXPECT_EQ(Feed(Lease(RecordKind::kLeaseAcquired, "other")).kind, Kind::kSkip);
  EXPECT_EQ(Feed(Data(run[1])).kind, Kind::kHold);
  EXPECT_EQ(reader_->applied_seq(), Seq(1));
  EXPECT_EQ(fed_, "");
  const FeedStep step = Feed(Data(run[2]));
  EXPECT_EQ(step.kind, Kind::kFeedRun);
  EXPECT_EQ(step.first_seq, Seq(2));
  EXPECT_EQ(step.last_seq, Seq(5));
  EXPECT_EQ(fed_, EncodeCommand({"SELECT", "0"}) + Set(400));
  EXPECT_EQ(reader_->applied_seq(), Seq(5));
}

TEST_F(ReaderTest, ALongRunIsReadAgainInsteadOfHeld) {
  Restart(500);
  Feed(Grant());
  const std::vector<StreamRecord> run = Build(Set(2000), Small(), 1000);
  for (size_t i = 0; i + 1 < run.size(); ++i) EXPECT_EQ(Feed(Data(run[i])).kind, Kind::kHold);
  const FeedStep step = Feed(Data(run.back()));
  EXPECT_EQ(step.kind, Kind::kFeedRun);
  EXPECT_TRUE(step.held.empty());
  EXPECT_EQ(step.first_seq, Seq(2));
  EXPECT_EQ(step.last_seq, Seq(last_seq_));
  EXPECT_EQ(step.select, EncodeCommand({"SELECT", "0"}));
}

TEST_F(ReaderTest, ANewEpochVoidsAnIncompleteRunWhichThenComesAgain) {
  for (const RecordKind kind : {RecordKind::kLeaseAcquired, RecordKind::kLeaseTransferred,
                                RecordKind::kLeaseReleased, RecordKind::kLeaseExpired}) {
    Restart();
    Feed(Grant());
    Feed(Data(Build(Set(5), Small(), 1000)[0]));
    const std::vector<StreamRecord> run = Build(Set(400), Small(), 1000, 31);
    Feed(Data(run[0]));
    EXPECT_EQ(reader_->applied_seq(), Seq(2));
    EXPECT_TRUE(Feed(Lease(kind)).voided);
    EXPECT_EQ(reader_->applied_seq(), Seq(4));
    EXPECT_EQ(reader_->position(), (StreamPosition{kReplid, 31}));
    for (const StreamRecord& record : run) Feed(Data(record));
    const std::string select = EncodeCommand({"SELECT", "0"});
    EXPECT_EQ(fed_, select + Set(5) + select + Set(400));
  }
}

TEST_F(ReaderTest, AnEngineThatWasSynchronisedAnewIsToldTheDatabase) {
  Feed(Data(Build(Set(5), Small(), 1000, 100, 3)[0]));
  reader_->EngineForgotDatabase();
  Feed(Data(Build(Set(5), Small(), 1000, 131, 3)[0]));
  const std::string once = EncodeCommand({"SELECT", "3"}) + Set(5);
  EXPECT_EQ(fed_, once + once);
}

TEST_F(ReaderTest, StopsAtANewerEngine) {
  RecordBuilder::Options newer = Small();
  newer.engine.minor = 2;
  Feed(Grant());
  const absl::Status status = Refusal(Data(Build(Set(5), newer, 1000)[0]));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("record 2: written by redis/7.2.15, which this redis/7.0.15"));
  --last_seq_;
  EXPECT_EQ(Refusal(Data(Build(Set(5), Small(), 1000)[0])), status) << "for ever";
}

// Each is refused behind a grant, 31 bytes of db=0 up to offset 31, and two of three parts of a run
// if it says so.
struct RefusedCase {
  const char* what;
  bool in_run;
  std::string payload;
  std::string mark;
};

TEST_F(ReaderTest, NamesWhatDoesNotContinue) {
  const std::string v = "v1 redis/7.0.15 ";
  const std::string here = v + kReplid + " ";
  const std::string other = v + std::string(40, 'b') + " ";
  const std::string tail = Set(400).substr(400);
  const RefusedCase cases[] = {
      {"a mark of another form", false, Set(5), "v1 redis"},
      {"another stream in the same epoch", false, Set(5), other + "62 db=0"},
      {"another database", false, Set(5), here + "62 db=1"},
      {"what was there already", false, Set(5), here + "31 db=0"},
      {"an overlap", false, Set(5), here + "61 db=0"},
      {"half a command", false, Set(5).substr(0, 20), here + "62 db=0"},
      {"no command", false, "hello\r\n", here + "62 db=0"},
      {"the middle of a run", false, Set(5), here + "62 db=0 run=2/middle"},
      {"the end of a run", false, Set(5), here + "62 db=0 run=2/last"},
      {"a run that is whole at once", false, Set(5), here + "62 db=0 run=1/first"},
      {"units within a run", true, Set(5), here + "500 db=0"},
      {"a run within a run", true, Set(5), here + "500 db=0 run=1/first"},
      {"a part too far", true, tail, here + "459 db=0 run=4/last"},
      {"bytes too far", true, tail, here + "460 db=0 run=3/last"},
      {"a run of another stream", true, tail, other + "459 db=0 run=3/last"},
      {"a run that ends early", true, tail.substr(0, 5), here + "436 db=0 run=3/last"},
      {"a run that goes on behind its end", true, tail, here + "459 db=0 run=3/middle"},
  };
  for (const RefusedCase& example : cases) {
    Restart();
    Feed(Grant());
    Feed(Data(Build(Set(5), Small(), 1000)[0]));
    const std::vector<StreamRecord> run = Build(Set(400), Small(), 1000, 31);
    for (size_t i = 0; example.in_run && i < 2; ++i) Feed(Data(run[i]));
    const Seq applied = reader_->applied_seq();
    const absl::Status status = Refusal(Data(example.payload, example.mark));
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << example.what << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(fmt::format("record {}: ", last_seq_)));
    EXPECT_EQ(reader_->applied_seq(), applied);
  }
}

// It names the stream that the reign begins with.
TEST_F(ReaderTest, TheRecordThatOpensAReignHasNoBytes) {
  Restart();
  Feed(Grant());
  Feed(Data("", fmt::format("v1 redis/7.0.15 {} 31 db=0", kReplid)));
  EXPECT_EQ(reader_->applied_seq(), Seq(last_seq_));
  EXPECT_EQ(reader_->position().offset, 31u);
}

TEST_F(ReaderTest, RecordsWithoutAMarkAreForeign) {
  Record record{.seq = Seq(++last_seq_), .payload = Set(5)};
  EXPECT_EQ(Refusal(record).code(), absl::StatusCode::kDataLoss);
}

TEST_F(ReaderTest, RandomStreamsComeBackAsTheyWere) {
  std::mt19937 random(20261122);
  for (int round = 0; round < 200; ++round) {
    std::string stream;
    std::string want = EncodeCommand({"SELECT", "0"});
    const auto add = [&](const std::string& bytes, bool kept) {
      stream += bytes;
      if (kept) want += bytes;
    };
    for (size_t unit = random() % 30; unit > 0; --unit) {
      switch (random() % 6) {
        case 0:
          add(EncodeCommand({"PING"}), false);
          break;
        case 1:
          add(EncodeCommand({"SELECT", std::to_string(random() % 16)}), true);
          break;
        case 2:
          add(EncodeCommand({"MULTI"}) + Set(random() % 300) + EncodeCommand({"SELECT", "7"}) +
                  EncodeCommand({"EXEC"}),
              true);
          break;
        case 3:
          add(Set(random() % 1500), true);
          break;
        default:
          add(Set(random() % 30), true);
      }
    }
    Restart();
    for (const StreamRecord& record : Build(stream, Small(), 1 + random() % 400)) {
      Feed(Data(record));
    }
    if (last_seq_ == 0) want.clear();
    EXPECT_EQ(fed_, want);
  }
}

}  // namespace
}  // namespace cairn::adapter::redis
