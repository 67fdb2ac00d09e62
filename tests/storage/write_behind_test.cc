// A file that is written behind its user's back holds what was appended, or says that it does not.
#include "storage/write_behind.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/random.h"
#include "storage/portion_fs.h"
#include "tests/support/random_bytes.h"
#include "tests/support/temp_dir.h"

namespace cairn::storage {
namespace {

using rocksdb::IOOptions;
using rocksdb::IOStatus;

class WriteBehindTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    const auto fs = rocksdb::FileSystem::Default();
    ASSERT_TRUE(rocksdb::WriteStringToFile(fs.get(), "earlier", path_).ok());
    if (GetParam() && !TakesDirectIo(path_)) GTEST_SKIP() << "no O_DIRECT here";
  }
  std::unique_ptr<rocksdb::FSWritableFile> Open() {
    WriteBehindFs fs(rocksdb::FileSystem::Default(), GetParam());
    std::unique_ptr<rocksdb::FSWritableFile> file;
    const IOStatus status = fs.NewWritableFile(path_, rocksdb::FileOptions(), &file, nullptr);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return file;
  }
  std::string Contents() const {
    std::string contents;
    const IOStatus read =
        rocksdb::ReadFileToString(rocksdb::FileSystem::Default().get(), path_, &contents);
    EXPECT_TRUE(read.ok()) << read.ToString();
    return contents;
  }

  testing::TempDir dir_;
  const std::string path_ = dir_.path() + "/file";
};

TEST_P(WriteBehindTest, HoldsWhatWasAppended) {
  Random random(7);
  // Of nothing, of less than a block, of whole blocks of the file and of the disk, of many.
  for (const size_t bytes : {0u, 1u, 4096u, 1u << 20, (1u << 20) + 1, (9u << 20) - 4095}) {
    SCOPED_TRACE(bytes);
    const std::string wanted = testing::RandomBytes(random, bytes);
    const auto file = Open();
    for (size_t at = 0; at < bytes;) {
      const size_t piece = std::min<size_t>(bytes - at, 1 + random.Below(3 << 20));
      ASSERT_TRUE(file->Append({wanted.data() + at, piece}, IOOptions(), nullptr).ok());
      at += piece;
    }
    EXPECT_EQ(file->GetFileSize(IOOptions(), nullptr), bytes);
    ASSERT_TRUE(file->Sync(IOOptions(), nullptr).ok());
    EXPECT_TRUE(Contents() == wanted);
    ASSERT_TRUE(file->Close(IOOptions(), nullptr).ok());
    EXPECT_TRUE(Contents() == wanted);
  }
}

TEST_P(WriteBehindTest, MayBeGivenUpAtAnyTime) {
  const std::string bytes(3 << 20, 'x');
  const auto file = Open();
  ASSERT_TRUE(file->Append(bytes, IOOptions(), nullptr).ok());
}

// Fails from the `good`th write on.
class FullDisk : public rocksdb::FSWritableFile {
 public:
  explicit FullDisk(int good) : good_(good) {}
  using FSWritableFile::Append;
  IOStatus Append(const rocksdb::Slice&, const IOOptions&, rocksdb::IODebugContext*) override {
    return good_-- > 0 ? IOStatus::OK() : IOStatus::NoSpace("full");
  }
  IOStatus Flush(const IOOptions&, rocksdb::IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, rocksdb::IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Close(const IOOptions&, rocksdb::IODebugContext*) override { return IOStatus::OK(); }

 private:
  int good_;
};

TEST(WriteBehindErrorTest, AWriteThatFailedIsToldAtTheLatestBySync) {
  const std::string block(1 << 20, 'x');
  for (const int good : {0, 1, 7}) {
    SCOPED_TRACE(good);
    WriteBehindFile file(std::make_unique<FullDisk>(good), /*direct=*/false);
    IOStatus status;
    for (int i = 0; i < 8 && status.ok(); ++i) status = file.Append(block, IOOptions(), nullptr);
    EXPECT_TRUE(status.ok() || status.IsNoSpace()) << status.ToString();
    EXPECT_TRUE(file.Sync(IOOptions(), nullptr).IsNoSpace());
    EXPECT_TRUE(file.Close(IOOptions(), nullptr).IsNoSpace());
  }
}

// Notes what is written; the first write waits for leave.
class SlowDisk : public rocksdb::FSWritableFile {
 public:
  struct Seen {
    absl::Mutex mutex;
    bool may_go ABSL_GUARDED_BY(mutex) = false;
    std::vector<size_t> writes ABSL_GUARDED_BY(mutex);
    std::string bytes ABSL_GUARDED_BY(mutex);
  };
  explicit SlowDisk(Seen* seen) : seen_(*seen) {}
  using FSWritableFile::Append;
  using FSWritableFile::PositionedAppend;
  IOStatus Append(const rocksdb::Slice&, const IOOptions&, rocksdb::IODebugContext*) override {
    return IOStatus::NotSupported();
  }
  IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset, const IOOptions&,
                            rocksdb::IODebugContext*) override {
    absl::MutexLock lock(&seen_.mutex);
    seen_.mutex.Await(absl::Condition(&seen_.may_go));
    seen_.writes.push_back(data.size());
    EXPECT_EQ(offset, seen_.bytes.size());
    seen_.bytes.append(data.data(), data.size());
    return IOStatus::OK();
  }
  IOStatus Truncate(uint64_t, const IOOptions&, rocksdb::IODebugContext*) override {
    return IOStatus::OK();
  }
  IOStatus Flush(const IOOptions&, rocksdb::IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, rocksdb::IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Close(const IOOptions&, rocksdb::IODebugContext*) override { return IOStatus::OK(); }

 private:
  Seen& seen_;
};

// In portions, unless two more wait.
TEST(WriteBehindPortionsTest, BlocksAreWrittenWholeInHasteOnly) {
  constexpr size_t kBlock = 1 << 20;
  SlowDisk::Seen seen;
  WriteBehindFile file(std::make_unique<SlowDisk>(&seen), /*direct=*/true);
  const std::string bytes = testing::RandomBytes(6 * kBlock);
  // Six are handed over, while the first of them waits for the disk, or is about to be taken.
  ASSERT_TRUE(file.Append(bytes, IOOptions(), nullptr).ok());
  {
    absl::MutexLock lock(&seen.mutex);
    seen.may_go = true;
  }
  ASSERT_TRUE(file.Sync(IOOptions(), nullptr).ok());
  absl::MutexLock lock(&seen.mutex);
  EXPECT_TRUE(seen.bytes == bytes);
  // Behind the first one five waited, or fewer if it was taken earlier; behind the last two fewer
  // than two.
  const std::vector<size_t> writes = seen.writes;
  EXPECT_EQ(std::count(writes.end() - 2 * kBlock / kPortionBytes, writes.end(), kPortionBytes),
            static_cast<ptrdiff_t>(2 * kBlock / kPortionBytes));
  EXPECT_GE(std::count(writes.begin(), writes.end(), kBlock), 3);
}

INSTANTIATE_TEST_SUITE_P(Files, WriteBehindTest, ::testing::Bool(), [](const auto& instance) {
  return std::string(instance.param ? "PastThePageCache" : "ThroughIt");
});

}  // namespace
}  // namespace cairn::storage
