// A disk that fails or fills up: a failed write or sync is the store's end, and is never tried
// again; a full disk is foreseen, and heals.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "storage/commit_queue.h"
#include "storage/mem_log_store.h"
#include "storage/rocks_hooks.h"
#include "storage/rocks_log_store.h"
#include "tests/storage/store_testing.h"
#include "tests/support/lossy_fs.h"
#include "tests/support/temp_dir.h"

namespace cairn::storage {
namespace {

using testing::LossyFs;
using Op = LossyFs::Op;

class DiskTroubleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    hooks_.file_system = fs_;
    Open();
    ASSERT_OK(store_->Write(OneWrite(MakeGroup())));
  }
  void Open() {
    store_.reset();
    RocksOptions options = SmallOptions(dir_.path());
    options.hooks = &hooks_;
    // Otherwise its background work would be counted, too.
    options.wal_pool_files = 0;
    options.clock = &clock_;
    options.watermark_bytes = kWatermark;
    options.ballast_bytes = kBallast;
    options.free_bytes = [this] { return free_bytes_; };
    auto opened = RocksLogStore::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = std::move(*opened);
  }
  absl::Status Append(size_t bytes = 100) {
    ++last_;
    return store_->Write(OneWrite(WriteEntries({MakeEntry(last_, 1, std::string(bytes, 'x'))})));
  }
  [[nodiscard]] bool HasBallast() const { return std::filesystem::exists(dir_.File("BALLAST")); }

  static constexpr uint64_t kWatermark = 1000 << 10;
  static constexpr uint64_t kBallast = 64 << 10;

  testing::TempDir dir_;
  std::shared_ptr<LossyFs> fs_ = std::make_shared<LossyFs>(rocksdb::FileSystem::Default());
  RocksHooks hooks_;
  ManualClock clock_;
  uint64_t free_bytes_ = 10 * kWatermark;
  std::unique_ptr<RocksLogStore> store_;
  uint64_t last_ = 0;
};

TEST_F(DiskTroubleTest, AFailedTurnIsTheEnd) {
  struct Case {
    const char* name;
    Op op;
    const char* part;
    rocksdb::IOStatus status;
    absl::StatusCode code;
  };
  const Case cases[] = {
      {"sync", Op::kSync, ".log", rocksdb::IOStatus::IOError("EIO"),
       absl::StatusCode::kUnavailable},
      {"write", Op::kWrite, ".log", rocksdb::IOStatus::IOError("EIO"),
       absl::StatusCode::kUnavailable},
      {"disk full", Op::kWrite, ".log", rocksdb::IOStatus::NoSpace("ENOSPC"),
       absl::StatusCode::kResourceExhausted},
      {"mark", Op::kWrite, "MARK", rocksdb::IOStatus::IOError("EIO"),
       absl::StatusCode::kUnavailable},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ASSERT_OK(Append());
    const uint64_t acknowledged = last_;
    fs_->FailOnce(c.op, c.part, c.status);
    const absl::Status failed = Append();
    EXPECT_EQ(failed.code(), c.code) << failed;
    // The disk is healthy again, but nobody knows what it holds.
    const uint64_t changes = fs_->changes();
    EXPECT_EQ(Append(), failed);
    EXPECT_EQ(store_->SetFormed("x"), failed);
    EXPECT_EQ(store_->ResolveVerdict(), failed);
    EXPECT_EQ(fs_->changes(), changes) << "nothing is tried again";
    Open();
    EXPECT_EQ(store_->Verdict(), RecoveryVerdict::kSound) << store_->VerdictDetail();
    last_ = store_->LoadGroups()->front().last_index.value();
    EXPECT_GE(last_, acknowledged);
    EXPECT_LE(last_, acknowledged + 1);
  }
}

TEST_F(DiskTroubleTest, AFailedFlushStopsTheTurns) {
  for (const char* part : {".sst", "MANIFEST"}) {
    SCOPED_TRACE(part);
    fs_->FailOnce(Op::kSync, part, rocksdb::IOStatus::IOError("EIO"));
    absl::Status status;
    for (int i = 0; i < 1000 && status.ok(); ++i) status = Append(4096);
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_EQ(Append(), status);
    Open();
    EXPECT_EQ(store_->Verdict(), RecoveryVerdict::kSound) << store_->VerdictDetail();
    last_ = store_->LoadGroups()->front().last_index.value();
  }
}

TEST_F(DiskTroubleTest, AFailedSyncOfTheMarkIsReported) {
  ASSERT_OK(Append());
  fs_->FailOnce(Op::kSync, "MARK", rocksdb::IOStatus::IOError("EIO"));
  EXPECT_TRUE(absl::IsUnavailable(store_->Upkeep()));
}

TEST_F(DiskTroubleTest, AFullDiskIsForeseenAndHeals) {
  const auto has_space = [this] {
    clock_.now_us += kMicrosPerSecond;
    EXPECT_TRUE(store_->Upkeep().ok());
    return store_->HasSpace();
  };
  EXPECT_TRUE(has_space());
  EXPECT_TRUE(HasBallast());
  EXPECT_EQ(std::filesystem::file_size(dir_.File("BALLAST")), kBallast);

  free_bytes_ = kWatermark - 1;
  EXPECT_FALSE(has_space());
  EXPECT_TRUE(HasBallast());
  EXPECT_TRUE(Append().ok()) << "votes, leases and trims must go on";

  free_bytes_ = kWatermark / 4 - 1;
  EXPECT_FALSE(has_space());
  EXPECT_FALSE(HasBallast()) << "gives its room to them";
  EXPECT_TRUE(Append().ok());

  free_bytes_ = kWatermark;
  EXPECT_TRUE(has_space());
  EXPECT_FALSE(HasBallast()) << "making it would take the space below the watermark again";
  free_bytes_ = kWatermark + kBallast + 1;
  EXPECT_TRUE(has_space());
  EXPECT_TRUE(HasBallast());
}

TEST_F(DiskTroubleTest, RoomHasTwoBounds) {
  const auto room_with = [this](uint64_t free_bytes) {
    free_bytes_ = free_bytes;
    clock_.now_us += kMicrosPerSecond;
    return store_->FreeRoom();
  };
  EXPECT_EQ(room_with(kWatermark), Room::kEnough);
  EXPECT_EQ(room_with(kWatermark - 1), Room::kLow);
  EXPECT_EQ(room_with(kWatermark / 2), Room::kLow);
  EXPECT_EQ(room_with(kWatermark / 2 - 1), Room::kNone);
  EXPECT_EQ(room_with(kWatermark), Room::kEnough);
}

TEST_F(DiskTroubleTest, SpaceIsLookedAtNowAndThen) {
  EXPECT_TRUE(store_->HasSpace());
  free_bytes_ = 0;
  EXPECT_TRUE(store_->HasSpace()) << "not within 100 ms of the last look";
  clock_.now_us += 100 * kMicrosPerMilli;
  EXPECT_FALSE(store_->HasSpace());
}

// ---- The storage thread ---------------------------------------------------------------

class CountingSink : public CommitSink {
 public:
  void OnCommitted(uint64_t ticket) override { tickets_.push_back(ticket); }
  // Requires: the queue was stopped.
  [[nodiscard]] const std::vector<uint64_t>& tickets() const { return tickets_; }

 private:
  std::vector<uint64_t> tickets_;
};

TEST(CommitQueueTest, WritesInOrderAndFinishesWhatWasSubmitted) {
  MemLogStore store(1);
  CountingSink sink;
  CommitQueue queue(&store);
  queue.Submit(OneWrite(MakeGroup()), &sink, 0);
  for (uint64_t i = 1; i <= 100; ++i) {
    queue.Submit(OneWrite(WriteEntries({MakeEntry(i, 1, "x")})), &sink, i);
  }
  queue.Stop();
  ASSERT_EQ(sink.tickets().size(), 101u);
  for (uint64_t i = 0; i <= 100; ++i) EXPECT_EQ(sink.tickets()[i], i);
  EXPECT_EQ(store.LoadGroups()->front().last_index, Index(100));
  EXPECT_LE(store.Stats().syncs, 101u);
}

TEST(CommitQueueDeathTest, AFailedWriteStopsTheProcess) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        MemLogStore store(1);
        store.FailWrites(absl::UnavailableError("EIO"));
        CountingSink sink;
        CommitQueue queue(&store);
        queue.Submit(OneWrite(MakeGroup()), &sink, 1);
        queue.Stop();
      },
      "storage: write failed, stopping: EIO");
}

}  // namespace
}  // namespace cairn::storage
