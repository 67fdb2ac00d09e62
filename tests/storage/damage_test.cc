// Damage to what was synced: flipped bits, truncated and missing files. It must show: the
// store refuses to open, its verdict is not kSound, or the read that meets the damage fails.
// What it must never do is go on with something missing or changed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "storage/rocks_log_store.h"
#include "storage/wal_frames.h"
#include "tests/storage/random_writes.h"
#include "tests/storage/store_testing.h"
#include "tests/support/temp_dir.h"

namespace cairn::storage {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBoot = "the boot that wrote it";
constexpr const char* kOtherBoot = "the boot after";

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

void WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

enum class Outcome : uint8_t { kIntact, kRefused, kAmbiguous, kLost, kReadFails, kSilent };

const char* Name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kIntact:
      return "intact";
    case Outcome::kRefused:
      return "refused";
    case Outcome::kAmbiguous:
      return "ambiguous";
    case Outcome::kLost:
      return "lost";
    case Outcome::kReadFails:
      return "read fails";
    case Outcome::kSilent:
      return "SILENT";
  }
  return "";
}

// A directory with tables, a manifest and a write-ahead log that all hold something, as a
// process that was killed leaves it, and as many damaged copies of it as a test asks for.
class DamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::unique_ptr<RocksLogStore> store = Open(original_.path(), kBoot);
    ASSERT_NE(store, nullptr);
    RandomWrites writes(11);
    for (int turn = 0; turn < kTurns; ++turn) WriteNext(*store, writes);
    store.reset();
    store = Open(original_.path(), kBoot);
    ASSERT_NE(store, nullptr);
    // Opening flushed the log: the newest turns stand in a new one.
    const auto log_bytes = [&] { return store->Stats().wal_bytes; };
    for (int turn = 0; turn < kTurnsInLog; ++turn) {
      if (turn == kTurnsInLog - kTurnsAfterMark) old_mark_ = ReadFile(original_.path() + "/MARK");
      if (turn == kTurnsInLog - 1) wal_bytes_at_last_ = log_bytes();
      WriteNext(*store, writes);
    }
    wal_bytes_ = log_bytes();
    expected_ = writes.Expected();
    store.reset();
    ASSERT_EQ(Examine(kBoot), Outcome::kIntact) << "of an undamaged copy";
  }

  static void WriteNext(RocksLogStore& store, RandomWrites& writes) {
    const StoreBatch batch = writes.Next();
    ASSERT_OK(store.Write(batch));
    writes.Acknowledge(batch);
  }

  std::unique_ptr<RocksLogStore> Open(const std::string& dir, const char* boot) {
    RocksOptions options = SmallOptions(dir);
    options.wal_pool_files = 1;
    options.boot_id = boot;
    auto opened = RocksLogStore::Open(options);
    if (opened.ok()) return std::move(*opened);
    error_ = opened.status();
    return nullptr;
  }

  // A fresh copy to be damaged.
  fs::path Copy() {
    copy_ = std::make_unique<testing::TempDir>();
    fs::copy(original_.path(), copy_->path(),
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    return copy_->path();
  }

  // Opens the copy and reads all of it. Without a copy: of the original.
  Outcome Examine(const char* boot) {
    if (!copy_) Copy();
    std::unique_ptr<RocksLogStore> store = Open(copy_->path(), boot);
    if (!store) {
      EXPECT_NE(error_.message().find(copy_->path()), absl::string_view::npos)
          << "does not name the directory: " << error_;
      return Outcome::kRefused;
    }
    if (store->Verdict() == RecoveryVerdict::kAmbiguous) return Outcome::kAmbiguous;
    if (store->Verdict() == RecoveryVerdict::kLost) return Outcome::kLost;
    const absl::StatusOr<std::string> found = Dump(*store);
    if (!found.ok()) {
      EXPECT_TRUE(absl::IsDataLoss(found.status())) << found.status();
      return Outcome::kReadFails;
    }
    return *found == expected_ ? Outcome::kIntact : Outcome::kSilent;
  }

  // Names in the directory, relative to it, that contain `part`.
  std::vector<std::string> Files(const std::string& part) {
    std::vector<std::string> names;
    for (const auto& item : fs::recursive_directory_iterator(original_.path())) {
      const std::string name = fs::relative(item.path(), original_.path());
      if (item.is_regular_file() && name.find(part) != std::string::npos) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    EXPECT_FALSE(names.empty()) << part;
    return names;
  }

  Outcome Flip(const std::string& file, uint64_t bit, const char* boot) {
    const fs::path path = Copy() / file;
    std::string bytes = ReadFile(path);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    WriteFile(path, bytes);
    return Examine(boot);
  }

  // A bit of the file that holds this byte of the log.
  uint64_t BitIn(uint64_t log_byte) { return PhysicalWalOffset(log_byte) * 8 + random_.Below(8); }

  Outcome Truncate(const std::string& file, uint64_t bytes, const char* boot) {
    fs::resize_file(Copy() / file, bytes);
    return Examine(boot);
  }

  void Report(const char* what) {
    fmt::print("{}:", what);
    for (const auto& [outcome, count] : outcomes_) fmt::print(" {} {}", count, Name(outcome));
    fmt::print("\n");
  }

  static constexpr int kTurns = 150;
  static constexpr int kTurnsInLog = 12;
  static constexpr int kTurnsAfterMark = 4;

  testing::TempDir original_;
  std::unique_ptr<testing::TempDir> copy_;
  std::string expected_;
  std::string old_mark_;            // As it was kTurnsAfterMark turns before the end.
  uint64_t wal_bytes_ = 0;          // Of the newest log.
  uint64_t wal_bytes_at_last_ = 0;  // Before the last turn.
  absl::Status error_;
  Random random_{5};
  std::map<Outcome, int> outcomes_;
};

TEST_F(DamageTest, AFlipInTheLogIsALossWhileTheMarkIsExact) {
  const std::string log = Files(".log").back();
  for (int i = 0; i < 40; ++i) {
    const uint64_t bit = BitIn(random_.Below(wal_bytes_));
    SCOPED_TRACE(fmt::format("{}: bit {}", log, bit));
    EXPECT_STREQ(Name(Flip(log, bit, kBoot)), Name(Outcome::kLost));
  }
}

TEST_F(DamageTest, BehindAnOldMarkOnlyTheLastTurnIsAmbiguous) {
  const std::string log = Files(".log").back();
  WriteFile(original_.path() + "/MARK", old_mark_);
  for (int i = 0; i < 40; ++i) {
    const uint64_t byte = random_.Below(wal_bytes_);
    SCOPED_TRACE(
        fmt::format("{}: byte {}, the last turn begins at {}", log, byte, wal_bytes_at_last_));
    const Outcome outcome = Flip(log, BitIn(byte), kOtherBoot);
    ++outcomes_[outcome];
    EXPECT_STREQ(Name(outcome),
                 Name(byte >= wal_bytes_at_last_ ? Outcome::kAmbiguous : Outcome::kLost));
  }
  // In each region at least one.
  EXPECT_STREQ(Name(Flip(log, BitIn(wal_bytes_at_last_ + 12), kOtherBoot)),
               Name(Outcome::kAmbiguous));
  EXPECT_STREQ(Name(Flip(log, BitIn(wal_bytes_at_last_ - 12), kOtherBoot)), Name(Outcome::kLost));
}

// What tells a log from what was in its file before it: damage there must not hide a turn.
TEST_F(DamageTest, AFlippedStampOrHeaderHidesNothing) {
  const std::string log = Files(".log").back();
  WriteFile(original_.path() + "/MARK", old_mark_);
  const uint64_t sectors = (wal_bytes_ + kWalPayloadBytes - 1) / kWalPayloadBytes;
  for (uint64_t i = 0; i < 30; ++i) {
    // The last ones first: behind them there is nothing that would show a gap.
    const uint64_t sector = i < 5 && i < sectors ? sectors - 1 - i : random_.Below(sectors);
    const uint64_t byte = kWalHeaderBytes + sector * kWalSectorBytes + kWalPayloadBytes +
                          random_.Below(kWalStampBytes);
    SCOPED_TRACE(fmt::format("{}: byte {}", log, byte));
    EXPECT_STREQ(Name(Flip(log, byte * 8 + random_.Below(8), kOtherBoot)), Name(Outcome::kIntact));
  }
  for (int i = 0; i < 10; ++i) {
    const uint64_t bit = random_.Below(kWalHeaderBytes * 8);
    EXPECT_STREQ(Name(Flip(log, bit, kOtherBoot)), Name(Outcome::kIntact)) << bit;
  }
}

TEST_F(DamageTest, ALogWithoutAHeaderIsALoss) {
  const std::string log = Files(".log").back();
  WriteFile(original_.path() + "/MARK", old_mark_);
  for (const char with : {'\0', 'x'}) {
    const fs::path path = Copy() / log;
    WriteFile(path, ReadFile(path).replace(0, kWalHeaderBytes, kWalHeaderBytes, with));
    EXPECT_STREQ(Name(Examine(kOtherBoot)), Name(Outcome::kLost));
  }
}

// What is flipped, and where, does not matter: if nothing tells, nothing is missing. The mark is
// old, so it tells nothing.
TEST_F(DamageTest, FlipsAnywhereInTheFileOfTheLogAreNeverSilent) {
  const std::string log = Files(".log").back();
  WriteFile(original_.path() + "/MARK", old_mark_);
  const uint64_t end = PhysicalWalOffset(wal_bytes_) + 4 * kWalHeaderBytes;
  for (int i = 0; i < 60; ++i) {
    const uint64_t bit = random_.Below(end * 8);
    const Outcome outcome = Flip(log, bit, kOtherBoot);
    ++outcomes_[outcome];
    EXPECT_NE(outcome, Outcome::kSilent) << bit;
  }
  Report("log");
}

TEST_F(DamageTest, FlipsElsewhereAreNeverSilent) {
  struct Case {
    const char* part;
    int flips;  // In each file of the kind.
  };
  for (const Case c : {Case{".sst", 8}, {"MANIFEST", 20}, {"CURRENT", 10}, {"FORMAT", 20}}) {
    outcomes_.clear();
    for (const std::string& file : Files(c.part)) {
      const uint64_t bits = ReadFile(original_.path() + "/" + file).size() * 8;
      for (int i = 0; i < c.flips; ++i) {
        const uint64_t bit = random_.Below(bits);
        SCOPED_TRACE(fmt::format("{}: bit {} of {}", file, bit, bits));
        const Outcome outcome = Flip(file, bit, kBoot);
        ++outcomes_[outcome];
        EXPECT_NE(outcome, Outcome::kSilent);
      }
    }
    Report(c.part);
  }
}

TEST_F(DamageTest, AFlippedSideMarkIsReported) {
  // Each slot has 80 bytes that count. One of them names the last turn, the other one the turn
  // before it.
  const std::string mark = ReadFile(original_.path() + "/MARK");
  const auto turn_of = [&](uint64_t slot) {
    uint64_t turn = 0;
    std::memcpy(&turn, mark.data() + slot * 4096 + 8, sizeof turn);
    return turn;
  };
  const uint64_t newest_turn = std::max(turn_of(0), turn_of(1));
  EXPECT_EQ(std::min(turn_of(0), turn_of(1)) + 1, newest_turn);
  EXPECT_GE(newest_turn, uint64_t{kTurns + kTurnsInLog})
      << "and those in which the store made room";
  for (const uint64_t slot : {0, 1}) {
    const uint64_t turn = turn_of(slot);
    for (uint64_t bit = 0; bit < 80 * 8; bit += 37) {
      SCOPED_TRACE(fmt::format("slot {} with turn {}, bit {}", slot, turn, bit));
      // The newer one damaged: the log itself reaches further than the older one, so nothing
      // is missing. The older one damaged: it might have been the newer one.
      EXPECT_STREQ(Name(Flip("MARK", slot * 4096 * 8 + bit, kBoot)),
                   Name(turn == newest_turn ? Outcome::kIntact : Outcome::kAmbiguous));
    }
  }
  fs::remove(Copy() / "MARK");
  EXPECT_STREQ(Name(Examine(kBoot)), Name(Outcome::kLost)) << "without any bound";
  EXPECT_STREQ(Name(Truncate("MARK", 0, kBoot)), Name(Outcome::kLost));
}

TEST_F(DamageTest, TruncatedFilesAreNeverSilent) {
  for (const char* part : {".log", ".sst", "MANIFEST", "CURRENT", "FORMAT"}) {
    outcomes_.clear();
    for (const std::string& file : Files(part)) {
      const uint64_t size = fs::file_size(original_.path() + "/" + file);
      std::vector<uint64_t> lengths = {0, size - 1, size / 2};
      for (int i = 0; i < 8; ++i) lengths.push_back(random_.Below(size));
      for (const uint64_t length : lengths) {
        SCOPED_TRACE(fmt::format("{}: {} bytes of {}", file, length, size));
        const Outcome outcome = Truncate(file, length, kBoot);
        ++outcomes_[outcome];
        EXPECT_NE(outcome, Outcome::kSilent);
        // RocksDB would open with the tables that the rest names.
        if (std::string(part) == "MANIFEST") {
          EXPECT_EQ(outcome, Outcome::kRefused);
        }
      }
    }
    Report(part);
  }
}

TEST_F(DamageTest, MissingFilesAreNeverSilent) {
  for (const char* part : {".log", ".sst", "MANIFEST", "CURRENT", "FORMAT"}) {
    for (const std::string& file : Files(part)) {
      SCOPED_TRACE(file);
      fs::remove(Copy() / file);
      const Outcome outcome = Examine(kBoot);
      EXPECT_TRUE(outcome == Outcome::kRefused || outcome == Outcome::kLost) << Name(outcome);
    }
  }
}

TEST_F(DamageTest, ALossOutlivesRestartsUntilItIsResolved) {
  const std::string log = Files(".log").back();
  ASSERT_EQ(Flip(log, BitIn(wal_bytes_ / 2), kBoot), Outcome::kLost);
  EXPECT_FALSE(fs::is_empty(copy_->path() + "/damaged")) << "what was cut is kept";
  EXPECT_EQ(Examine(kBoot), Outcome::kLost);
  std::unique_ptr<RocksLogStore> store = Open(copy_->path(), kBoot);
  ASSERT_NE(store, nullptr);
  ASSERT_OK(store->ResolveVerdict());
  EXPECT_EQ(store->Verdict(), RecoveryVerdict::kSound);
  store.reset();
  store = Open(copy_->path(), kBoot);
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->Verdict(), RecoveryVerdict::kSound) << store->VerdictDetail();
}

}  // namespace
}  // namespace cairn::storage
