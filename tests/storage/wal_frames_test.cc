// Stamps: whatever was left in a file by earlier logs, a reader sees the log and zeros; what is
// damaged is not hidden.
#include "storage/wal_frames.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "storage/crc32c.h"
#include "storage/wal_reader.h"
#include "storage/wal_scan.h"
#include "tests/storage/store_testing.h"
#include "tests/support/random_bytes.h"
#include "tests/support/temp_dir.h"

namespace cairn::storage {
namespace {

std::string Flipped(std::string bytes, size_t bit) {
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  return bytes;
}

// The sectors of a log, as they come to a disk.
std::string Sectors(std::string_view log, const WalGeneration& generation) {
  std::string buffer(FramedWalBytes(log.size()), 'g');
  size_t used = 0;
  EXPECT_EQ(FramePayload(log, StampOf(generation), buffer.data(), buffer.size(), &used),
            log.size());
  buffer.resize(SealSector(StampOf(generation), buffer.data(), used));
  return buffer;
}

// A file that holds a log over what `before` held.
std::string FileOver(std::string before, std::string_view log, const WalGeneration& generation) {
  const std::string written = WalHeaderBlock(generation) + Sectors(log, generation);
  before.resize(std::max(before.size(), written.size()));
  return before.replace(0, written.size(), written);
}

std::string WithZeros(std::string log, const std::string& file) {
  log.resize(LogicalWalOffset(file.size()));
  return log;
}

TEST(WalFramesTest, OffsetsGoThereAndBack) {
  EXPECT_EQ(PhysicalWalOffset(0), 4096u);
  EXPECT_EQ(PhysicalWalOffset(503), 4096u + 503);
  EXPECT_EQ(PhysicalWalOffset(504), 4096u + 512);
  for (uint64_t logical = 0; logical < 3000; ++logical) {
    EXPECT_EQ(LogicalWalOffset(PhysicalWalOffset(logical)), logical);
  }
  // Bytes of the header and of stamps belong to no byte of the log.
  EXPECT_EQ(LogicalWalOffset(100), 0u);
  EXPECT_EQ(LogicalWalOffset(4096 + 511), 504u);
}

TEST(WalFramesTest, WhatIsFramedPieceByPieceIsReadBack) {
  Random random(1);
  const WalGeneration generation = FirstGeneration(random.Next());
  for (int round = 0; round < 200; ++round) {
    const std::string log = testing::RandomBytes(random, random.Below(5000));
    std::string buffer(FramedWalBytes(log.size()) / kWalSectorBytes * kWalSectorBytes, 'g');
    size_t used = 0;
    size_t sealed = 0;
    for (size_t at = 0; at < log.size();) {
      const auto piece = std::string_view(log).substr(at, 1 + random.Below(1200));
      const size_t taken =
          FramePayload(piece, StampOf(generation), buffer.data(), buffer.size(), &used);
      ASSERT_EQ(taken, piece.size());
      at += taken;
      ASSERT_EQ(LogicalWalOffset(kWalHeaderBytes + used), at);
      // A turn's end: the sector is padded, and goes on with the next turn.
      if (random.Chance(0.5)) sealed = SealSector(StampOf(generation), buffer.data(), used);
    }
    sealed = SealSector(StampOf(generation), buffer.data(), used);
    const std::string file = WalHeaderBlock(generation) + buffer.substr(0, sealed);
    ASSERT_EQ(UnframeWal(file), WithZeros(log, file));
    ASSERT_EQ(sealed, Sectors(log, generation).size());
  }
}

TEST(WalFramesTest, AFullBufferTakesNoMore) {
  const WalGeneration generation = FirstGeneration(1);
  std::string buffer(2 * kWalSectorBytes, '\0');
  size_t used = 0;
  const std::string log(3 * kWalPayloadBytes, 'x');
  EXPECT_EQ(FramePayload(log, StampOf(generation), buffer.data(), buffer.size(), &used),
            2 * kWalPayloadBytes);
  EXPECT_EQ(used, buffer.size());
  EXPECT_EQ(FramePayload(log, StampOf(generation), buffer.data(), buffer.size(), &used), 0u);
}

TEST(WalFramesTest, AnyCopyOfTheHeaderIsEnough) {
  const WalGeneration generation{FirstGeneration(77).seed, 9};
  const std::string block = WalHeaderBlock(generation);
  ASSERT_EQ(block.size(), kWalHeaderBytes);
  EXPECT_EQ(ReadWalHeader(block), generation);
  const size_t copies = kWalHeaderBytes / kWalSectorBytes;
  for (unsigned lost = 0; lost < 1u << copies; ++lost) {
    for (const char with : {'\0', 'x'}) {
      std::string damaged = block;
      for (size_t copy = 0; copy < copies; ++copy) {
        if ((lost >> copy & 1) == 0) continue;
        damaged.replace(copy * kWalSectorBytes, kWalSectorBytes, kWalSectorBytes, with);
      }
      const std::optional<WalGeneration> found = ReadWalHeader(damaged);
      if (lost + 1 != 1u << copies) {
        EXPECT_EQ(found, generation) << lost;
      } else if (with == 'x') {
        EXPECT_EQ(found, std::nullopt);
      } else {
        EXPECT_EQ(found, WalGeneration{}) << "as if it was never written";
      }
    }
  }
  // A write of it that reached some sectors only: the newer one counts.
  const std::string next = WalHeaderBlock(generation.Next());
  EXPECT_EQ(ReadWalHeader(block.substr(0, 512) + next.substr(512)), generation.Next());
  EXPECT_EQ(ReadWalHeader(next.substr(0, 512) + block.substr(512)), generation.Next());
}

TEST(WalFramesTest, AFlippedBitInACopyOfTheHeaderMakesItNoCopy) {
  const std::string one = WalHeaderBlock({FirstGeneration(77).seed, 9}).substr(0, kWalSectorBytes);
  EXPECT_TRUE(ReadWalHeader(one).has_value());
  for (size_t bit = 0; bit < 32 * 8; ++bit) {
    EXPECT_EQ(ReadWalHeader(Flipped(one, bit)), std::nullopt) << bit;
  }
}

TEST(WalFramesTest, ShortFilesAndMissingHeaders) {
  const WalGeneration generation = FirstGeneration(5);
  const std::string block = WalHeaderBlock(generation);
  // Power was cut while the first block of a growing file was written.
  for (const size_t size : {0, 1, 31}) EXPECT_EQ(UnframeWal(block.substr(0, size)), "") << size;
  for (const size_t size : {32, 100, 4095, 4096}) {
    EXPECT_EQ(ReadWalHeader(block.substr(0, size)), generation) << size;
    EXPECT_EQ(UnframeWal(block.substr(0, size)), "") << size;
  }
  EXPECT_EQ(UnframeWal(std::string(100000, '\0')), "") << "nothing was ever written";
  const std::string sectors = Sectors("a log", generation);
  EXPECT_EQ(UnframeWal(std::string(4096, '\0') + sectors), std::nullopt);
  EXPECT_EQ(UnframeWal(std::string(4096, 'x') + sectors), std::nullopt);
  EXPECT_EQ(UnframeWal(std::string(4096, 'x')), std::nullopt);
}

TEST(WalFramesTest, AnErrorInOneByteNeverTurnsAStampIntoAnOlderOne) {
  Random random(3);
  for (int i = 0; i < 50; ++i) {
    // Stamps' differences, which decide, do not depend on the seed; a file that is used 100 times
    // a second has come this far after a million years.
    const WalGeneration generation{FirstGeneration(random.Next()).seed, 1ull << 51};
    const std::string log = testing::RandomBytes(random, kWalPayloadBytes);
    const std::string sector = Sectors(log, generation);
    for (size_t byte = kWalPayloadBytes; byte < kWalSectorBytes; ++byte) {
      for (int value = 0; value < 256; ++value) {
        std::string damaged = sector;
        damaged[byte] = static_cast<char>(value);
        std::string out(kWalPayloadBytes, '\0');
        UnframeSectors(generation, damaged.data(), damaged.size(), out.data());
        ASSERT_EQ(out, log) << byte << " " << value;
      }
    }
  }
}

TEST(WalFramesTest, OlderGenerationsReadAsZerosAndOthersAsTheyStand) {
  Random random(4);
  const WalGeneration first = FirstGeneration(random.Next());
  const WalGeneration now{first.seed, 1000};
  const std::string log = testing::RandomBytes(random, kWalPayloadBytes);
  const auto read = [&](const std::string& sector) {
    std::string out(LogicalWalOffset(kWalHeaderBytes + sector.size()), 'g');
    UnframeSectors(now, sector.data(), sector.size(), out.data());
    return out;
  };
  for (uint64_t number = 1; number < 1000; ++number) {
    ASSERT_EQ(read(Sectors(log, {first.seed, number})), std::string(kWalPayloadBytes, '\0'));
  }
  EXPECT_EQ(read(Sectors(log, now)), log);
  // Of a later generation, of another file, without a stamp, or cut short: found by whoever checks
  // what it says.
  EXPECT_EQ(read(Sectors(log, now.Next())), log);
  EXPECT_EQ(read(Sectors(log, FirstGeneration(random.Next()))), log);
  EXPECT_EQ(read(log + std::string(8, '\0')), log);
  EXPECT_EQ(read(Sectors(log, now).substr(0, 300)), log.substr(0, 300));
  EXPECT_EQ(read(Sectors(log, now).substr(0, 508)), log);
}

// ---- What recovery makes of it ----------------------------------------------------------

// A batch in one record of `bytes` bytes, as the scan knows them.
std::string Batch(uint64_t sequence, size_t bytes) {
  constexpr size_t kCrcBytes = 4;
  const auto length = static_cast<uint16_t>(bytes - 7);
  const uint32_t count = 1;
  std::string record(bytes, 'r');
  std::memcpy(record.data() + kCrcBytes, &length, sizeof length);
  record[6] = 1;  // Whole.
  std::memcpy(record.data() + 7, &sequence, sizeof sequence);
  std::memcpy(record.data() + 15, &count, sizeof count);
  const uint32_t crc = Crc32c(std::string_view(record).substr(6));
  const uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
  std::memcpy(record.data(), &masked, sizeof masked);
  return record;
}

// If its sector were taken away for it, the log would end without a flaw, one turn early.
TEST(WalFramesTest, AFlippedStampDoesNotHideALastTurnThatHasItsOwnSector) {
  const WalGeneration generation{FirstGeneration(3).seed, 5};
  const std::string log = Batch(100, kWalPayloadBytes) + Batch(101, kWalPayloadBytes);
  const std::string file = FileOver(std::string(20000, '\0'), log, generation);
  for (size_t sector = 0; sector < 2; ++sector) {
    const size_t stamp = kWalHeaderBytes + sector * kWalSectorBytes + kWalPayloadBytes;
    for (size_t bit = 0; bit < 64; ++bit) {
      const std::optional<std::string> found = UnframeWal(Flipped(file, stamp * 8 + bit));
      ASSERT_TRUE(found.has_value());
      const WalFileScan scan = ScanWalBytes(*found, 0);
      EXPECT_EQ(scan.batches, 2u);
      EXPECT_EQ(scan.end, WalEnd::kClean);
    }
  }
}

// Logs that RocksDB wrote one after another, so that each one's batches follow the other's.
std::vector<std::string> RealLogs(const std::vector<int>& batches) {
  const testing::TempDir dir;
  rocksdb::Options options;
  options.create_if_missing = true;
  options.avoid_flush_during_shutdown = true;
  rocksdb::DB* opened = nullptr;
  EXPECT_TRUE(rocksdb::DB::Open(options, dir.path(), &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  Random random(6);
  std::vector<std::string> logs;
  for (const int count : batches) {
    for (int i = 0; i < count; ++i) {
      const std::string value =
          testing::RandomBytes(random, random.Below(random.Chance(0.1) ? 2000 : 300));
      EXPECT_TRUE(db->Put(rocksdb::WriteOptions(), "key", value).ok());
    }
    std::string newest;
    for (const auto& file : std::filesystem::directory_iterator(dir.path())) {
      if (file.path().extension() == ".log") newest = std::max(newest, file.path().string());
    }
    std::ifstream in(newest, std::ios::binary);
    logs.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    EXPECT_TRUE(db->Flush(rocksdb::FlushOptions()).ok());
  }
  return logs;
}

void ExpectSame(const WalFileScan& found, const WalFileScan& want) {
  EXPECT_EQ(found.end, want.end);
  EXPECT_EQ(found.valid_end, want.valid_end);
  EXPECT_EQ(found.batches, want.batches);
  EXPECT_EQ(found.first_sequence, want.first_sequence);
  EXPECT_EQ(found.next_sequence, want.next_sequence);
}

class RecycledLogTest : public ::testing::Test {
 protected:
  // Three logs in one file, each shorter than the one before it, so that of all of them something
  // is left; over them, the newest.
  void SetUp() override {
    const std::vector<std::string> logs = RealLogs({200, 120, 60, 12});
    WalGeneration generation = FirstGeneration(8);
    for (size_t i = 0; i + 1 < logs.size(); ++i) {
      ASSERT_GT(logs[i].size(), logs[i + 1].size() + 2000);
      used_ = FileOver(used_, logs[i], generation);
      generation = generation.Next();
    }
    generation_ = generation;
    log_ = logs.back();
    sectors_ = Sectors(log_, generation_);
    const std::string header = WalHeaderBlock(generation_);
    used_.replace(0, header.size(), header);
    zeroed_ = header + std::string(used_.size() - header.size(), '\0');
  }

  // Sectors of the new log for which `written` says so, over both files: same bytes, same verdict.
  template <class Written>
  WalFileScan ExpectLeftoversDoNotShow(const Written& written) {
    std::string used = used_;
    std::string zeroed = zeroed_;
    for (size_t at = 0; at < sectors_.size(); at += kWalSectorBytes) {
      if (!written(at / kWalSectorBytes)) continue;
      used.replace(kWalHeaderBytes + at, kWalSectorBytes, sectors_, at, kWalSectorBytes);
      zeroed.replace(kWalHeaderBytes + at, kWalSectorBytes, sectors_, at, kWalSectorBytes);
    }
    const std::optional<std::string> over_used = UnframeWal(used);
    EXPECT_TRUE(over_used.has_value());
    EXPECT_EQ(over_used, UnframeWal(zeroed));
    const WalFileScan scan = ScanWalBytes(*over_used, 0);
    ExpectSame(scan, ScanWalBytes(*UnframeWal(zeroed), 0));
    return scan;
  }

  std::string used_;
  std::string zeroed_;
  WalGeneration generation_;
  std::string log_;
  std::string sectors_;
};

TEST_F(RecycledLogTest, LeftoversAreWholeBatchesThatWouldShow) {
  // Else the tests below could not fail.
  const WalGeneration other = FirstGeneration(9);
  const std::string header = WalHeaderBlock(other);
  std::string file = used_;
  file.replace(0, header.size(), header);
  const std::optional<std::string> log = UnframeWal(file);
  ASSERT_TRUE(log.has_value());
  EXPECT_GE(ScanWalBytes(*log, 0).batches, 30u);
}

TEST_F(RecycledLogTest, WhereverTheNewLogEnds) {
  const size_t sectors = sectors_.size() / kWalSectorBytes;
  for (size_t end = 0; end <= sectors; ++end) {
    SCOPED_TRACE(end);
    const WalFileScan scan = ExpectLeftoversDoNotShow([&](size_t sector) { return sector < end; });
    EXPECT_NE(scan.end, WalEnd::kDamagedMid);
    if (end == sectors) {
      EXPECT_EQ(scan.batches, 12u);
      EXPECT_EQ(scan.valid_end, log_.size());
      EXPECT_EQ(scan.end, WalEnd::kClean);
    }
  }
}

TEST_F(RecycledLogTest, WhereverABatchIsCut) {
  // As it was when power was cut: the last sector holds less than the whole log has there.
  for (size_t bytes = 0; bytes <= log_.size(); ++bytes) {
    SCOPED_TRACE(bytes);
    sectors_ = Sectors(std::string_view(log_).substr(0, bytes), generation_);
    ExpectLeftoversDoNotShow([](size_t) { return true; });
    if (HasFailure()) break;
  }
}

TEST_F(RecycledLogTest, WhicheverSectorsAreMissing) {
  Random random(10);
  for (int round = 0; round < 300 && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    ExpectLeftoversDoNotShow([&](size_t) { return random.Chance(0.7); });
  }
}

TEST_F(RecycledLogTest, AFlipIsHealedOrSeen) {
  const std::string file = FileOver(used_, log_, generation_);
  const size_t end = kWalHeaderBytes + sectors_.size();
  Random random(11);
  size_t healed = 0;
  for (int round = 0; round < 3000; ++round) {
    const size_t byte = random.Below(file.size());
    const std::optional<std::string> log = UnframeWal(Flipped(file, 8 * byte + random.Below(8)));
    ASSERT_TRUE(log.has_value());
    const WalFileScan scan = ScanWalBytes(*log, 0);
    const bool clean = scan.end == WalEnd::kClean;
    EXPECT_TRUE(!clean || scan.batches == 12u) << byte << ": a batch is gone without a trace";
    const bool in_stamp = (byte - kWalHeaderBytes) % kWalSectorBytes >= kWalPayloadBytes;
    if (byte < kWalHeaderBytes || (in_stamp && byte < end)) {
      EXPECT_TRUE(clean) << byte;
      ++healed;
    } else if (LogicalWalOffset(byte) < log_.size()) {
      EXPECT_FALSE(clean) << byte;
    } else if (byte >= end && !in_stamp) {
      EXPECT_TRUE(clean) << byte << ": in what an earlier log left";
    } else if (byte >= end) {
      EXPECT_EQ(scan.end, WalEnd::kTorn)
          << byte << ": what an earlier log left is no batch of this";
    }
  }
  EXPECT_GE(healed, 20u);
}

class CutTest : public RecycledLogTest {
 protected:
  void Put(const std::string& bytes) {
    std::filesystem::create_directories(dir_.File("db"));
    std::ofstream(Path(), std::ios::binary | std::ios::trunc) << bytes;
  }
  WalScan Scan() {
    absl::StatusOr<WalScan> scan = ScanWals(*fs_, dir_.File("db"));
    EXPECT_TRUE(scan.ok()) << scan.status();
    return *std::move(scan);
  }
  void Cut(const WalScan& scan) { ASSERT_OK(CutWal(*fs_, scan, dir_.File("damaged"))); }
  // As RocksDB would read it, in pieces of a size of its own.
  std::string Read() {
    std::unique_ptr<rocksdb::FSSequentialFile> file;
    EXPECT_TRUE(fs_->NewSequentialFile(Path(), {}, &file, nullptr).ok());
    EXPECT_TRUE(WalReader::Open(Path(), std::move(file), &file).ok());
    std::string bytes;
    std::string scratch(5000, '\0');
    rocksdb::Slice read;
    do {
      EXPECT_TRUE(file->Read(scratch.size(), {}, &read, scratch.data(), nullptr).ok());
      bytes.append(read.data(), read.size());
    } while (read.size() == scratch.size());
    return bytes;
  }
  [[nodiscard]] std::string Path() const { return dir_.File("db/000010.log"); }

  testing::TempDir dir_;
  std::shared_ptr<rocksdb::FileSystem> fs_ = rocksdb::FileSystem::Default();
};

TEST_F(CutTest, TheLogEndsBehindTheLastGoodBatch) {
  Random random(12);
  const std::string whole = FileOver(used_, log_, generation_);
  for (int round = 0; round < 60 && !HasFailure(); ++round) {
    const size_t bit = 8 * PhysicalWalOffset(random.Below(log_.size())) + random.Below(8);
    SCOPED_TRACE(bit);
    const std::string damaged = Flipped(whole, bit);
    Put(damaged);
    const WalScan scan = Scan();
    ASSERT_NE(scan.end, WalEnd::kClean);
    const WalFileScan& found = scan.files.at(0).scan;
    EXPECT_LE(OffsetInFile(scan.files[0], found.valid_end), bit / 8);
    Cut(scan);
    const WalScan after = Scan();
    EXPECT_EQ(after.end, WalEnd::kClean);
    EXPECT_EQ(after.files.at(0).scan.batches, found.batches);
    EXPECT_EQ(after.files[0].scan.valid_end, found.valid_end);
    EXPECT_EQ(after.files[0].bytes, damaged.size());
    EXPECT_EQ(Read(), WithZeros(log_.substr(0, found.valid_end), damaged));
    std::ifstream copy(dir_.File("damaged/000010.log"), std::ios::binary);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(copy), {}), damaged);
  }
}

TEST_F(CutTest, AFileWithoutAHeaderIsDamagedAndThenEmpty) {
  const std::string whole = FileOver(used_, log_, generation_);
  for (const char with : {'\0', 'x'}) {
    Put(std::string(kWalHeaderBytes, with) + whole.substr(kWalHeaderBytes));
    const WalScan scan = Scan();
    EXPECT_EQ(scan.end, WalEnd::kDamagedMid);
    EXPECT_EQ(OffsetInFile(scan.files.at(0), scan.files[0].scan.valid_end), 0u);
    Cut(scan);
    EXPECT_EQ(Scan().end, WalEnd::kClean);
    EXPECT_EQ(Read(), std::string(LogicalWalOffset(whole.size()), '\0'));
  }
}

TEST_F(CutTest, AFileThatWasOnlyBegunIsEmpty) {
  for (const size_t size : {0, 20, 600, 4096, 8192}) {
    std::string begun = size == 8192 ? std::string() : WalHeaderBlock(generation_);
    begun.resize(size);
    Put(begun);
    const WalScan scan = Scan();
    EXPECT_EQ(scan.end, WalEnd::kClean) << size;
    EXPECT_EQ(scan.files.at(0).scan.batches, 0u) << size;
    EXPECT_EQ(Read().find_first_not_of('\0'), std::string::npos) << size;
  }
}

TEST_F(CutTest, ATruncatedFileHasNothingBehindItsEnd) {
  const std::string whole = FileOver("", log_, generation_);
  for (size_t size = kWalHeaderBytes; size < whole.size(); size += 97) {
    SCOPED_TRACE(size);
    Put(whole.substr(0, size));
    const WalScan scan = Scan();
    EXPECT_NE(scan.end, WalEnd::kDamagedMid);
    const uint64_t valid_end = scan.files.at(0).scan.valid_end;
    EXPECT_EQ(scan.end == WalEnd::kClean,
              valid_end == std::min<uint64_t>(LogicalWalOffset(size), log_.size()));
    if (scan.end != WalEnd::kClean) Cut(scan);
    EXPECT_EQ(Scan().end, WalEnd::kClean);
    EXPECT_EQ(Scan().files.at(0).scan.valid_end, valid_end);
  }
}

}  // namespace
}  // namespace cairn::storage
