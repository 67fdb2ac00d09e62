// Write-ahead log files as a crash, a broken disk or nobody may have left them:
// storage/wal_frames.h, wal_scan.h, wal_reader.h.
//
// The first byte picks the form: bytes of a log; sectors behind a header that is right, or is not;
// records with right checksums, whose order and sequences the input chooses, and then some bytes
// changed. Beyond "no crash": what a scan calls valid scans clean and the same by itself; all
// readers of a file agree; and once the log was cut, the trouble is gone and what was valid is not.
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "base/check.h"
#include "storage/crc32c.h"
#include "storage/wal_frames.h"
#include "storage/wal_reader.h"
#include "storage/wal_scan.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

using namespace storage;  // The whole subject.

enum Form : uint8_t { kLog, kSectors, kFile, kRecords };
constexpr uint8_t kForms = kRecords + 1;

const WalGeneration& Generation() {
  static const WalGeneration generation = FirstGeneration(17).Next();
  return generation;
}

// A file in memory that is read from its beginning on.
class MemoryFile : public rocksdb::FSSequentialFile {
 public:
  explicit MemoryFile(std::string_view bytes) : rest_(bytes) {}
  rocksdb::IOStatus Read(size_t n, const rocksdb::IOOptions&, rocksdb::Slice* result, char* scratch,
                         rocksdb::IODebugContext*) override {
    const size_t got = std::min(n, rest_.size());
    std::memcpy(scratch, rest_.data(), got);
    rest_.remove_prefix(got);
    *result = rocksdb::Slice(scratch, got);
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Skip(uint64_t n) override {
    rest_.remove_prefix(std::min<uint64_t>(n, rest_.size()));
    return rocksdb::IOStatus::OK();
  }

 private:
  std::string_view rest_;
};

WalFileScan CheckScan(std::string_view log) {
  const WalFileScan scan = ScanWalBytes(log, 0);
  CHECK_LE(scan.valid_end, log.size());
  CHECK_EQ(scan.batches == 0, scan.valid_end == 0);
  const WalFileScan valid = ScanWalBytes(log.substr(0, scan.valid_end), 0);
  CHECK(valid.end == WalEnd::kClean);
  CHECK_EQ(valid.batches, scan.batches);
  CHECK_EQ(valid.next_sequence, scan.next_sequence);
  return scan;
}

// What RocksDB would read; nullopt: it cannot open the file.
std::optional<std::string> ReadAll(std::string_view file) {
  std::unique_ptr<rocksdb::FSSequentialFile> reader;
  if (!WalReader::Open("wal", std::make_unique<MemoryFile>(file), &reader).ok()) {
    return std::nullopt;
  }
  std::string all;
  std::string buffer(700, '\0');  // Neither a sector nor a chunk.
  rocksdb::Slice read;
  do {
    CHECK(reader->Read(buffer.size(), {}, &read, buffer.data(), nullptr).ok());
    all.append(read.data(), read.size());
  } while (!read.empty());
  return all;
}

// Cuts the log in a database folder of this file and another behind it.
void CheckCut(const std::string& file) {
  static rocksdb::Env* const env = rocksdb::NewMemEnv(rocksdb::Env::Default());
  rocksdb::FileSystem& fs = *env->GetFileSystem();
  CHECK(fs.CreateDirIfMissing("/db", {}, nullptr).ok());
  for (const char* path : {"/db/000003.log", "/db/000004.log"}) {
    CHECK(rocksdb::WriteStringToFile(&fs, file, path).ok());
  }
  const auto scan = ScanWals(fs, "/db");
  CHECK(scan.ok());
  CHECK_EQ(scan->files.size(), 2u);
  if (scan->end == WalEnd::kClean) return;
  CHECK(CutWal(fs, *scan, "/kept").ok());
  const auto after = ScanWals(fs, "/db");
  CHECK(after.ok());
  CHECK(after->end == WalEnd::kClean);
  for (size_t i = 0; i < scan->files.size(); ++i) {
    const uint64_t batches = i < scan->bad_file ? scan->files[i].scan.batches : 0;
    CHECK_GE(after->files[i].scan.batches, batches);
  }
  CHECK_EQ(after->files[scan->bad_file].scan.valid_end, scan->files[scan->bad_file].scan.valid_end);
}

void CheckFile(const std::string& file) {
  const auto generation = ReadWalHeader(file);
  const std::optional<std::string> log = UnframeWal(file);
  const std::optional<std::string> read = ReadAll(file);
  CHECK_EQ(read.has_value(), generation.has_value());
  if (log) {
    CHECK(read.has_value());
    // The reader meets a file that was never used as one that is empty.
    if (generation->number != 0) CHECK(*log == *read);
    CheckScan(*log);
  }
  CheckCut(file);
}

// As RocksDB writes it: masked CRC-32C, length, type, data.
void AppendLogRecord(uint8_t type, std::string_view data, std::string& log) {
  const std::string covered = Number(type, 1) + std::string(data);
  const uint32_t crc = Crc32c(covered);
  log += Number(((crc >> 15) | (crc << 17)) + 0xa282ead8u, 4) + Number(data.size(), 2) + covered;
}

std::string Sectors(std::string_view log) {
  const uint64_t stamp = StampOf(Generation());
  std::string sectors(FramedWalBytes(log.size()), '\0');
  size_t used = 0;
  CHECK_EQ(FramePayload(log, stamp, sectors.data(), sectors.size(), &used), log.size());
  sectors.resize(SealSector(stamp, sectors.data(), used));
  return sectors;
}

// type, sequence, count, data, for each record; then changes of single bytes.
std::string LogOf(Input input) {
  std::string log;
  const uint8_t records = input.Byte() % 16;
  for (uint8_t i = 0; i < records; ++i) {
    const auto type = static_cast<uint8_t>(input.Byte() % 6);
    const std::string head = Number(input.Byte()) + Number(input.Byte(), 4);
    const std::string_view data = input.Take(input.Byte());
    AppendLogRecord(type, type >= 3 ? std::string(data) : head + std::string(data), log);
  }
  while (!input.empty() && !log.empty()) {
    const uint64_t at = input.Number(2);
    log[at % log.size()] ^= static_cast<char>(input.Byte());
  }
  return log;
}

void Run(std::string_view bytes) {
  Input input(bytes);
  switch (static_cast<Form>(input.Byte() % kForms)) {
    case kLog:
      CheckScan(input.Rest());
      return;
    case kSectors:
      return CheckFile(WalHeaderBlock(Generation()) + std::string(input.Rest()));
    case kFile:
      return CheckFile(std::string(input.Rest()));
    case kRecords: {
      const std::string log = LogOf(input);
      CheckScan(log);
      return CheckFile(WalHeaderBlock(Generation()) + Sectors(log));
    }
  }
}

std::string Of(Form form, const std::string& value) { return Number(form, 1) + value; }

// Of LogOf().
std::string Record(uint8_t type, uint8_t sequence, uint8_t count, const std::string& data) {
  return Number(type, 1) + Number(sequence, 1) + Number(count, 1) + Number(data.size(), 1) + data;
}

std::vector<Seed> Seeds() {
  std::string log;
  AppendLogRecord(1, Number(5) + Number(2, 4) + "first", log);
  AppendLogRecord(1, Number(7) + Number(1, 4) + "second", log);
  const std::string three = Number(3, 1) + Record(1, 5, 2, "a whole batch") +
                            Record(2, 7, 1, "the begin of one") + Record(4, 0, 0, "its end");
  return {
      {"log", Of(kLog, log)},
      {"log-with-zeros", Of(kLog, log + std::string(40, '\0'))},
      {"sectors", Of(kSectors, Sectors(log))},
      {"header", Of(kFile, WalHeaderBlock(Generation()).substr(0, 1024))},
      {"records", Of(kRecords, three)},
      {"records-torn", Of(kRecords, three + Number(60, 2) + "x")},
      {"records-damaged", Of(kRecords, three + Number(9, 2) + "x")},
      {"records-gap", Of(kRecords, Number(2, 1) + Record(1, 5, 1, "x") + Record(1, 9, 1, "y"))},
  };
}

const Registered registered({.name = "wal", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
