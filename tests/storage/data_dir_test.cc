// What a data directory refuses, and what it says then.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "storage/rocks_log_store.h"
#include "tests/storage/store_testing.h"
#include "tests/support/temp_dir.h"

namespace cairn::storage {
namespace {

absl::Status TryOpen(const std::string& dir, bool create = true) {
  RocksOptions options = SmallOptions(dir);
  options.create = create;
  return RocksLogStore::Open(options).status();
}

std::unique_ptr<RocksLogStore> MustOpen(const std::string& dir) {
  auto store = RocksLogStore::Open(SmallOptions(dir));
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? std::move(*store) : nullptr;
}

bool Mentions(const absl::Status& status, const std::string& text) {
  return std::string(status.message()).find(text) != std::string::npos;
}

// Another process that writes to `dir` (store_holder.cc).
class Holder {
 public:
  explicit Holder(const std::string& dir) {
    int pipe_ends[2];
    EXPECT_EQ(pipe(pipe_ends), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, pipe_ends[0]);
    std::string program = STORE_HOLDER;
    std::string argument = dir;
    char* argv[] = {program.data(), argument.data(), nullptr};
    EXPECT_EQ(posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_ends[1]);
    out_ = fdopen(pipe_ends[0], "r");
    EXPECT_EQ(Line(), "open");
  }
  ~Holder() { Kill(); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  // The next line that it prints; empty at its end.
  std::string Line() {
    char line[64] = "";
    if (std::fgets(line, sizeof line, out_) == nullptr) return "";
    std::string text(line);
    if (!text.empty() && text.back() == '\n') text.pop_back();
    last_line_ = text;
    return text;
  }
  // With kill -9. Returns the last line that it printed.
  std::string Kill() {
    if (out_ == nullptr) return last_line_;
    kill(pid_, SIGKILL);
    while (!Line().empty()) {
    }
    waitpid(pid_, nullptr, 0);
    std::fclose(out_);
    out_ = nullptr;
    return last_line_;
  }

 private:
  pid_t pid_ = 0;
  std::string last_line_;
  std::FILE* out_ = nullptr;
};

TEST(DataDirTest, OneProcessAtATime) {
  testing::TempDir dir;
  Holder holder(dir.path());
  const absl::Status refused = TryOpen(dir.path());
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_TRUE(Mentions(refused, dir.path())) << refused;
  EXPECT_TRUE(Mentions(refused, fmt::format("process {}", holder.pid()))) << refused;
  holder.Kill();
  EXPECT_NE(MustOpen(dir.path()), nullptr) << "the lock ends with its process";
}

TEST(DataDirTest, AKilledProcessLosesNothingAndIsSound) {
  testing::TempDir dir;
  uint64_t acknowledged = 0;
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    {
      Holder holder(dir.path());
      for (int i = 0; i < 20 + 13 * round; ++i) holder.Line();
      acknowledged = std::stoull(holder.Kill());
    }
    const std::unique_ptr<RocksLogStore> store = MustOpen(dir.path());
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->Verdict(), RecoveryVerdict::kSound) << store->VerdictDetail();
    const Index last = store->LoadGroups()->front().last_index;
    EXPECT_GE(last.value(), acknowledged);
    // One turn can be written and not yet printed.
    EXPECT_LE(last.value(), acknowledged + 1);
    const auto all = store->ReadEntries(kGroup, Index(1), last, ~uint64_t{0});
    ASSERT_TRUE(all.ok()) << all.status();
    EXPECT_EQ(all->entries.size(), last.value());
  }
}

TEST(DataDirTest, TwoStoresInOneProcess) {
  testing::TempDir dir;
  const auto store = MustOpen(dir.path());
  EXPECT_TRUE(absl::IsFailedPrecondition(TryOpen(dir.path())));
}

TEST(DataDirTest, OnlyItsOwnerCanLookInside) {
  testing::TempDir parent;
  const std::string dir = parent.File("deep/data");
  ASSERT_NE(MustOpen(dir), nullptr);
  struct stat info {};
  ASSERT_EQ(stat(dir.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST(DataDirTest, RefusesWhatItDoesNotKnow) {
  struct Case {
    const char* name;
    const char* format;  // Contents of FORMAT.
    absl::StatusCode code;
    const char* says;
  };
  const Case cases[] = {
      {"a newer version", "cairn data directory, format 2\n", absl::StatusCode::kFailedPrecondition,
       "use the newer program"},
      {"far newer", "cairn data directory, format 99\n", absl::StatusCode::kFailedPrecondition,
       "format 99"},
      {"no number", "cairn data directory, format \n", absl::StatusCode::kDataLoss, "damaged"},
      {"zero", "cairn data directory, format 0\n", absl::StatusCode::kDataLoss, "damaged"},
      {"something else", "hello", absl::StatusCode::kDataLoss, "damaged"},
      {"empty", "", absl::StatusCode::kDataLoss, "damaged"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    testing::TempDir dir;
    ASSERT_NE(MustOpen(dir.path()), nullptr);
    std::ofstream(dir.File("FORMAT"), std::ios::trunc) << c.format;
    std::filesystem::remove(dir.File("IDENTITY"));  // Which would say it, too.
    const absl::Status status = TryOpen(dir.path());
    EXPECT_EQ(status.code(), c.code) << status;
    EXPECT_TRUE(Mentions(status, c.says)) << status;
    EXPECT_TRUE(Mentions(status, dir.path())) << status;
    // Nothing was touched: with the line put back, all is there.
    std::ofstream(dir.File("FORMAT"), std::ios::trunc) << "cairn data directory, format 1\n";
    EXPECT_NE(MustOpen(dir.path()), nullptr);
  }
}

TEST(DataDirTest, ADamagedFormatFileIsWrittenAnew) {
  testing::TempDir dir;
  ASSERT_NE(MustOpen(dir.path()), nullptr);
  std::ofstream(dir.File("FORMAT"), std::ios::trunc) << "cairn data directorz, format 1\n";
  ASSERT_NE(MustOpen(dir.path()), nullptr);
  std::filesystem::remove(dir.File("IDENTITY"));
  EXPECT_NE(MustOpen(dir.path()), nullptr);
}

TEST(DataDirTest, DoesNotMakeItselfAtHomeInSomebodyElsesDirectory) {
  testing::TempDir dir;
  std::ofstream(dir.File("thesis.tex")) << "years of work";
  const absl::Status status = TryOpen(dir.path());
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_TRUE(Mentions(status, "thesis.tex")) << status;
}

TEST(DataDirTest, AStoreThatMustBeThere) {
  testing::TempDir dir;
  EXPECT_TRUE(absl::IsNotFound(TryOpen(dir.File("nowhere"), false)));
  EXPECT_FALSE(std::filesystem::exists(dir.File("nowhere")));
  EXPECT_TRUE(absl::IsNotFound(TryOpen(dir.path(), false)));
  ASSERT_NE(MustOpen(dir.path()), nullptr);
  const absl::Status there = TryOpen(dir.path(), false);
  EXPECT_TRUE(there.ok()) << there;
}

TEST(DataDirTest, ALostFormatFileIsNotANewStore) {
  testing::TempDir dir;
  ASSERT_OK(MustOpen(dir.path())->Write(OneWrite(MakeGroup())));
  std::filesystem::remove(dir.File("FORMAT"));
  const absl::Status status = TryOpen(dir.path());
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_TRUE(Mentions(status, "FORMAT")) << status;
}

TEST(DataDirTest, AWipedDirectoryIsSomebodyElse) {
  testing::TempDir dir;
  testing::TempDir other;
  NodeIdentity first;
  {
    const auto store = MustOpen(dir.path());
    ASSERT_OK(store->SetFormed("node 1 of cluster 5"));
    first = store->Identity();
  }
  std::filesystem::remove_all(dir.path());
  const NodeIdentity wiped = MustOpen(dir.path())->Identity();
  EXPECT_NE(wiped.incarnation, first.incarnation);
  EXPECT_EQ(wiped.formed, "");
  EXPECT_NE(MustOpen(other.path())->Identity().incarnation, wiped.incarnation);
}

}  // namespace
}  // namespace cairn::storage
