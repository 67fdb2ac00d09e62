#include "storage/check_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/check_tables.h"
#include "storage/rocks_status.h"
#include "storage/side_mark.h"

namespace cairn::storage {
namespace {

using Kind = Finding::Kind;

constexpr const char* kStartRebuilds =
    "start the node: it makes a new database of what can be read and is refilled by its peers; "
    "alone, or if no peer is whole, restore a backup";
constexpr const char* kStartCuts =
    "start the node: it cuts its log there, keeps a copy, and is refilled by its peers; alone, or "
    "if no peer is whole, restore a backup";
constexpr const char* kStartMends = "start the node: it writes the file anew";
constexpr const char* kReplaceDisk =
    "the disk cannot read it: replace the disk, and let the node be refilled by its peers";

class FileCheck {
 public:
  FileCheck(rocksdb::FileSystem& fs, const DataDir& dir, const CheckProgress& progress,
            CheckReport& report)
      : fs_(fs), dir_(dir), progress_(progress), report_(report) {}

  absl::StatusOr<CheckedFiles> Run() {
    RETURN_IF_ERROR(List());
    found_.mark = SideMark::Load(fs_, dir_.File("MARK"), CurrentBootId());
    ASSIGN_OR_RETURN(found_.wals, ScanWals(fs_, dir_.File("db")));
    for (const Listed& file : files_) {
      Check(file.name);
      done_ += file.bytes;
      progress_("files", done_, report_.bytes);
    }
    CheckPresent();
    return std::move(found_);
  }

 private:
  struct Listed {
    std::string name;  // Below the directory.
    uint64_t bytes = 0;
  };

  absl::Status List() {
    std::error_code error;
    using Walk = std::filesystem::recursive_directory_iterator;
    for (Walk it(dir_.path(), error), end; !error && it != end; it.increment(error)) {
      std::error_code no_file;
      if (!it->is_regular_file(no_file)) continue;
      files_.push_back(
          {std::filesystem::relative(it->path(), dir_.path()).string(), it->file_size(no_file)});
      report_.bytes += files_.back().bytes;
    }
    if (error) {
      return absl::UnavailableError(
          ToAbsl(fmt::format("data directory {}: {}", dir_.path(), error.message())));
    }
    report_.files = files_.size();
    std::sort(files_.begin(), files_.end(),
              [](const Listed& a, const Listed& b) { return a.name < b.name; });
    return absl::OkStatus();
  }

  void Add(Kind kind, std::string file, std::string what, std::string advice) {
    report_.Add({kind, std::move(file), std::move(what), std::move(advice)});
  }
  void Damaged(const std::string& file, std::string what, const char* advice) {
    if (!what.empty()) Add(Kind::kDamage, file, std::move(what), advice);
  }

  void Check(const std::string& name) {
    if (name.starts_with("db/") && name.ends_with(".sst")) {
      return Damaged(name, DamageOfTable(dir_.File(name.c_str())), kStartRebuilds);
    }
    if (name.starts_with("db/") && WalNumberOf(name.substr(3))) return CheckWal(name);
    if (name.starts_with("db/MANIFEST-")) return CheckManifest(name);
    if (name == "db/CURRENT") return CheckCurrent(name);
    if (name == "MARK") return CheckMark(name);
    if (name == "IDENTITY") {
      return Damaged(name, dir_.LoadIdentity().ok() ? "" : "it does not match its checksum",
                     kStartMends);
    }
    if (name == "FORMAT") return CheckFormat(name);
    if (name == "VERDICT" || name == "DAMAGED") return CheckNote(name);
    if (name.starts_with("damaged/") && !std::exchange(evidence_is_told_, true)) {
      Add(Kind::kRemark, "damaged", "copies of what earlier starts had to cut",
          "delete them once all logs are whole");
    }
    ReadThrough(name);
  }

  // Whole. Unreadable: a finding, and nullopt.
  std::optional<std::string> Read(const std::string& name) {
    std::string bytes;
    const rocksdb::IOStatus status =
        rocksdb::ReadFileToString(&fs_, dir_.File(name.c_str()), &bytes);
    if (status.ok()) return bytes;
    Add(Kind::kDamage, name, status.ToString(), kReplaceDisk);
    return std::nullopt;
  }

  void ReadThrough(const std::string& name) {
    std::ifstream in(dir_.File(name.c_str()), std::ios::binary);
    std::string chunk(1 << 20, '\0');
    while (in.read(chunk.data(), static_cast<std::streamsize>(chunk.size()))) {
    }
    if (!in.eof()) Add(Kind::kDamage, name, "it cannot be read", kReplaceDisk);
  }

  void CheckFormat(const std::string& name) {
    const std::optional<std::string> text = Read(name);
    if (text && *text == DataDir::FormatText()) return;
    Damaged(name, fmt::format("it should read \"{}\"", DataDir::FormatText()),
            "write that line back; a start does so by itself if IDENTITY is whole");
  }

  // What an earlier process found.
  void CheckNote(const std::string& name) {
    std::string text = Read(name).value_or("");
    std::replace(text.begin(), text.end(), '\n', ' ');
    Add(Kind::kDamage, name, fmt::format("noted by the node: {}", text),
        "start the node, if it does not run: it mends itself with the help of its peers, and takes "
        "the note away");
  }

  void CheckMark(const std::string& name) {
    const std::optional<std::string> bytes = Read(name);
    if (bytes) {
      Damaged(name, DamageOfMark(*bytes),
              "start the node: it goes by the other slot and writes the file anew; if it cannot "
              "tell what was acknowledged, it asks its peers");
    }
  }

  void CheckCurrent(const std::string& name) {
    const std::optional<std::string> text = Read(name);
    if (!text) return;
    std::string file = *text;
    const bool ends = !file.empty() && file.back() == '\n';
    if (ends) file.pop_back();
    const bool is_there = std::any_of(files_.begin(), files_.end(), [&](const Listed& listed) {
      return listed.name == "db/" + file && listed.name.starts_with("db/MANIFEST-");
    });
    if (!ends || !is_there) {
      Damaged(name, fmt::format("it names no manifest that is there: \"{}\"", file),
              kStartRebuilds);
    }
  }

  // The mark names a length through which the manifest was synced. What is behind that may have
  // been cut short by the end of the process.
  void CheckManifest(const std::string& name) {
    const std::optional<std::string> bytes = Read(name);
    if (!bytes) return;
    const ManifestExtent marked = found_.mark ? found_.mark->manifest : ManifestExtent{};
    const bool is_marked = name == fmt::format("db/MANIFEST-{:06}", marked.number);
    if (is_marked && bytes->size() < marked.bytes) {
      return Damaged(name, fmt::format("{} bytes, {} were synced", bytes->size(), marked.bytes),
                     kStartRebuilds);
    }
    const uint64_t end = WholeRecordsEnd(*bytes);
    if (end == bytes->size()) return;
    const std::string what = fmt::format("byte {} of {}: no whole record", end, bytes->size());
    if (!is_marked || end < marked.bytes) return Damaged(name, what, kStartRebuilds);
    Add(Kind::kRemark, name, what + ", behind what was synced", "");
  }

  void CheckWal(const std::string& name) {
    const WalFile* file = nullptr;
    for (const WalFile& wal : found_.wals.files) {
      if (wal.path == dir_.File(name.c_str())) file = &wal;
    }
    std::optional<std::string> bytes = Read(name);
    if (file == nullptr || !bytes) return;
    if (!file->generation) return Damaged(name, "no copy of its header is whole", kStartCuts);
    CheckWalHeader(name, *file, *bytes);
    CheckStamps(name, *file, *bytes);
    CheckTurns(name, *file, std::move(*bytes));
  }

  // A copy that a power cut left as it was is of an earlier generation, and whole.
  void CheckWalHeader(const std::string& name, const WalFile& file, std::string_view bytes) {
    if (file.generation->number == 0) return;
    for (size_t at = 0; at + kWalSectorBytes <= std::min<size_t>(bytes.size(), kWalHeaderBytes);
         at += kWalSectorBytes) {
      const std::string_view copy = bytes.substr(at, kWalSectorBytes);
      const std::optional<WalGeneration> read = ReadWalHeader(copy);
      if (read && read->number != 0 && copy == WalHeaderBlock(*read).substr(0, kWalSectorBytes)) {
        continue;
      }
      Damaged(name, fmt::format("byte {}: a copy of its header", at),
              "none is needed: any other copy is enough, and the file is replaced in time");
    }
  }

  // Up to the end of its log, a sector without a stamp is damage even if its payload is whole.
  void CheckStamps(const std::string& name, const WalFile& file, std::string_view bytes) {
    const uint64_t end = PhysicalWalOffset(file.scan.valid_end);
    if (file.generation->number == 0) return;
    for (uint64_t at = kWalHeaderBytes; at + kWalSectorBytes <= bytes.size();
         at += kWalSectorBytes) {
      const WalSector kind = KindOfSector(*file.generation, bytes.substr(at, kWalSectorBytes));
      if (kind == WalSector::kCurrent || (at >= end && kind != WalSector::kUnknown)) continue;
      const bool matters = at < end;
      Add(matters ? Kind::kDamage : Kind::kRemark, name,
          fmt::format("byte {}: the stamp of a sector{}", at + kWalPayloadBytes,
                      matters ? "" : " behind the log's end"),
          matters ? kStartCuts : "none is needed: nothing was stored there");
    }
  }

  void CheckTurns(const std::string& name, const WalFile& file, std::string bytes) {
    const std::optional<std::string> log = UnframeWal(std::move(bytes));
    const uint64_t end = file.scan.valid_end;
    if (log && WholeRecordsEnd(std::string_view(*log).substr(0, end)) < end) {
      Damaged(name, "bytes between two blocks of its log", kStartCuts);
    }
    const WalScan& scan = found_.wals;
    if (scan.end == WalEnd::kClean || &file != &scan.files[scan.bad_file]) return;
    const std::string place = fmt::format("byte {}", OffsetInFile(file, end));
    if (scan.end == WalEnd::kDamagedMid) {
      Damaged(name, place + ": damaged or missing, and whole turns stand behind it", kStartCuts);
    } else {
      Add(Kind::kRemark, name, place + ": its last turn is not whole, or a byte behind it is not 0",
          "start the node: it cuts there and keeps a copy");
    }
  }

  // Files without which there is no store.
  void CheckPresent() {
    for (const char* name : {"FORMAT", "IDENTITY", "MARK", "db/CURRENT"}) {
      const bool is_there = std::any_of(files_.begin(), files_.end(),
                                        [&](const Listed& file) { return file.name == name; });
      if (!is_there) Damaged(name, "it is missing", "bring it back, or start the node");
    }
  }

  rocksdb::FileSystem& fs_;
  const DataDir& dir_;
  const CheckProgress& progress_;
  CheckReport& report_;
  std::vector<Listed> files_;
  CheckedFiles found_;
  uint64_t done_ = 0;
  bool evidence_is_told_ = false;
};

}  // namespace

absl::StatusOr<CheckedFiles> CheckFiles(rocksdb::FileSystem& fs, const DataDir& dir,
                                        const CheckProgress& progress, CheckReport& report) {
  return FileCheck(fs, dir, progress, report).Run();
}

}  // namespace cairn::storage
