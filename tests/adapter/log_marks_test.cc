#include "adapter/redis/log_marks.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "adapter/redis/resp_encoder.h"

namespace cairn::adapter::redis {
namespace {

const std::string kReplid(40, 'a');

// A data record as a publisher appends it.
Record MakeRecord(uint64_t seq, uint64_t end_offset, uint32_t db, std::string payload,
                  RunPart part = RunPart::kNone, uint64_t number = 0) {
  StreamMark mark;
  mark.engine = EngineVersion::Parse("redis/7.0.15").value();
  mark.replid = kReplid;
  mark.end_offset = end_offset;
  mark.db = db;
  mark.part = part;
  mark.run_number = number;
  Record record;
  record.seq = Seq(seq);
  record.payload = std::move(payload);
  record.metadata.emplace(kStreamMarkKey, mark.ToText());
  return record;
}

std::optional<StreamPlace> Read(LogMarks* marks, Record record) {
  const absl::StatusOr<std::optional<StreamPlace>> place = marks->Read(&record);
  EXPECT_TRUE(place.ok()) << place.status();
  return place.value_or(std::nullopt);
}

// For marks of whole records, which need nothing again.
absl::Status NotAgain(Seq, Seq, const std::function<absl::Status(std::string_view)>&) {
  ADD_FAILURE() << "nothing is to be read again";
  return absl::InternalError("");
}

TEST(LogMarksTest, TellsWhereTheStreamStood) {
  LogMarks marks;
  EXPECT_EQ(marks.last(), nullptr);
  const std::string set = EncodeCommand({"SET", "k", "v"});
  EXPECT_EQ(Read(&marks, MakeRecord(5, 127, 3, set)), (StreamPlace{kReplid, StreamOffset(127)}));
  ASSERT_NE(marks.last(), nullptr);
  EXPECT_EQ(marks.last()->end_offset, 127u);
}

// The mark says what was selected before the record, its payload what is behind it.
TEST(LogMarksTest, FindsTheDatabaseBehindTheLastRecord) {
  LogMarks marks;
  (void)Read(&marks, MakeRecord(5, 100, 3, EncodeCommand({"SET", "k", "v"})));
  EXPECT_EQ(marks.Database(NotAgain).value(), 3u);
  (void)Read(&marks, MakeRecord(6, 200, 3,
                                EncodeCommand({"SET", "k", "v"}) + EncodeCommand({"SELECT", "7"}) +
                                    EncodeCommand({"SET", "k", "v"})));
  EXPECT_EQ(marks.Database(NotAgain).value(), 7u);
}

TEST(LogMarksTest, ARunCountsWhenItIsWhole) {
  LogMarks marks;
  const std::string unit = EncodeCommand({"SELECT", "9"}) + EncodeCommand({"SET", "k", "long"});
  const std::vector<std::string> parts = {unit.substr(0, 10), unit.substr(10, 20), unit.substr(30)};
  (void)Read(&marks, MakeRecord(10, 100, 2, EncodeCommand({"SET", "k", "v"})));
  EXPECT_EQ(Read(&marks, MakeRecord(11, 200, 2, parts[0], RunPart::kFirst, 1)), std::nullopt);
  EXPECT_EQ(Read(&marks, MakeRecord(12, 200, 2, parts[1], RunPart::kMiddle, 2)), std::nullopt);
  EXPECT_EQ(marks.last()->end_offset, 100u) << "half a run is nothing";
  EXPECT_EQ(Read(&marks, MakeRecord(13, 200, 2, parts[2], RunPart::kLast, 3)),
            (StreamPlace{kReplid, StreamOffset(200)}));
  const auto again = [&](Seq first, Seq last,
                         const std::function<absl::Status(std::string_view)>& take) {
    EXPECT_EQ(first, Seq(11));
    EXPECT_EQ(last, Seq(13));
    for (const std::string& part : parts) {
      if (absl::Status taken = take(part); !taken.ok()) return taken;
    }
    return absl::OkStatus();
  };
  EXPECT_EQ(marks.Database(again).value(), 9u);
  const auto failing = [](Seq, Seq, const std::function<absl::Status(std::string_view)>&) {
    return absl::UnavailableError("no");
  };
  EXPECT_TRUE(absl::IsUnavailable(marks.Database(failing).status()));
}

TEST(LogMarksTest, RecordsOfOthersAreDataLoss) {
  LogMarks marks;
  (void)Read(&marks, MakeRecord(5, 100, 3, EncodeCommand({"SET", "k", "v"})));
  Record stranger;
  stranger.payload = "hello";
  EXPECT_TRUE(absl::IsDataLoss(marks.Read(&stranger).status()));
  Record wrong = MakeRecord(6, 200, 0, "");
  wrong.metadata[std::string(kStreamMarkKey)] = "v9 something";
  EXPECT_TRUE(absl::IsDataLoss(marks.Read(&wrong).status()));
  EXPECT_EQ(marks.last()->end_offset, 100u) << "what was known stays";
}

}  // namespace
}  // namespace cairn::adapter::redis
