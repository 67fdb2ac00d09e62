// The two halves of recovery that decide: how a log ends, and what follows from it.
#include "storage/recovery.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "storage/crc32c.h"
#include "storage/wal_scan.h"

namespace cairn::storage {
namespace {

// ---- The decision ---------------------------------------------------------------------

TEST(RecoveryTest, WhatTheEvidenceMeans) {
  using enum RecoveryVerdict;
  using enum WalEnd;
  struct Case {
    const char* name;
    uint64_t newest;
    std::optional<SideMarkFound> mark;
    WalEnd end;
    RecoveryVerdict want;
  };
  const SideMarkFound same{9, true, false, {}};
  const SideMarkFound other{9, false, false, {}};
  const SideMarkFound damaged{9, true, true, {}};
  const Case cases[] = {
      {"all that the mark names", 9, same, kClean, kSound},
      {"a turn that was synced but not marked", 10, same, kClean, kSound},
      {"power cut, clean end", 9, other, kClean, kSound},
      {"the marked turn is gone", 8, same, kClean, kLost},
      {"gone after a power cut", 8, other, kClean, kLost},
      {"all is gone", 0, same, kClean, kLost},
      {"no mark", 9, std::nullopt, kClean, kLost},
      {"torn by the end of the process", 9, same, kTorn, kSound},
      {"torn by a power cut", 9, other, kTorn, kAmbiguous},
      {"torn far behind an old mark", 50, other, kTorn, kAmbiguous},
      {"torn before the mark", 8, same, kTorn, kLost},
      {"torn before the mark, power cut", 8, other, kTorn, kLost},
      {"whole turns behind damage", 9, same, kDamagedMid, kLost},
      {"whole turns behind damage and an old mark", 50, other, kDamagedMid, kLost},
      {"the damaged slot may have named a later turn", 9, damaged, kClean, kAmbiguous},
      {"the damaged slot was the older one, or is reached", 10, damaged, kClean, kSound},
      {"a process does not tear a slot", 9, damaged, kTorn, kAmbiguous},
  };
  for (const Case& c : cases) {
    const RecoveryDecision decision = DecideRecovery({c.newest, c.mark, c.end, kSound});
    EXPECT_STREQ(ToString(decision.verdict), ToString(c.want)) << c.name;
    EXPECT_NE(decision.detail, "") << c.name;
    for (const RecoveryVerdict earlier : {kAmbiguous, kLost}) {
      EXPECT_EQ(DecideRecovery({c.newest, c.mark, c.end, earlier}).verdict,
                std::max(earlier, c.want))
          << c.name << ": what nobody resolved stays";
    }
  }
}

// ---- The checksum of the log ------------------------------------------------------------

TEST(Crc32cTest, BothWaysAgreeWithTheDefinition) {
  // RFC 3720, B.4.
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  Random random(1);
  std::string bytes;
  for (size_t size = 0; size < 100; ++size) {
    EXPECT_EQ(Crc32cByTable(0, bytes), Crc32c(bytes)) << size;
    const size_t half = random.Below(size + 1);
    EXPECT_EQ(Crc32cExtend(Crc32c(bytes.substr(0, half)), bytes.substr(half)), Crc32c(bytes));
    bytes.push_back(static_cast<char>(random.Next()));
  }
  // Long enough for several stripes side by side.
  for (size_t size = bytes.size(); size < 20000; size += 1 + random.Below(700)) {
    while (bytes.size() < size) bytes.push_back(static_cast<char>(random.Next()));
    EXPECT_EQ(Crc32cByTable(0, bytes), Crc32c(bytes)) << size;
    const size_t part = random.Below(size + 1);
    EXPECT_EQ(Crc32cExtend(Crc32c(bytes.substr(0, part)), bytes.substr(part)), Crc32c(bytes));
  }
}

#if defined(__x86_64__)
TEST(Crc32cTest, RocksDbUsesOurs) {
  // The name that the library's calls are bound to, found in the order in which they are.
  void* const bound = dlsym(RTLD_DEFAULT, "_ZN7rocksdb6crc32c6ExtendEjPKcm");
  ASSERT_NE(bound, nullptr);
  Dl_info where{};
  ASSERT_NE(dladdr(bound, &where), 0);
  EXPECT_EQ(std::string_view(where.dli_fname).find("librocksdb"), std::string_view::npos)
      << where.dli_fname;
}
#endif

// ---- The scan -------------------------------------------------------------------------

constexpr size_t kBlock = 32768;
constexpr size_t kHeader = 7;

uint32_t SlowCrc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

// A log as RocksDB writes it.
class LogWriter {
 public:
  // Appends a batch of `count` sequences whose record takes `bytes` (12 at least), and begins with
  // `note` if there is one.
  void Add(size_t bytes, uint32_t count, std::string_view note = "") {
    std::string data(bytes, 'd');
    if (!note.empty()) {
      data.replace(12, note.size() + 2,
                   std::string{'\3', static_cast<char>(note.size())}.append(note));
    }
    std::memcpy(data.data(), &sequence_, sizeof sequence_);
    std::memcpy(data.data() + 8, &count, sizeof count);
    sequence_ += count;
    begin_ = log_.size();
    std::string_view rest = data;
    bool first = true;
    do {
      size_t left = kBlock - log_.size() % kBlock;
      if (left < kHeader) log_.append(left, '\0');
      left = kBlock - log_.size() % kBlock - kHeader;
      const std::string_view part = rest.substr(0, left);
      rest.remove_prefix(part.size());
      const bool last = rest.empty();
      Emit(static_cast<char>(first ? (last ? 1 : 2) : (last ? 4 : 3)), part);
      first = false;
    } while (!rest.empty());
  }
  void Skip(uint32_t sequences) { sequence_ += sequences; }
  // Where the last batch begins.
  [[nodiscard]] size_t begin() const { return begin_; }
  [[nodiscard]] const std::string& log() const { return log_; }
  [[nodiscard]] uint64_t sequence() const { return sequence_; }

 private:
  void Emit(char type, std::string_view part) {
    std::string covered = type + std::string(part);
    const uint32_t crc = SlowCrc32c(covered);
    const uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
    const auto length = static_cast<uint16_t>(part.size());
    log_.append(reinterpret_cast<const char*>(&masked), 4);
    log_.append(reinterpret_cast<const char*>(&length), 2);
    log_ += covered;
  }

  std::string log_;
  uint64_t sequence_ = 1000;
  size_t begin_ = 0;
};

TEST(WalScanTest, FollowsBatchesWhereverBlocksEnd) {
  // The second batch begins with 0 … 40 bytes left in its block: its header may be split.
  for (size_t left = 0; left <= 40; ++left) {
    SCOPED_TRACE(left);
    LogWriter writer;
    writer.Add(kBlock - kHeader - left, 3);
    writer.Add(2 * kBlock, 4);
    writer.Add(12, 1);
    for (const size_t zeros : {0, 1, 100, 100000}) {
      const WalFileScan scan = ScanWalBytes(writer.log() + std::string(zeros, '\0'), 0);
      EXPECT_EQ(scan.end, WalEnd::kClean);
      EXPECT_EQ(scan.batches, 3u);
      EXPECT_EQ(scan.first_sequence, 1000u);
      EXPECT_EQ(scan.next_sequence, 1008u);
      EXPECT_EQ(scan.valid_end, writer.log().size());
    }
  }
}

TEST(WalScanTest, AnythingMissingFromTheLastBatchIsATornEnd) {
  LogWriter writer;
  writer.Add(500, 2);
  writer.Add(kBlock, 5);
  const std::string& log = writer.log();
  for (size_t cut = writer.begin() + 1; cut < log.size(); cut += cut % 211 + 1) {
    SCOPED_TRACE(cut);
    for (const size_t zeros : {0, 3, 70000}) {
      const WalFileScan scan = ScanWalBytes(log.substr(0, cut) + std::string(zeros, '\0'), 0);
      EXPECT_EQ(scan.end, WalEnd::kTorn);
      EXPECT_EQ(scan.valid_end, writer.begin());
      EXPECT_EQ(scan.next_sequence, 1002u);
    }
  }
  Random random(1);
  for (int i = 0; i < 300; ++i) {
    std::string flipped = log + std::string(1000, '\0');
    const size_t bit = (writer.begin() * 8) + random.Below((log.size() - writer.begin()) * 8);
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(ScanWalBytes(flipped, 0).end, WalEnd::kTorn) << bit;
  }
}

TEST(WalScanTest, WholeBatchesBehindDamageAreNoTornEnd) {
  LogWriter writer;
  writer.Add(500, 2);
  const size_t begin = writer.log().size();
  writer.Add(kBlock, 5);
  const size_t end = writer.log().size();
  // Its header is split over two blocks, too.
  writer.Add(2 * kBlock - writer.log().size() % kBlock - 2 * kHeader - 9, 1);
  writer.Add(400, 1);
  Random random(1);
  for (int i = 0; i < 100; ++i) {
    std::string flipped = writer.log();
    const size_t bit = begin * 8 + random.Below((end - begin) * 8);
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const WalFileScan scan = ScanWalBytes(flipped, 0);
    EXPECT_EQ(scan.end, WalEnd::kDamagedMid) << bit;
    EXPECT_EQ(scan.valid_end, begin) << bit;
  }
  std::string hole = writer.log();
  std::memset(hole.data() + begin, 0, end - begin);
  EXPECT_EQ(ScanWalBytes(hole, 0).end, WalEnd::kDamagedMid);
}

TEST(WalScanTest, AMissingBatchShows) {
  LogWriter writer;
  writer.Add(100, 2);
  writer.Skip(3);
  writer.Add(100, 1);
  const WalFileScan scan = ScanWalBytes(writer.log(), 0);
  EXPECT_EQ(scan.end, WalEnd::kDamagedMid);
  EXPECT_EQ(scan.batches, 1u);
}

TEST(WalScanTest, IngestingARunTakesOneSequenceBehindItsNote) {
  struct Case {
    const char* name;
    std::string_view note;
    uint32_t missing;
    WalEnd want;
  };
  const Case cases[] = {
      {"none was taken", kBeforeIngestion, 0, WalEnd::kClean},
      {"one was", kBeforeIngestion, 1, WalEnd::kClean},
      {"more than it takes", kBeforeIngestion, 2, WalEnd::kDamagedMid},
      {"another note", "cairn-digest", 1, WalEnd::kDamagedMid},
      {"no note", "", 1, WalEnd::kDamagedMid},
  };
  for (const Case& c : cases) {
    // The batch with the note begins with 0 … 60 bytes left in its block: the note may be split.
    for (size_t left = 0; left <= 60; ++left) {
      SCOPED_TRACE(c.name);
      LogWriter writer;
      writer.Add(kBlock - kHeader - left, 1);
      writer.Add(100, 2, c.note);
      writer.Skip(c.missing);
      writer.Add(100, 1);
      EXPECT_EQ(ScanWalBytes(writer.log(), 0).end, c.want) << left;
    }
  }
}

TEST(WalScanTest, TheGapOfARunIsNotExcusedTwice) {
  LogWriter writer;
  writer.Add(100, 2, kBeforeIngestion);
  writer.Skip(1);
  writer.Add(100, 1);
  writer.Skip(1);
  writer.Add(100, 1);
  EXPECT_EQ(ScanWalBytes(writer.log(), 0).end, WalEnd::kDamagedMid);
}

TEST(WalScanTest, SomebodyElsesLogInATornPayloadIsNoBatch) {
  LogWriter inner;  // A file that was streamed into a log: its batches are whole.
  inner.Skip(1'000'000);
  inner.Add(100, 1);
  inner.Add(100, 1);
  LogWriter writer;
  writer.Add(100, 2);
  const size_t begin = writer.log().size();
  writer.Add(2000, 1);
  std::string torn = writer.log();
  torn.replace(begin + 100, inner.log().size(), inner.log());
  const WalFileScan scan = ScanWalBytes(torn, 0);
  EXPECT_EQ(scan.end, WalEnd::kTorn);
  EXPECT_EQ(scan.valid_end, begin);
}

}  // namespace
}  // namespace cairn::storage
