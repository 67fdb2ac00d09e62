// The archive over a directory, and what becomes of it when its objects change.
#include "storage/archive/archive_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/record_region.h"
#include "base/strings.h"
#include "cairn/v1/log.pb.h"
#include "tests/support/temp_dir.h"

namespace cairn::archive {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class ArchiveStoreTest : public ::testing::Test {
 protected:
  ArchiveStoreTest() {
    auto opened = objects::OpenObjectStore("file://" + dir_.path(),
                                           [](const char*) -> const char* { return nullptr; });
    EXPECT_TRUE(opened.ok()) << opened.status();
    objects_ = *std::move(opened);
    store_ = std::make_unique<ArchiveStore>(objects_.get());
  }

  static RunBuilder Build(Seq first, uint64_t chain_before, int records) {
    RunBuilder run(first, chain_before);
    for (int i = 0; i < records; ++i) {
      cairn::v1::Record record;
      record.set_payload(fmt::format("record {}", first.value() + static_cast<uint64_t>(i)));
      std::string region;
      AppendRecordTo(region, record.SerializeAsString());
      EXPECT_TRUE(run.Add(1000 + i, region).ok());
    }
    return run;
  }

  RunBuilder Write(const RunBuilder& run) {
    EXPECT_TRUE(store_->WriteRun(place_, run.name(), run.bytes()).ok());
    return run;
  }

  cairn::testing::TempDir dir_;
  const LogPlace place_{"c0ffee", GroupId(12)};
  std::unique_ptr<objects::ObjectStore> objects_;
  std::unique_ptr<ArchiveStore> store_;
};

TEST_F(ArchiveStoreTest, AListingTellsWhatIsThere) {
  const RunBuilder first = Write(Build(Seq(1), 5, 10));
  Write(Build(Seq(11), first.chain(), 10));
  ArchivedLog log{place_, "orders/eu", {}};
  log.settings.set_retention_ms(5000);
  ASSERT_TRUE(store_->WriteLog(log).ok());
  // Somebody else's things are passed over; strange ones in a log's folder are told.
  ASSERT_TRUE(objects::PutBytes(*objects_, "readme", "x").ok());
  ASSERT_TRUE(objects::PutBytes(*objects_, place_.Folder() + "strange", "x").ok());

  const auto folders = store_->List();
  ASSERT_TRUE(folders.ok()) << folders.status();
  ASSERT_THAT(*folders, SizeIs(1));
  EXPECT_EQ(folders->front().place, place_);
  EXPECT_TRUE(folders->front().has_log_file);
  EXPECT_THAT(folders->front().strange, SizeIs(1));
  const RunPath path(folders->front().runs, std::nullopt);
  EXPECT_EQ(path.last_seq(), Seq(20));
  const auto run = store_->ReadRun(path.runs().back());
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->batches(), SizeIs(10));

  const auto read = store_->ReadLog(place_);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->name, "orders/eu");
  EXPECT_EQ(read->settings.retention_ms(), 5000u);
  EXPECT_FALSE(read->settings.has_trim_guard());
}

TEST_F(ArchiveStoreTest, StoringARunTwiceIsHarmless) {
  const RunBuilder run = Build(Seq(1), 5, 3);
  Write(run);
  Write(run);
  const auto runs = store_->Runs(place_);
  ASSERT_TRUE(runs.ok());
  EXPECT_THAT(*runs, SizeIs(1));
}

TEST_F(ArchiveStoreTest, ADamagedObjectIsNamed) {
  const RunBuilder run = Write(Build(Seq(1), 5, 3));
  const std::string path = dir_.path() + "/" + place_.Folder() + run.name().File();
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(40);
    file.put('\x7f');
  }
  const auto runs = store_->Runs(place_);
  ASSERT_TRUE(runs.ok());
  const auto read = store_->ReadRun(runs->front());
  ASSERT_TRUE(absl::IsDataLoss(read.status())) << read.status();
  EXPECT_THAT(std::string(ToStd(read.status().message())), HasSubstr(run.name().File()));
  std::filesystem::remove(path);
  EXPECT_TRUE(absl::IsNotFound(store_->ReadRun(runs->front()).status()));
}

TEST_F(ArchiveStoreTest, ALogFileThatIsNoneIsNamed) {
  const ArchivedLog other{{"c0ffee", GroupId(13)}, "other", {}};
  struct Case {
    std::string text;
    absl::StatusCode want;
  };
  const Case cases[] = {{"", absl::StatusCode::kDataLoss},
                        {"{}", absl::StatusCode::kDataLoss},
                        {"[1]", absl::StatusCode::kDataLoss},
                        {"{\"format\":2}", absl::StatusCode::kFailedPrecondition},
                        {other.ToText(), absl::StatusCode::kDataLoss}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    ASSERT_TRUE(objects::PutBytes(*objects_, place_.LogKey(), c.text).ok());
    EXPECT_EQ(store_->ReadLog(place_).status().code(), c.want);
  }
  EXPECT_TRUE(absl::IsNotFound(store_->ReadLog({"c0ffee", GroupId(99)}).status()));
}

}  // namespace
}  // namespace cairn::archive
