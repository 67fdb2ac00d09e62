// What is in a view after its process was killed, and after power was lost: always the fold of the
// log through the view's own position.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rocksdb/file_system.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "adapter/memcache/view_scan.h"
#include "base/random.h"
#include "tests/adapter/memcache/view_testing.h"
#include "tests/support/lossy_fs.h"
#include "tests/support/temp_dir.h"

namespace cairn::adapter::memcache {
namespace {

using testing::Loss;
using testing::LossyFs;

// A view_holder, until it is killed.
class Holder {
 public:
  Holder(std::string directory, uint64_t seed) {
    int ends[2] = {-1, -1};
    CHECK_EQ(pipe(ends), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    std::string program = VIEW_HOLDER;
    std::string number = std::to_string(seed);
    char* argv[] = {program.data(), directory.data(), number.data(), nullptr};
    CHECK_EQ(posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    out_ = fdopen(ends[0], "r");
  }
  ~Holder() {
    (void)Kill();
    (void)std::fclose(out_);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  // Of the next message that it has applied; 0 at its end.
  Seq NextSeq() {
    char line[64] = "";
    if (std::fgets(line, sizeof line, out_) == nullptr) return Seq();
    return Seq(std::strtoull(line, nullptr, 10));
  }
  // The last one that it has told of.
  Seq Kill() {
    if (pid_ == 0) return Seq();
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
    Seq last;
    for (Seq seq = NextSeq(); seq; seq = NextSeq()) last = seq;
    return last;
  }

 private:
  pid_t pid_ = 0;
  FILE* out_ = nullptr;
};

// Whether `view` holds exactly what the log of that seed comes to at the view's position.
void ExpectPrefix(const View& view, uint64_t seed) {
  const ViewPosition position = view.position();
  EffectLog log(seed);
  ItemModel model;
  for (bool more = bool{position.read.seq}; more;) {
    const MadeBatch made = log.Next();
    made.ApplyTo(&model, position.read.seq);
    more = made.batch.last_seq() < position.read.seq;
  }
  const UnixSeconds now = position.log_time_us / kMicrosPerSecond;
  EXPECT_EQ(ItemsOf(view, now), model.LiveAt(now));
}

TEST(ViewCrashTest, KilledInMidApplyItHasAllThatApplyReturnedFor) {
  constexpr int kKills = 8;
  constexpr uint64_t kSeed = 11;
  testing::TempDir dir;
  Random random(kSeed);
  Seq told;
  for (int i = 0; i < kKills; ++i) {
    Holder holder(dir.File("view"), kSeed);
    for (uint64_t messages = 1 + random.Below(80); messages > 0; --messages) {
      told = holder.NextSeq();
      ASSERT_TRUE(told) << "it ended by itself";
    }
    told = std::max(told, holder.Kill());
    const auto view = OpenView(dir.File("view"));
    EXPECT_GE(view->position().read.seq, told);
    ExpectPrefix(*view, kSeed);
  }
}

// Power is cut after some changes of files, and some of what was not synced is lost.
struct Cut {
  Seq applied;  // What Apply returned OK for before.
  absl::Status reopened;
  Seq kept;
};

Cut CutPower(uint64_t seed, Loss loss) {
  testing::TempDir dir;
  Random random(seed);
  const auto fs = std::make_shared<LossyFs>(rocksdb::FileSystem::Default());
  ViewOptions options = SmallView(dir.File("view"));
  options.file_system = fs;
  Cut cut;
  {
    EffectLog log(seed);
    const auto view = OpenView(options);
    fs->CutAfter(random.Below(400));
    while (ApplyBatch(*view, log.Next().batch).ok()) cut.applied = view->position().read.seq;
  }
  fs->Lose(loss, random);
  auto again = View::Open(options);
  cut.reopened = again.status();
  if (again.ok()) {
    cut.kept = (*again)->position().read.seq;
    ExpectPrefix(**again, seed);
    return cut;
  }
  EXPECT_EQ(cut.reopened.code(), absl::StatusCode::kDataLoss) << cut.reopened;
  EXPECT_TRUE(View::Remove(options.directory).ok());
  EXPECT_EQ(OpenView(options)->position(), ViewPosition());
  return cut;
}

TEST(ViewCrashTest, WithoutPowerItHasAPrefixOrSaysThatItIsDamaged) {
  constexpr uint64_t kSeeds = 12;
  uint64_t shorter = 0;
  for (const Loss loss : {Loss::kNothing, Loss::kAll, Loss::kSectors, Loss::kFlipped}) {
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      SCOPED_TRACE(fmt::format("seed {}, loss {}", seed, static_cast<int>(loss)));
      const Cut cut = CutPower(seed, loss);
      shorter += cut.kept < cut.applied ? 1 : 0;
      // A bit that is wrong is damage; what is only missing is not.
      if (loss != Loss::kFlipped) {
        EXPECT_TRUE(cut.reopened.ok()) << cut.reopened;
      }
      if (loss == Loss::kNothing) {
        EXPECT_GE(cut.kept, cut.applied);
      }
    }
  }
  EXPECT_GT(shorter, kSeeds / 2) << "or no power was cut at all";
}

std::vector<std::string> TablesOf(const std::string& directory) {
  std::vector<std::string> tables;
  for (const auto& file : std::filesystem::directory_iterator(directory + "/db")) {
    if (file.path().extension() == ".sst") tables.push_back(file.path());
  }
  return tables;
}

void FlipBit(const std::string& path, uint64_t bit) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(static_cast<char>(byte ^ (1 << (bit % 8))));
}

TEST(ViewCrashTest, AFlippedBitOfATableIsDamageAndNeverAnotherItem) {
  testing::TempDir dir;
  EffectLog log(2);
  {
    const auto view = OpenView(dir.File("view"));
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(ApplyBatch(*view, log.Next().batch).ok());
  }
  const ItemsDigest want = *DigestOf(*OpenView(dir.File("view")), log.now());
  EXPECT_GT(want.items(), 10u);
  const std::vector<std::string> tables = TablesOf(dir.File("view"));
  ASSERT_FALSE(tables.empty());
  Random random(2);
  int damaged = 0;
  for (int round = 0; round < 60; ++round) {
    const std::string& table = tables[random.Below(tables.size())];
    const uint64_t bit = random.Below(8 * std::filesystem::file_size(table));
    FlipBit(table, bit);
    absl::Status status;
    {
      const auto view = View::Open(SmallView(dir.File("view")));
      const auto digest =
          view.ok() ? DigestOf(**view, log.now()) : absl::StatusOr<ItemsDigest>(view.status());
      status = digest.status();
      if (digest.ok()) {
        EXPECT_EQ(*digest, want) << table << " bit " << bit;
      }
    }
    FlipBit(table, bit);
    damaged += absl::IsDataLoss(status) ? 1 : 0;
    EXPECT_TRUE(status.ok() || absl::IsDataLoss(status)) << status;
  }
  EXPECT_GT(damaged, 10) << "or the bits were none of the items'";
}

}  // namespace
}  // namespace cairn::adapter::memcache
