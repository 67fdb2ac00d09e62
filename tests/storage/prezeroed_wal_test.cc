// How write-ahead logs come and go, over power cuts: a new one holds nothing of the past, and of
// the old ones none is missing between two that are there, because recovery would have to call
// that a loss.
#include "storage/prezeroed_wal.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/storage/store_testing.h"
#include "tests/support/lossy_fs.h"
#include "tests/support/temp_dir.h"

namespace cairn::storage {
namespace {

using testing::Loss;
using testing::LossyFs;

constexpr uint64_t kFileBytes = 4096;
const std::vector<uint64_t> kLogs = {10, 12, 15};

// A log that holds a turn, synced; false: power was cut before it was.
bool MakeLog(PrezeroedWalFs& wal, const std::string& path) {
  const rocksdb::FileOptions options;
  std::unique_ptr<rocksdb::FSWritableFile> file;
  return wal.NewWritableFile(path, options, &file, nullptr).ok() &&
         file->Append("turn", options.io_options, nullptr).ok() &&
         file->Fsync(options.io_options, nullptr).ok();
}

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Three logs that are durable, and a pool that has room for one of them.
class ThreeLogs {
 public:
  ThreeLogs() : wal_(disk_, {dir_.File("db"), dir_.File("wal-pool"), kFileBytes, 1}) {
    std::filesystem::create_directory(dir_.File("db"));
    EXPECT_TRUE(wal_.Start().ok());
    for (const uint64_t log : kLogs) {
      wal_.WaitUntilFull();
      // The last one finds the pool full; that it is not filled again leaves room.
      if (log == kLogs.back()) {
        disk_->FailOnce(LossyFs::Op::kWrite, "dirty", rocksdb::IOStatus::IOError("EIO"));
      }
      EXPECT_TRUE(MakeLog(wal_, Path(log)));
    }
    wal_.WaitUntilFull();
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
  PrezeroedWalFs wal_;
};

TEST(PrezeroedWalTest, LogsGoOldestFirstAndForGood) {
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
TEST(PrezeroedWalTest, ReadyFilesAreZerosAfterAnyCut) {
  bool made = false;
  for (uint64_t changes = 0; !made; ++changes) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      SCOPED_TRACE(fmt::format("power is cut after {} changes, seed {}", changes, seed));
      const testing::TempDir dir;
      const auto disk = std::make_shared<LossyFs>(rocksdb::FileSystem::Default());
      std::filesystem::create_directory(dir.File("db"));
      {
        PrezeroedWalFs wal(disk, {dir.File("db"), dir.File("wal-pool"), kFileBytes, 1});
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
        ASSERT_EQ(ReadAll(file.path()), std::string(kFileBytes, '\0'));
      }
    }
  }
}

}  // namespace
}  // namespace cairn::storage
