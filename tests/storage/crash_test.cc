// Power cuts at random points of random work, over a file system that forgets, tears and
// flips what was not synced. What was acknowledged must be there; what is not certain must be
// called so; and pure power cuts, however many in a row, are never called a loss.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "storage/recovery.h"
#include "storage/rocks_hooks.h"
#include "storage/rocks_log_store.h"
#include "storage/wal_frames.h"
#include "tests/storage/random_writes.h"
#include "tests/storage/store_testing.h"
#include "tests/support/lossy_fs.h"
#include "tests/support/temp_dir.h"

namespace cairn::storage {
namespace {

using testing::Loss;
using testing::LossyFs;

// What happened, over all seeds: a test of crashes that never hits the flush is no test.
struct Tally {
  std::map<std::string, int> cuts;      // By what was being written.
  std::map<std::string, int> verdicts;  // Of the starts behind a cut.
  int crashes = 0;
  int recycled_logs = 0;  // That stood there after a crash.
  int runs = 0;           // That were about to be taken.

  void Add(const Tally& other) {
    for (const auto& [kind, count] : other.cuts) cuts[kind] += count;
    for (const auto& [verdict, count] : other.verdicts) verdicts[verdict] += count;
    crashes += other.crashes;
    recycled_logs += other.recycled_logs;
    runs += other.runs;
  }
  [[nodiscard]] std::string Text() const {
    std::string text =
        fmt::format("{} crashes, {} recycled logs, {} runs\n", crashes, recycled_logs, runs);
    for (const auto& [kind, count] : cuts) text += fmt::format("  cut at {}: {}\n", kind, count);
    for (const auto& [verdict, count] : verdicts) text += fmt::format("  {}: {}\n", verdict, count);
    return text;
  }
};

std::string KindOf(const std::string& path) {
  struct Kind {
    const char* part;
    const char* name;
  };
  for (const Kind kind : {Kind{"/wal-pool/dirty", "recycling"},
                          {"/wal-pool/ready", "pool rename"},
                          {".log", "WAL"},
                          {"/runs/", "run"},
                          {".sst", "table"},
                          {"MANIFEST", "MANIFEST"},
                          {"MARK", "side mark"}}) {
    if (path.find(kind.part) != std::string::npos) return kind.name;
  }
  return "other";
}

// One directory over many lives.
class CrashRun {
 public:
  CrashRun(uint64_t seed, Tally* tally) : random_(seed), writes_(seed), tally_(*tally) {
    hooks_.file_system = fs_;
  }

  void Run(int lives) {
    for (int life = 0; life < lives && !::testing::Test::HasFailure(); ++life) {
      SCOPED_TRACE(fmt::format("life {}", life));
      ChooseCut();
      Live();
      Crash();
    }
    // At the end, with power: it must come up.
    SCOPED_TRACE("last start");
    std::unique_ptr<RocksLogStore> store = Open();
    ASSERT_NE(store, nullptr) << open_error_;
    Check(*store);
  }

 private:
  std::unique_ptr<RocksLogStore> Open() {
    RocksOptions options = SmallOptions(dir_.path());
    options.hooks = &hooks_;
    // So that old ones are soon used again.
    options.wal_pool_files = 1;
    options.boot_id = fmt::format("boot {}", boot_);
    auto opened = RocksLogStore::Open(options);
    if (opened.ok()) return std::move(*opened);
    open_error_ = opened.status().ToString();
    return nullptr;
  }

  // Mostly anywhere; now and then in the middle of what seldom happens, or so late that logs are
  // in files that held others.
  void ChooseCut() {
    constexpr const char* kSeldom[] = {"wal-pool/dirty", ".sst", "MANIFEST", "/runs/"};
    if (random_.Chance(0.15)) {
      fs_->CutAfter(random_.Below(30), kSeldom[random_.Below(std::size(kSeldom))]);
    } else if (random_.Chance(0.2)) {
      fs_->CutAfter(2000 + random_.Below(1500));
    } else {
      fs_->CutAfter(random_.Chance(0.3) ? random_.Below(60) : random_.Below(700));
    }
  }

  void Live() {
    std::unique_ptr<RocksLogStore> store = Open();
    if (!store) {
      ASSERT_NE(fs_->cut_at(), "") << "refused to open without a cut: " << open_error_;
      ++tally_.cuts["opening"];
      return;
    }
    Check(*store);
    for (int turn = 0; turn < 1200 && !::testing::Test::HasFailure(); ++turn) {
      if (random_.Chance(0.03) && !store->Upkeep().ok()) break;
      if (!WriteNext(*store)) break;
      writes_.Acknowledge(*in_flight_);
      in_flight_.reset();
    }
  }

  // False: power is gone.
  bool WriteNext(RocksLogStore& store) {
    if (!random_.Chance(0.05)) {
      in_flight_ = writes_.Next();
      return store.Write(*in_flight_).ok();
    }
    StoreBatch batch;
    const auto model = writes_.NextRun(store, &batch);
    if (!model.ok()) return false;
    in_flight_ = *model;
    ++tally_.runs;
    return store.Write(batch).ok();
  }

  void Check(RocksLogStore& store) {
    const RecoveryVerdict verdict = store.Verdict();
    ++tally_.verdicts[ToString(verdict)];
    ASSERT_NE(verdict, RecoveryVerdict::kLost) << store.VerdictDetail();
    if (!power_was_lost_) {
      ASSERT_EQ(verdict, RecoveryVerdict::kSound) << store.VerdictDetail();
    }
    const absl::StatusOr<std::string> found = Dump(store);
    ASSERT_TRUE(found.ok()) << found.status();
    if (in_flight_ && *found == writes_.Expected(&*in_flight_)) writes_.Acknowledge(*in_flight_);
    in_flight_.reset();
    ASSERT_EQ(*found, writes_.Expected()) << store.VerdictDetail();
    if (verdict == RecoveryVerdict::kSound || random_.Chance(0.5)) {
      // May fail: power is cut any time.
      power_was_lost_ = verdict != RecoveryVerdict::kSound && !store.ResolveVerdict().ok();
    }
  }

  void Crash() {
    ++tally_.crashes;
    if (!fs_->cut_at().empty()) ++tally_.cuts[KindOf(fs_->cut_at())];
    constexpr Loss kLosses[] = {Loss::kNothing, Loss::kAll, Loss::kSectors, Loss::kFlipped};
    const Loss loss = kLosses[random_.Below(std::size(kLosses))];
    fs_->Lose(loss, random_);
    CountRecycledLogs();
    if (loss == Loss::kNothing) return;
    ++boot_;
    power_was_lost_ = true;
  }

  void CountRecycledLogs() {
    if (!std::filesystem::exists(dir_.File("db"))) return;
    for (const auto& file : std::filesystem::directory_iterator(dir_.File("db"))) {
      if (file.path().extension() != ".log") continue;
      std::string header(kWalHeaderBytes, '\0');
      std::ifstream(file.path(), std::ios::binary)
          .read(header.data(), static_cast<std::streamsize>(header.size()));
      const std::optional<WalGeneration> generation = ReadWalHeader(header);
      if (generation && generation->number > 1) ++tally_.recycled_logs;
    }
  }

  Random random_;
  RandomWrites writes_;
  Tally& tally_;
  testing::TempDir dir_;
  std::shared_ptr<LossyFs> fs_ = std::make_shared<LossyFs>(rocksdb::FileSystem::Default());
  RocksHooks hooks_;
  int boot_ = 1;
  // Since the verdict was last sound, or resolved.
  bool power_was_lost_ = false;
  std::optional<StoreBatch> in_flight_;
  std::string open_error_;
};

TEST(CrashTest, NothingAcknowledgedIsLost) {
  constexpr uint64_t kSeeds = 24;
  constexpr int kLives = 8;
  // Mostly waiting: RocksDB's background threads rest a second after each error.
  constexpr uint64_t kThreads = 8;
  rocksdb::Env::Default()->SetBackgroundThreads(2 * kThreads, rocksdb::Env::LOW);
  rocksdb::Env::Default()->SetBackgroundThreads(2 * kThreads, rocksdb::Env::HIGH);
  std::array<Tally, kThreads> tallies;
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([i, &tallies] {
      for (uint64_t seed = 1 + i; seed <= kSeeds && !HasFailure(); seed += kThreads) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        CrashRun(seed, &tallies[i]).Run(kLives);
      }
    });
  }
  Tally all;
  for (uint64_t i = 0; i < kThreads; ++i) {
    threads[i].join();
    all.Add(tallies[i]);
  }
  fmt::print("{}", all.Text());
  EXPECT_GE(all.crashes, 100);
  EXPECT_GE(all.recycled_logs, 10);
  EXPECT_GE(all.runs, 100);
  for (const char* kind :
       {"opening", "recycling", "WAL", "run", "table", "MANIFEST", "side mark"}) {
    EXPECT_GE(all.cuts[kind], 2) << kind;
  }
  EXPECT_GE(all.verdicts["sound"], 10);
  EXPECT_GE(all.verdicts["ambiguous"], 5);
}

}  // namespace
}  // namespace cairn::storage
