// Readers of the archive fetch ahead: what they show stays the same, and no run is fetched twice.
#include "server/runtime/archive_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/record_region.h"
#include "cairn/v1/log.pb.h"
#include "storage/archive/archive_store.h"
#include "tests/integration/process.h"
#include "tests/support/temp_dir.h"

namespace cairn::server {
namespace {

constexpr uint64_t kRuns = 8;
constexpr uint64_t kRecordsInRun = 10;
constexpr Seq kLast{kRuns * kRecordsInRun};
constexpr absl::Duration kPatience = absl::Seconds(30);

// A group that has trimmed all that the archive holds.
class TrimmedGroup : public GroupPort {
 public:
  void SetArchived(const archive::RunPath::End& end, const std::string& location) {
    log_.set_first_seq(end.seq.value() + 1);
    log_.set_last_seq(end.seq.value());
    log_.mutable_archive()->set_archived_seq(end.seq.value());
    log_.mutable_archive()->set_chain(end.chain);
    log_.mutable_archive()->set_location(location);
  }
  void PostUrgent(GroupId /*group*/, Event event) override {
    const ReplyTo to = std::get<Request>(event).reply_to;
    to.sink->OnReply(to.token, Described{log_});
  }

 private:
  cairn::v1::DescribeLogResponse log_;
};

class Reader : public TailSink {
 public:
  void OnChunk(uint64_t /*token*/, TailChunk chunk) override {
    absl::MutexLock lock(&mutex_);
    for (const TailBatch& batch : chunk.batches) {
      EXPECT_EQ(batch.first_seq, last_ + 1);
      last_ = batch.first_seq + batch.count - 1;
    }
  }
  void OnEnd(uint64_t /*token*/, TailEnd end) override {
    absl::MutexLock lock(&mutex_);
    end_ = std::move(end);
  }
  // The last record that came; 0 when `seq` did not come.
  Seq AwaitSeq(Seq seq) {
    absl::MutexLock lock(&mutex_);
    const auto there = [&] { return last_ >= seq; };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience) ? last_ : Seq();
  }
  // Null: it has not ended.
  std::optional<TailEnd> AwaitEnd() {
    absl::MutexLock lock(&mutex_);
    const auto ended = [&] { return end_.has_value(); };
    mutex_.AwaitWithTimeout(absl::Condition(&ended), kPatience);
    return end_;
  }

 private:
  absl::Mutex mutex_;
  Seq last_;
  std::optional<TailEnd> end_;
};

class ArchiveReaderTest : public ::testing::Test {
 protected:
  ArchiveReaderTest() {
    auto objects = objects::OpenObjectStore("file://" + dir_.path(),
                                            [](const char*) -> const char* { return nullptr; });
    EXPECT_TRUE(objects.ok()) << objects.status();
    const archive::ArchiveStore store(objects->get());
    archive::RunPath::End end;
    for (uint64_t i = 0; i < kRuns; ++i) end = Write(store, end);
    group_.SetArchived(end, place_.Location(store.url()));
    reader_.Start();
  }

  archive::RunPath::End Write(const archive::ArchiveStore& store,
                              const archive::RunPath::End& before) {
    archive::RunBuilder run(before.seq + 1, before.chain);
    for (uint64_t i = 0; i < kRecordsInRun; ++i) {
      cairn::v1::Record record;
      record.set_payload(fmt::format("{} behind {}", i, before.seq));
      std::string region;
      AppendRecordTo(region, record.SerializeAsString());
      EXPECT_TRUE(run.Add(1000, region).ok());
    }
    EXPECT_TRUE(store.WriteRun(place_, run.name(), run.bytes()).ok());
    names_.push_back(run.name());
    return {run.name().last_seq, run.chain()};
  }

  // A chunk has records of one run, and comes for each credit.
  std::shared_ptr<ArchiveTail> Open(Reader& reader, Seq end_seq = Seq(), uint64_t credit = 1) {
    return reader_.Open(place_.log_id, {.sink = &reader,
                                        .start = {.kind = TailStart::Kind::kSeq, .seq = Seq(1)},
                                        .bounded = end_seq != Seq(),
                                        .end_seq = end_seq,
                                        .credit_bytes = credit});
  }
  [[nodiscard]] double Fetches() const { return metrics_.archive_fetches_total.Value(); }
  [[nodiscard]] bool AwaitFetches(double fetches) const {
    return integration::Eventually([&] { return Fetches() >= fetches; }) && Fetches() == fetches;
  }

  cairn::testing::TempDir dir_;
  const archive::LogPlace place_{"c0ffee", GroupId(12)};
  std::vector<archive::RunName> names_;
  TrimmedGroup group_;
  Metrics metrics_;
  ArchiveAccess access_{"file://" + dir_.path(), 1 << 20, &metrics_};
  ArchiveReader reader_{&group_, &access_, &SystemClock()};
};

TEST_F(ArchiveReaderTest, WhoReadsOnFindsTheNextRunsFetched) {
  Reader reader;
  const auto tail = Open(reader);
  ASSERT_EQ(reader.AwaitSeq(Seq(1)), Seq(kRecordsInRun));
  // Of somebody who may want a single record, nothing is known yet.
  EXPECT_EQ(Fetches(), 1);
  tail->Credit(1 << 10);
  ASSERT_NE(reader.AwaitSeq(Seq(kRecordsInRun + 1)), Seq());
  EXPECT_TRUE(AwaitFetches(2 + ArchiveReader::kRunsAhead)) << Fetches();
  tail->Credit(1 << 20);
  const auto end = reader.AwaitEnd();
  ASSERT_TRUE(end.has_value());
  EXPECT_FALSE(end->rejection.has_value());
  EXPECT_EQ(reader.AwaitSeq(kLast), kLast);
  EXPECT_EQ(Fetches(), kRuns);
}

TEST_F(ArchiveReaderTest, NothingIsFetchedThatIsNotAskedFor) {
  Reader reader;
  const auto tail = Open(reader, Seq(2 * kRecordsInRun + 3), 1 << 20);
  ASSERT_TRUE(reader.AwaitEnd().has_value());
  EXPECT_EQ(reader.AwaitSeq(Seq(1)), Seq(2 * kRecordsInRun + 3));
  reader_.Stop();
  EXPECT_EQ(Fetches(), 3);
}

TEST_F(ArchiveReaderTest, ManyReadersOfOneLogFetchEachRunOnce) {
  constexpr size_t kReaders = 16;
  std::vector<Reader> readers(kReaders);
  std::vector<std::shared_ptr<ArchiveTail>> tails;
  for (Reader& reader : readers) tails.push_back(Open(reader, kLast, 1 << 20));
  for (Reader& reader : readers) {
    const auto end = reader.AwaitEnd();
    ASSERT_TRUE(end.has_value());
    EXPECT_FALSE(end->rejection.has_value());
    EXPECT_EQ(reader.AwaitSeq(Seq(1)), kLast);
  }
  EXPECT_EQ(Fetches(), kRuns);
}

TEST_F(ArchiveReaderTest, DamageThatWasMetAheadIsToldWhereItIs) {
  const std::string file = dir_.File(place_.Folder() + names_[3].File());
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(20).put('\xff');
  Reader reader;
  const auto tail = Open(reader, kLast, 1 << 20);
  const auto end = reader.AwaitEnd();
  ASSERT_TRUE(end.has_value());
  ASSERT_TRUE(end->rejection.has_value());
  EXPECT_EQ(end->rejection->info.reason(), cairn::v1::REASON_ARCHIVE_DAMAGED);
  EXPECT_EQ(reader.AwaitSeq(Seq(1)), Seq(3 * kRecordsInRun));
}

}  // namespace
}  // namespace cairn::server
