// How write-ahead logs come and go, over power cuts: a new one holds nothing of the past, and of
// the old ones none is missing between two that are there, because recovery would have to call
// that a loss.
#include "storage/wal_pool.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rocksdb/rate_limiter.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "storage/wal_frames.h"
#include "tests/storage/store_testing.h"
#include "tests/support/lossy_fs.h"
#include "tests/support/temp_dir.h"

namespace cairn::storage {
namespace {

using testing::Loss;
using testing::LossyFs;

constexpr uint64_t kFileBytes = 16384;
const std::vector<uint64_t> kLogs = {10, 12, 15};

// A log that holds a turn, synced; false: power was cut before it was.
bool MakeLog(WalPoolFs& wal, const std::string& path, const std::string& turn = "turn") {
  const rocksdb::FileOptions options;
  std::unique_ptr<rocksdb::FSWritableFile> file;
  return wal.NewWritableFile(path, options, &file, nullptr).ok() &&
         file->Append(turn, options.io_options, nullptr).ok() &&
         file->Fsync(options.io_options, nullptr).ok();
}

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

bool IsEmptyLog(const std::filesystem::path& path) {
  const std::optional<std::string> log = UnframeWal(ReadAll(path));
  return log && log->find_first_not_of('\0') == std::string::npos;
}

// Three logs that are durable, of another process, and a pool that has room for one of them.
class ThreeLogs {
 public:
  ThreeLogs() : wal_(disk_, {dir_.File("db"), dir_.File("wal-pool"), kFileBytes, 1, 0}) {
    std::filesystem::create_directory(dir_.File("db"));
    {
      WalPoolFs before(disk_, {dir_.File("db"), dir_.File("wal-pool"), kFileBytes, 0, 0});
      EXPECT_TRUE(before.Start().ok());
      for (const uint64_t log : kLogs) EXPECT_TRUE(MakeLog(before, Path(log)));
    }
    // That the pool cannot be filled leaves room.
    disk_->FailOnce(LossyFs::Op::kWrite, "dirty", rocksdb::IOStatus::IOError("EIO"));
    EXPECT_TRUE(wal_.Start().ok());
    EXPECT_EQ(wal_.ready_files(), 0u);
  }

  // As RocksDB does: the newest first. Power is cut after `changes` changes.
  bool RetireAll(uint64_t changes) {
    disk_->CutAfter(changes);
    bool retired = true;
    for (auto log = kLogs.rbegin(); log != kLogs.rend(); ++log) {
      const auto status = wal_.DeleteFile(Path(*log), rocksdb::IOOptions(), nullptr);
      retired = retired && status.ok();
    }
    return retired;
  }

  // The logs that are there after the cut.
  std::vector<uint64_t> Left(Random& random) {
    wal_.Stop();
    disk_->Lose(Loss::kAll, random);
    std::vector<uint64_t> left;
    for (const uint64_t log : kLogs) {
      if (std::filesystem::exists(Path(log))) left.push_back(log);
    }
    return left;
  }

 private:
  [[nodiscard]] std::string Path(uint64_t log) const {
    return dir_.File(fmt::format("db/{:06}.log", log));
  }

  testing::TempDir dir_;
  std::shared_ptr<LossyFs> disk_ = std::make_shared<LossyFs>(rocksdb::FileSystem::Default());
  WalPoolFs wal_;
};

TEST(WalPoolTest, LogsGoOldestFirstAndForGood) {
  std::set<size_t> counts;
  bool retired = false;
  for (uint64_t changes = 0; !retired; ++changes) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      SCOPED_TRACE(fmt::format("power is cut after {} changes, seed {}", changes, seed));
      ThreeLogs logs;
      retired = logs.RetireAll(changes);
      Random random(seed);
      const std::vector<uint64_t> left = logs.Left(random);
      counts.insert(left.size());
      const std::vector<uint64_t> newest(kLogs.end() - static_cast<std::ptrdiff_t>(left.size()),
                                         kLogs.end());
      ASSERT_EQ(left, newest);
      ASSERT_TRUE(!retired || left.empty()) << "what RocksDB was told is gone came back";
    }
  }
  EXPECT_EQ(counts, (std::set<size_t>{0, 1, 2, 3}));
}

// What a pool calls ready holds nothing, whatever became of a log that was made of it: else a
// later log would begin with a turn of the past.
TEST(WalPoolTest, ReadyFilesAreEmptyAfterAnyCut) {
  bool made = false;
  for (uint64_t changes = 0; !made; ++changes) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      SCOPED_TRACE(fmt::format("power is cut after {} changes, seed {}", changes, seed));
      const testing::TempDir dir;
      const auto disk = std::make_shared<LossyFs>(rocksdb::FileSystem::Default());
      std::filesystem::create_directory(dir.File("db"));
      {
        WalPoolFs wal(disk, {dir.File("db"), dir.File("wal-pool"), kFileBytes, 1, 1});
        ASSERT_OK(wal.Start());
        wal.WaitUntilFull();
        // What the pool does next must not take part of the power.
        disk->FailOnce(LossyFs::Op::kName, "dirty", rocksdb::IOStatus::IOError("EIO"));
        disk->CutAfter(changes);
        made = MakeLog(wal, dir.File("db/000010.log"));
      }
      Random random(seed);
      disk->Lose(Loss::kAll, random);
      for (const auto& file : std::filesystem::directory_iterator(dir.File("wal-pool"))) {
        if (!file.path().filename().string().starts_with("ready-")) continue;
        ASSERT_TRUE(IsEmptyLog(file.path()));
      }
    }
  }
}

// A log that is retired, and the same file as the next log, over a power cut at any change in
// between: it is the old log, whole, or gone, and what is ready is empty.
TEST(WalPoolTest, ARecycledFileHoldsOneLogOrNone) {
  const std::string old_turn(12000, 'o');
  bool done = false;
  for (uint64_t changes = 0; !done; ++changes) {
    for (const Loss loss : {Loss::kAll, Loss::kSectors}) {
      SCOPED_TRACE(fmt::format("power is cut after {} changes", changes));
      const testing::TempDir dir;
      const auto disk = std::make_shared<LossyFs>(rocksdb::FileSystem::Default());
      std::filesystem::create_directory(dir.File("db"));
      const std::string old_log = dir.File("db/000010.log");
      const std::string new_log = dir.File("db/000011.log");
      bool made = false;
      {
        WalPoolFs wal(disk, {dir.File("db"), dir.File("wal-pool"), kFileBytes, 1, 0});
        ASSERT_OK(wal.Start());
        ASSERT_TRUE(MakeLog(wal, old_log, old_turn));
        wal.WaitUntilFull();
        disk->CutAfter(changes);
        done = wal.DeleteFile(old_log, rocksdb::IOOptions(), nullptr).ok();
        wal.WaitUntilFull();
        made = done && MakeLog(wal, new_log);
        done = made;
      }
      Random random(changes + 1);
      disk->Lose(loss, random);
      if (std::filesystem::exists(old_log)) {
        const std::optional<std::string> log = UnframeWal(ReadAll(old_log));
        ASSERT_TRUE(log.has_value());
        ASSERT_EQ(log->substr(0, old_turn.size()), old_turn);
      }
      if (made) {
        const std::optional<std::string> log = UnframeWal(ReadAll(new_log));
        ASSERT_TRUE(log.has_value());
        ASSERT_EQ(log->substr(0, 4), "turn");
        ASSERT_EQ(log->find_first_not_of('\0', 4), std::string::npos);
        ASSERT_NE(ReadAll(new_log).find("oooo"), std::string::npos) << "it was not recycled";
      }
      for (const auto& file : std::filesystem::directory_iterator(dir.File("wal-pool"))) {
        if (!file.path().filename().string().starts_with("ready-")) continue;
        ASSERT_TRUE(IsEmptyLog(file.path()));
      }
    }
  }
}

TEST(WalPoolTest, FilesOfAnotherProcessAreZeroed) {
  const testing::TempDir dir;
  const auto disk = rocksdb::FileSystem::Default();
  std::filesystem::create_directory(dir.File("db"));
  const std::string log = dir.File("db/000010.log");
  {
    WalPoolFs wal(disk, {dir.File("db"), dir.File("wal-pool"), kFileBytes, 1, 0});
    ASSERT_OK(wal.Start());
    ASSERT_TRUE(MakeLog(wal, log));
  }
  std::filesystem::remove_all(dir.File("wal-pool"));
  WalPoolFs wal(disk, {dir.File("db"), dir.File("wal-pool"), kFileBytes, 2, 2});
  ASSERT_OK(wal.Start());
  ASSERT_TRUE(wal.DeleteFile(log, rocksdb::IOOptions(), nullptr).ok());
  wal.WaitUntilFull();
  ASSERT_EQ(wal.ready_files(), 2u);
  for (const auto& file : std::filesystem::directory_iterator(dir.File("wal-pool"))) {
    const std::string bytes = ReadAll(file.path());
    ASSERT_EQ(bytes.size(), kFileBytes);
    EXPECT_EQ(bytes.find_first_not_of('\0', kWalHeaderBytes), std::string::npos);
  }
}

TEST(WalPoolTest, ReadyFilesOutliveARestart) {
  const testing::TempDir dir;
  const auto disk = rocksdb::FileSystem::Default();
  std::filesystem::create_directory(dir.File("db"));
  const auto ready = [&] {
    const std::string bytes = ReadAll(dir.File("wal-pool/ready-1"));
    return ReadWalHeader(bytes);
  };
  std::optional<WalGeneration> first;
  for (int start = 0; start < 2; ++start) {
    WalPoolFs wal(disk, {dir.File("db"), dir.File("wal-pool"), kFileBytes, 1, 0});
    ASSERT_OK(wal.Start());
    if (start == 0) first = ready();
    EXPECT_EQ(ready(), first) << "it was made anew";
  }
  // One whose header is damaged does not.
  std::fstream(dir.File("wal-pool/ready-1"), std::ios::binary | std::ios::in | std::ios::out)
      << std::string(kWalHeaderBytes, 'x');
  WalPoolFs wal(disk, {dir.File("db"), dir.File("wal-pool"), kFileBytes, 1, 0});
  ASSERT_OK(wal.Start());
  ASSERT_TRUE(MakeLog(wal, dir.File("db/000010.log")));
  EXPECT_EQ(UnframeWal(ReadAll(dir.File("db/000010.log")))->substr(0, 4), "turn");
}

// Without a pool, and behind it: a log that grows, and joins the pool when it is retired.
TEST(WalPoolTest, AGrowingFileHasAHeaderAndIsMadeLongerForThePool) {
  const testing::TempDir dir;
  const auto disk = std::make_shared<LossyFs>(rocksdb::FileSystem::Default());
  std::filesystem::create_directory(dir.File("db"));
  const std::string log = dir.File("db/000010.log");
  WalPoolFs wal(disk, {dir.File("db"), dir.File("wal-pool"), kFileBytes, 1, 0});
  disk->FailOnce(LossyFs::Op::kWrite, "dirty", rocksdb::IOStatus::IOError("EIO"));
  ASSERT_OK(wal.Start());
  ASSERT_EQ(wal.ready_files(), 0u);
  ASSERT_TRUE(MakeLog(wal, log));
  const std::string grown = ReadAll(log);
  ASSERT_EQ(grown.size(), 2 * kWalHeaderBytes);
  EXPECT_EQ(UnframeWal(grown)->substr(0, 5), std::string("turn\0", 5));
  ASSERT_TRUE(wal.DeleteFile(log, rocksdb::IOOptions(), nullptr).ok());
  wal.WaitUntilFull();
  ASSERT_EQ(wal.ready_files(), 1u) << "counted with what is in use, none was to be made";
  ASSERT_TRUE(MakeLog(wal, log, "next"));
  const std::string next = ReadAll(log);
  EXPECT_EQ(next.size(), kFileBytes);
  EXPECT_EQ(ReadWalHeader(next), ReadWalHeader(grown)->Next());
  EXPECT_EQ(UnframeWal(next)->substr(0, 5), std::string("next\0", 5));
}

// Zeros go through the limiter, all of them; a file that is used again needs none.
TEST(WalPoolTest, ZerosWaitForTheirTurn) {
  const testing::TempDir dir;
  std::filesystem::create_directory(dir.File("db"));
  const std::string log = dir.File("db/000010.log");
  const std::shared_ptr<rocksdb::RateLimiter> limiter(
      rocksdb::NewGenericRateLimiter(int64_t{1} << 40));
  WalPoolFs wal(rocksdb::FileSystem::Default(),
                {dir.File("db"), dir.File("wal-pool"), kFileBytes, 1, 0, limiter});
  ASSERT_OK(wal.Start());
  EXPECT_EQ(limiter->GetTotalBytesThrough(), static_cast<int64_t>(kFileBytes));
  ASSERT_TRUE(MakeLog(wal, log));
  ASSERT_TRUE(wal.DeleteFile(log, rocksdb::IOOptions(), nullptr).ok());
  wal.WaitUntilFull();
  EXPECT_EQ(wal.ready_files(), 1u);
  EXPECT_EQ(limiter->GetTotalBytesThrough(), static_cast<int64_t>(kFileBytes));
}

// As many as are ever in use at once are made, and after that only used again, however RocksDB
// retires them: some at a time, long after it asked for new ones.
TEST(WalPoolTest, FilesAreMadeUntilThereAreEnough) {
  const testing::TempDir dir;
  std::filesystem::create_directory(dir.File("db"));
  const auto path = [&](uint64_t log) { return dir.File(fmt::format("db/{:06}.log", log)); };
  WalPoolFs wal(rocksdb::FileSystem::Default(),
                {dir.File("db"), dir.File("wal-pool"), kFileBytes, 2, 3});
  ASSERT_OK(wal.Start());
  std::set<uint64_t> seeds;
  for (uint64_t log = 1; log <= 40; ++log) {
    wal.WaitUntilFull();
    ASSERT_TRUE(MakeLog(wal, path(log)));
    seeds.insert(ReadWalHeader(ReadAll(path(log)))->seed);
    if (log % 4 == 0) {
      ASSERT_TRUE(wal.DeleteFile(path(log - 1), rocksdb::IOOptions(), nullptr).ok());
    }
  }
  wal.WaitUntilFull();
  EXPECT_EQ(wal.ready_files(), 4u) << "all but the one that is in use";
  EXPECT_LE(seeds.size(), 5u);
  wal.Stop();
  WalPoolFs restarted(rocksdb::FileSystem::Default(),
                      {dir.File("db"), dir.File("wal-pool"), kFileBytes, 2, 3});
  ASSERT_OK(restarted.Start());
  EXPECT_EQ(restarted.ready_files(), 4u);
}

}  // namespace
}  // namespace cairn::storage
