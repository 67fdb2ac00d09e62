#include "storage/wal_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "base/check.h"
#include "base/status_macros.h"
#include "storage/crc32c.h"
#include "storage/rocks_status.h"

namespace cairn::storage {
namespace {

constexpr uint64_t kBlockBytes = 32768;
constexpr uint64_t kHeaderBytes = 7;
constexpr uint64_t kBatchHeaderBytes = 12;

enum RecordType : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

// RocksDB masks its CRCs, so that a CRC over bytes that hold CRCs stays useful.
uint32_t Masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

template <class T>
T Load(std::string_view bytes, uint64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

struct Record {
  RecordType type;
  std::string_view data;
  uint64_t end;  // Offset behind it.
};

// The record at `offset`, if a whole one stands there that matches its checksum.
std::optional<Record> RecordAt(std::string_view bytes, uint64_t offset) {
  const uint64_t block_end =
      std::min<uint64_t>((offset / kBlockBytes + 1) * kBlockBytes, bytes.size());
  if (offset + kHeaderBytes > block_end) return std::nullopt;
  const auto length = Load<uint16_t>(bytes, offset + 4);
  const auto type = Load<uint8_t>(bytes, offset + 6);
  if (type < kFull || type > kLast || offset + kHeaderBytes + length > block_end) {
    return std::nullopt;
  }
  const std::string_view covered = bytes.substr(offset + 6, 1 + length);
  if (Masked(Crc32c(covered)) != Load<uint32_t>(bytes, offset)) return std::nullopt;
  return Record{static_cast<RecordType>(type), covered.substr(1), offset + kHeaderBytes + length};
}

// Where the next record begins that follows one which ends at `offset`: a header never
// straddles blocks, the writer fills the rest with zeros.
uint64_t SkipTrailer(uint64_t offset) {
  const uint64_t left_in_block = kBlockBytes - offset % kBlockBytes;
  return left_in_block < kHeaderBytes ? offset + left_in_block : offset;
}

struct BatchHeader {
  uint64_t sequence = 0;
  uint64_t count = 0;
  bool before_ingestion = false;
};

// How a batch's first note looks: its kind, its length (one byte: it is short), the note.
std::string NoteBytes() {
  constexpr char kLogData = 3;
  return std::string{kLogData, static_cast<char>(kBeforeIngestion.size())}.append(kBeforeIngestion);
}

// Whether a batch of sequence `found` may follow one that ends before `next`.
bool Follows(uint64_t found, uint64_t next, bool before_ingestion) {
  return found == next || (before_ingestion && found == next + kIngestionSequences);
}

// The header of the batch that begins with `record`: its bytes may go on in the next one.
std::optional<BatchHeader> HeaderOfBatch(std::string_view bytes, const Record& record) {
  static const std::string kNote = NoteBytes();
  const size_t wanted = kBatchHeaderBytes + kNote.size();
  std::string head(record.data.substr(0, wanted));
  if (record.type == kFirst && head.size() < wanted) {
    const std::optional<Record> next = RecordAt(bytes, SkipTrailer(record.end));
    if (next && (next->type == kMiddle || next->type == kLast)) {
      head += next->data.substr(0, wanted - head.size());
    }
  }
  if (head.size() < kBatchHeaderBytes) return std::nullopt;
  return BatchHeader{Load<uint64_t>(head, 0), Load<uint32_t>(head, 8),
                     std::string_view(head).substr(kBatchHeaderBytes) == kNote};
}

// Whether a batch behind sequence `next` (0: not known) begins anywhere behind `offset`. A batch is
// only written once the one before it is synced, so this tells damage from a torn end. Every byte
// is tried: the length of a damaged record is worth nothing. A payload may hold somebody
// else's log: its sequences will not fit.
bool BatchBeginsBehind(std::string_view bytes, uint64_t offset, uint64_t next) {
  for (; offset + kHeaderBytes <= bytes.size(); ++offset) {
    const auto type = Load<uint8_t>(bytes, offset + 6);
    if (type != kFull && type != kFirst) continue;
    const std::optional<Record> record = RecordAt(bytes, offset);
    if (!record) continue;
    const std::optional<BatchHeader> header = HeaderOfBatch(bytes, *record);
    // Each sequence takes a byte at least.
    if (!header || header->sequence <= next) continue;
    if (next == 0 || header->sequence - next <= bytes.size()) return true;
  }
  return false;
}

// Follows the records of a file, gathering them into batches.
class Scanner {
 public:
  Scanner(std::string_view bytes, uint64_t expected) : bytes_(bytes), expected_(expected) {}

  WalFileScan Run() {
    uint64_t offset = 0;
    while (true) {
      offset = SkipTrailer(offset);
      if (offset >= bytes_.size()) break;
      if (AllZero(bytes_.substr(offset))) break;
      const std::optional<Record> record = RecordAt(bytes_, offset);
      if (!record || !Take(*record)) return Bad(offset);
      offset = record->end;
    }
    if (in_batch_) return Bad(offset);
    return scan_;
  }

 private:
  // False when the record cannot stand where it does.
  bool Take(const Record& record) {
    const bool begins = record.type == kFull || record.type == kFirst;
    if (begins == in_batch_) return false;
    if (begins && !Begin(record)) return false;
    in_batch_ = record.type == kFirst || record.type == kMiddle;
    if (in_batch_) return true;
    scan_.valid_end = record.end;
    scan_.next_sequence = expected_ = batch_.sequence + batch_.count;
    scan_.before_ingestion = batch_.before_ingestion;
    ++scan_.batches;
    return true;
  }

  bool Begin(const Record& record) {
    const std::optional<BatchHeader> header = HeaderOfBatch(bytes_, record);
    if (!header) return false;
    batch_ = *header;
    if (scan_.batches == 0) {
      scan_.first_sequence = batch_.sequence;
      return true;
    }
    return Follows(batch_.sequence, scan_.next_sequence, scan_.before_ingestion);
  }

  WalFileScan Bad(uint64_t offset) {
    // A batch in order that only stands behind a gap is found at `offset` itself.
    scan_.end = BatchBeginsBehind(bytes_, offset, expected_) ? WalEnd::kDamagedMid : WalEnd::kTorn;
    return scan_;
  }

  const std::string_view bytes_;
  uint64_t expected_;  // Sequence of the next batch; 0: not known.
  WalFileScan scan_;
  bool in_batch_ = false;
  BatchHeader batch_;
};

// Judges the files together: trouble in one that has batches behind it is no torn end.
void JudgeTogether(WalScan& scan) {
  uint64_t next_sequence = 0;
  bool before_ingestion = false;
  for (size_t i = 0; i < scan.files.size(); ++i) {
    WalFileScan& file = scan.files[i].scan;
    if (file.batches > 0) {
      const bool gap =
          next_sequence != 0 && !Follows(file.first_sequence, next_sequence, before_ingestion);
      if (scan.end != WalEnd::kClean || gap) {
        if (scan.end == WalEnd::kClean) {
          scan.bad_file = i;
          file.valid_end = 0;
        }
        scan.end = WalEnd::kDamagedMid;
        return;
      }
      next_sequence = file.next_sequence;
      before_ingestion = file.before_ingestion;
    }
    if (file.end == WalEnd::kClean) continue;
    if (scan.end == WalEnd::kClean) {
      scan.bad_file = i;
      scan.end = file.end;
    } else {
      scan.end = WalEnd::kDamagedMid;
    }
  }
}

absl::Status CopyFile(rocksdb::FileSystem& fs, const std::string& from, const std::string& to) {
  std::string bytes;
  RETURN_IF_ERROR(FromRocks(rocksdb::ReadFileToString(&fs, from, &bytes)));
  return FromRocks(rocksdb::WriteStringToFile(&fs, bytes, to, /*should_sync=*/true));
}

absl::Status ZeroFrom(rocksdb::FSRandomRWFile& file, uint64_t offset, uint64_t end) {
  static const std::string kZeros(1 << 20, '\0');
  while (offset < end) {
    const uint64_t n = std::min<uint64_t>(kZeros.size(), end - offset);
    RETURN_IF_ERROR(FromRocks(
        file.Write(offset, rocksdb::Slice(kZeros.data(), n), rocksdb::IOOptions(), nullptr)));
    offset += n;
  }
  return absl::OkStatus();
}

// Makes the log in `file` end at `good` bytes of the file, which may be within a sector.
absl::Status CutFile(rocksdb::FileSystem& fs, const WalFile& file, uint64_t good) {
  const rocksdb::IOOptions io;
  std::unique_ptr<rocksdb::FSRandomRWFile> out;
  RETURN_IF_ERROR(FromRocks(fs.NewRandomRWFile(file.path, rocksdb::FileOptions(), &out, nullptr)));
  const uint64_t in_sector = good % kWalSectorBytes;
  const uint64_t behind = in_sector == 0 ? good : good - in_sector + kWalSectorBytes;
  RETURN_IF_ERROR(ZeroFrom(*out, behind, file.bytes));
  if (in_sector > 0) {
    std::string sector(kWalSectorBytes, '\0');
    rocksdb::Slice read;
    RETURN_IF_ERROR(
        FromRocks(out->Read(good - in_sector, in_sector, io, &read, sector.data(), nullptr)));
    CHECK_EQ(read.size(), in_sector);
    std::memmove(sector.data(), read.data(), read.size());
    SealSector(StampOf(*file.generation), sector.data(), in_sector);
    RETURN_IF_ERROR(FromRocks(out->Write(good - in_sector, sector, io, nullptr)));
  }
  RETURN_IF_ERROR(FromRocks(out->Fsync(io, nullptr)));
  return FromRocks(out->Close(io, nullptr));
}

}  // namespace

std::optional<uint64_t> WalNumberOf(std::string_view name) {
  constexpr std::string_view kSuffix = ".log";
  if (name.size() <= kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  uint64_t number = 0;
  const char* end = name.data() + name.size() - kSuffix.size();
  const auto [stop, error] = std::from_chars(name.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

WalFileScan ScanWalBytes(std::string_view bytes, uint64_t expected_sequence) {
  return Scanner(bytes, expected_sequence).Run();
}

uint64_t WholeRecordsEnd(std::string_view bytes) {
  uint64_t end = 0;
  while (end < bytes.size()) {
    const uint64_t begin = std::min<uint64_t>(SkipTrailer(end), bytes.size());
    if (!AllZero(bytes.substr(end, begin - end))) break;
    const std::optional<Record> record = RecordAt(bytes, begin);
    if (!record) return begin == bytes.size() ? begin : end;
    end = record->end;
  }
  return end;
}

uint64_t OffsetInFile(const WalFile& file, uint64_t log_offset) {
  return file.generation ? PhysicalWalOffset(log_offset) : 0;
}

absl::StatusOr<WalScan> ScanWals(rocksdb::FileSystem& fs, const std::string& db_dir) {
  std::vector<std::string> names;
  RETURN_IF_ERROR(FromRocks(fs.GetChildren(db_dir, rocksdb::IOOptions(), &names, nullptr)));
  WalScan scan;
  for (const std::string& name : names) {
    if (const auto number = WalNumberOf(name)) {
      scan.files.push_back({fmt::format("{}/{}", db_dir, name), *number, 0, {}, {}});
    }
  }
  std::sort(scan.files.begin(), scan.files.end(),
            [](const WalFile& a, const WalFile& b) { return a.number < b.number; });
  uint64_t expected = 0;
  for (WalFile& file : scan.files) {
    std::string bytes;
    RETURN_IF_ERROR(FromRocks(rocksdb::ReadFileToString(&fs, file.path, &bytes)));
    file.bytes = bytes.size();
    file.generation = ReadWalHeader(bytes);
    const std::optional<std::string> log = UnframeWal(std::move(bytes));
    if (log) {
      file.scan = ScanWalBytes(*log, expected);
    } else {
      // A header is durable before a batch is written: this is never the work of a crash.
      file.generation.reset();
      file.scan.end = WalEnd::kDamagedMid;
    }
    if (file.scan.batches > 0) expected = file.scan.next_sequence;
  }
  JudgeTogether(scan);
  return scan;
}

absl::Status CutWal(rocksdb::FileSystem& fs, const WalScan& scan, const std::string& keep_dir) {
  CHECK(scan.end != WalEnd::kClean);
  const rocksdb::IOOptions io;
  RETURN_IF_ERROR(FromRocks(fs.CreateDirIfMissing(keep_dir, io, nullptr)));
  for (size_t i = scan.bad_file; i < scan.files.size(); ++i) {
    const WalFile& file = scan.files[i];
    RETURN_IF_ERROR(CopyFile(fs, file.path, fmt::format("{}/{:06}.log", keep_dir, file.number)));
  }
  // From the back: if this is interrupted, the next start finds the same trouble again.
  for (size_t i = scan.files.size(); i-- > scan.bad_file;) {
    const WalFile& file = scan.files[i];
    const uint64_t good = OffsetInFile(file, i == scan.bad_file ? file.scan.valid_end : 0);
    RETURN_IF_ERROR(CutFile(fs, file, good));
  }
  return absl::OkStatus();
}

}  // namespace cairn::storage
