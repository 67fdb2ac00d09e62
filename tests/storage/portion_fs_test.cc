// Large reads of tables reach the disk in portions, and are whole for whoever asked; writes, too.
#include "storage/portion_fs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/rocks_hooks.h"
#include "storage/rocks_log_store.h"
#include "tests/storage/store_testing.h"
#include "tests/support/random_bytes.h"
#include "tests/support/temp_dir.h"

namespace cairn::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// What reached the disk. Threads: RocksDB's.
class Seen {
 public:
  struct Kind {
    size_t largest = 0;
    size_t bytes = 0;
  };
  void NoteRead(size_t bytes) {
    absl::MutexLock lock(&mutex_);
    Add(bytes, &reads_);
  }
  void NoteWrite(size_t bytes) {
    absl::MutexLock lock(&mutex_);
    Add(bytes, &writes_);
  }
  [[nodiscard]] Kind reads() const {
    absl::MutexLock lock(&mutex_);
    return reads_;
  }
  [[nodiscard]] Kind writes() const {
    absl::MutexLock lock(&mutex_);
    return writes_;
  }

 private:
  static void Add(size_t bytes, Kind* kind) {
    kind->largest = std::max(kind->largest, bytes);
    kind->bytes += bytes;
  }

  mutable absl::Mutex mutex_;
  Kind reads_ ABSL_GUARDED_BY(mutex_);
  Kind writes_ ABSL_GUARDED_BY(mutex_);
};

class SeenReads : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  SeenReads(std::unique_ptr<rocksdb::FSRandomAccessFile> file, Seen* seen)
      : FSRandomAccessFileOwnerWrapper(std::move(file)), seen_(*seen) {}
  IOStatus Read(uint64_t offset, size_t bytes, const IOOptions& io, Slice* result, char* scratch,
                IODebugContext* debug) const override {
    seen_.NoteRead(bytes);
    return target()->Read(offset, bytes, io, result, scratch, debug);
  }

 private:
  Seen& seen_;
};

class SeenWrites : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  SeenWrites(std::unique_ptr<rocksdb::FSWritableFile> file, Seen* seen)
      : FSWritableFileOwnerWrapper(std::move(file)), seen_(*seen) {}
  using FSWritableFileOwnerWrapper::Append;
  using FSWritableFileOwnerWrapper::PositionedAppend;
  IOStatus Append(const Slice& data, const IOOptions& io, IODebugContext* debug) override {
    seen_.NoteWrite(data.size());
    return target()->Append(data, io, debug);
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& io,
                            IODebugContext* debug) override {
    seen_.NoteWrite(data.size());
    return target()->PositionedAppend(data, offset, io, debug);
  }

 private:
  Seen& seen_;
};

// The disk: tables that are read and written are seen.
class SeenFs : public rocksdb::FileSystemWrapper {
 public:
  explicit SeenFs(Seen* seen) : FileSystemWrapper(rocksdb::FileSystem::Default()), seen_(*seen) {}
  [[nodiscard]] const char* Name() const override { return "SeenFs"; }
  IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSRandomAccessFile> file;
    IOStatus status = target()->NewRandomAccessFile(path, options, &file, debug);
    if (status.ok()) *result = std::make_unique<SeenReads>(std::move(file), &seen_);
    return status;
  }
  IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    IOStatus status = target()->NewWritableFile(path, options, &file, debug);
    if (!status.ok()) return status;
    if (path.ends_with(".sst")) file = std::make_unique<SeenWrites>(std::move(file), &seen_);
    *result = std::move(file);
    return status;
  }

 private:
  Seen& seen_;
};

class PortionFsTest : public ::testing::Test {
 protected:
  std::string ReadAt(uint64_t offset, size_t bytes) {
    std::unique_ptr<rocksdb::FSRandomAccessFile> file;
    EXPECT_TRUE(fs_.NewRandomAccessFile(path_, rocksdb::FileOptions(), &file, nullptr).ok());
    std::string scratch(bytes, '\0');
    Slice got;
    const IOStatus status = file->Read(offset, bytes, IOOptions(), &got, scratch.data(), nullptr);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return got.ToString();
  }

  testing::TempDir dir_;
  const std::string path_ = dir_.path() + "/1.sst";
  Seen seen_;
  PortionFs fs_{std::make_shared<SeenFs>(&seen_)};
};

TEST_F(PortionFsTest, ReadsAreWhole) {
  const std::string wanted = testing::RandomBytes(3 * kPortionBytes + 5);
  ASSERT_TRUE(rocksdb::WriteStringToFile(rocksdb::FileSystem::Default().get(), wanted, path_).ok());
  EXPECT_TRUE(ReadAt(0, wanted.size()) == wanted);
  EXPECT_TRUE(ReadAt(3, 2 * kPortionBytes) == wanted.substr(3, 2 * kPortionBytes));
  EXPECT_TRUE(ReadAt(kPortionBytes, 4 * kPortionBytes) == wanted.substr(kPortionBytes));
  EXPECT_EQ(ReadAt(wanted.size(), 10), "");
  EXPECT_EQ(seen_.reads().largest, kPortionBytes);
}

TEST_F(PortionFsTest, ManyReadsAtOnceAreWhole) {
  const std::string wanted = testing::RandomBytes(4 * kPortionBytes);
  ASSERT_TRUE(rocksdb::WriteStringToFile(rocksdb::FileSystem::Default().get(), wanted, path_).ok());
  std::unique_ptr<rocksdb::FSRandomAccessFile> file;
  ASSERT_TRUE(fs_.NewRandomAccessFile(path_, rocksdb::FileOptions(), &file, nullptr).ok());
  std::string first(10, '\0');
  std::string second(2 * kPortionBytes + 1, '\0');
  rocksdb::FSReadRequest requests[2];
  requests[0] = {.offset = 7, .len = first.size(), .scratch = first.data()};
  requests[1] = {.offset = 99, .len = second.size(), .scratch = second.data()};
  ASSERT_TRUE(file->MultiRead(requests, 2, IOOptions(), nullptr).ok());
  for (const rocksdb::FSReadRequest& request : requests) {
    ASSERT_TRUE(request.status.ok());
    EXPECT_TRUE(request.result.ToString() == wanted.substr(request.offset, request.len));
  }
  EXPECT_EQ(seen_.reads().largest, kPortionBytes);
}

// A store's tables: what flushes and runs (of less than makes haste) write, and what is read of
// them.
TEST_F(PortionFsTest, TablesOfAStore) {
  RocksHooks hooks;
  hooks.file_system = std::make_shared<SeenFs>(&seen_);
  RocksOptions options = SmallOptions(dir_.path() + "/store");
  options.hooks = &hooks;
  auto store = RocksLogStore::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_OK((*store)->Write(OneWrite(MakeGroup())));
  constexpr uint64_t kEntries = 4;
  const std::string payload = testing::RandomBytes(4 * kPortionBytes);
  auto builder = (*store)->BeginRun(kGroup, Index(0));
  ASSERT_TRUE(builder.ok()) << builder.status();
  for (uint64_t i = 1; i <= kEntries; ++i) {
    ASSERT_OK((*builder)->Add(RefTo(MakeEntry(i, 1, payload, i, 1, 100))));
  }
  GroupWrite write;
  write.group = kGroup;
  const auto run = (*builder)->Finish();
  ASSERT_TRUE(run.ok()) << run.status();
  write.run = *run;
  ASSERT_OK((*store)->Write(OneWrite(std::move(write))));
  EXPECT_GT(seen_.writes().bytes, kEntries * payload.size());
  // Flushed: the memtable takes less.
  for (uint64_t i = kEntries + 1; i <= 2 * kEntries; ++i) {
    ASSERT_OK((*store)->Write(OneWrite(WriteEntries({MakeEntry(i, 1, payload, i, 1, 100)}))));
  }
  const auto range = (*store)->ReadEntries(kGroup, Index(1), Index(2 * kEntries), ~uint64_t{0});
  ASSERT_TRUE(range.ok()) << range.status();
  ASSERT_EQ(range->entries.size(), 2 * kEntries);
  for (const StoredEntry& entry : range->entries) EXPECT_TRUE(entry.payload.view() == payload);
  store->reset();
  EXPECT_GT(seen_.reads().bytes, kEntries * payload.size());
  EXPECT_EQ(seen_.writes().largest, kPortionBytes);
  EXPECT_EQ(seen_.reads().largest, kPortionBytes);
}

}  // namespace
}  // namespace cairn::storage
