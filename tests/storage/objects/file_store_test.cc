// What a directory must stand as a store, beyond the contract of all stores: modes, a disk that is
// full, a process that is killed, files of others.
#include "storage/objects/file_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/check.h"
#include "tests/support/temp_dir.h"

namespace cairn::objects {
namespace {

using cairn::testing::TempDir;
using ::testing::HasSubstr;

std::unique_ptr<ObjectStore> StoreIn(const TempDir& directory) {
  auto store = FileStore::Open({.directory = directory.path()});
  CHECK(store.ok());
  return *std::move(store);
}

size_t CountFiles(const TempDir& directory) {
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory.path())) {
    files += entry.is_regular_file() ? 1 : 0;
  }
  return files;
}

mode_t ModeOf(const std::string& path) {
  struct stat info = {};
  CHECK_EQ(stat(path.c_str(), &info), 0);
  return info.st_mode & 07777;
}

TEST(FileStoreTest, OnlyTheOwnerReadsWhatIsStored) {
  const TempDir directory;
  const mode_t mask = umask(0);
  EXPECT_TRUE(PutBytes(*StoreIn(directory), "log/7/a", "x").ok());
  umask(mask);
  EXPECT_EQ(ModeOf(directory.File("log")), 0700u);
  EXPECT_EQ(ModeOf(directory.File("log/7")), 0700u);
  EXPECT_EQ(ModeOf(directory.File("log/7/a")), 0600u);
}

TEST(FileStoreTest, ADirectoryThatIsNotThereIsNotMade) {
  const TempDir directory;
  const auto store = FileStore::Open({.directory = directory.File("unmounted")});
  EXPECT_TRUE(absl::IsNotFound(store.status())) << store.status();
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("mount"));
  EXPECT_FALSE(std::filesystem::exists(directory.File("unmounted")));
  std::ofstream(directory.File("file")) << "x";
  EXPECT_FALSE(FileStore::Open({.directory = directory.File("file")}).ok());
}

TEST(FileStoreTest, FilesOfOthersAreNoObjects) {
  const TempDir directory;
  const auto store = StoreIn(directory);
  ASSERT_TRUE(PutBytes(*store, "a/x", "x").ok());
  std::ofstream(directory.File("a/with space")) << "x";
  std::ofstream(directory.File("a/.hidden")) << "x";
  CHECK_EQ(symlink("/etc/passwd", directory.File("a/link").c_str()), 0);
  CHECK_EQ(mkfifo(directory.File("a/pipe").c_str(), 0600), 0);
  const auto listed = store->List("a/");
  ASSERT_TRUE(listed.ok());
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ(listed->front().key, "a/x");
  EXPECT_FALSE(GetBytes(*store, "a/link", 1 << 20).ok());
  EXPECT_TRUE(absl::IsNotFound(GetBytes(*store, "a/pipe", 1 << 20).status()));
  EXPECT_TRUE(absl::IsNotFound(GetBytes(*store, "a", 1 << 20).status()));
}

TEST(FileStoreTest, TheLastObjectTakesItsDirectoriesWithIt) {
  const TempDir directory;
  const auto store = StoreIn(directory);
  ASSERT_TRUE(PutBytes(*store, "log/7/a", "x").ok());
  ASSERT_TRUE(PutBytes(*store, "log/8/a", "x").ok());
  EXPECT_TRUE(store->Delete("log/7/a").ok());
  EXPECT_FALSE(std::filesystem::exists(directory.File("log/7")));
  EXPECT_TRUE(store->Delete("log/8/a").ok());
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_TRUE(PutBytes(*store, "log/8/a", "x").ok());
}

// A child that may write files of `limit_bytes` only stands for a disk without room: the same call
// fails in the same place (EFBIG for ENOSPC), and no machine need be filled or root.
TEST(FileStoreTest, AFullDiskLeavesNothingBehind) {
  const TempDir directory;
  ASSERT_TRUE(PutBytes(*StoreIn(directory), "a/x", "before").ok());
  const pid_t child = fork();
  if (child == 0) {
    constexpr rlim_t kLimitBytes = 1'500'000;
    const rlimit limit = {kLimitBytes, kLimitBytes};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    const absl::Status put = PutBytes(*StoreIn(directory), "a/x", std::string(4'000'000, 'n'));
    _exit(absl::IsResourceExhausted(put) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(CountFiles(directory), 1u);
  EXPECT_EQ(*GetBytes(*StoreIn(directory), "a/x", 100), "before");
}

// The child dies with half an object written; a pipe tells that it got there.
TEST(FileStoreTest, AKilledWriterIsNeverSeenAndIsCleanedUp) {
  const TempDir directory;
  ASSERT_TRUE(PutBytes(*StoreIn(directory), "a/x", "before").ok());
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const pid_t child = fork();
  if (child == 0) {
    int blocks = 0;
    StoreIn(directory)
        ->Put("a/x",
              [&](char* buffer, size_t capacity) {
                if (++blocks == 3) {
                  CHECK_EQ(write(pipe_fds[1], "x", 1), 1);
                  pause();
                }
                std::fill_n(buffer, capacity, 'n');
                return absl::StatusOr<size_t>(capacity);
              })
        .status()
        .IgnoreError();
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(pipe_fds[0], &byte, 1), 1);
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  close(pipe_fds[0]);
  close(pipe_fds[1]);

  const auto store = StoreIn(directory);
  EXPECT_EQ(*GetBytes(*store, "a/x", 100), "before");
  EXPECT_EQ(store->List("")->size(), 1u);
  EXPECT_EQ(CountFiles(directory), 2u);
  EXPECT_EQ(*store->RemoveUnfinished(0), 0u) << "it is not that old";
  EXPECT_EQ(*store->RemoveUnfinished(INT64_MAX), 1u);
  EXPECT_EQ(CountFiles(directory), 1u);
}

}  // namespace
}  // namespace cairn::objects
