// `cairn check` on the directory of a real node: whole, it has no findings; with any single bit of
// its data flipped, the file is named; while a node runs on it, it is left alone.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "cairn/admin.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "storage/check_tables.h"
#include "storage/dir_check.h"
#include "storage/wal_frames.h"
#include "tests/integration/process_cluster.h"
#include "tests/support/directory_print.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {
namespace {

using storage::CheckReport;
using storage::Finding;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr int kFlips = 200;

// A record of 1 … 20,000 bytes.
std::string Payload(Random& random) {
  std::string payload(random.Between(1, 20'000), '\0');
  for (char& byte : payload) byte = static_cast<char>(random.Between(0, 255));
  return payload;
}

// Some logs with segments, a trimmed one, leases, producers that were used, and a deleted one, in
// tables and in a log that was recycled. The node was killed.
void FillAndKill(ProcessCluster& cluster) {
  cluster.Start(0, {"--memtable-bytes", "1048576", "--segment-bytes", "65536"});
  ASSERT_TRUE(cluster.AwaitAllReady());
  ClientOptions options;
  options.endpoints = cluster.Endpoints();
  const auto client = Client::Connect(std::move(options));
  ASSERT_TRUE(client.ok());
  Random random(7);
  const OpenLogOptions open{.call = {}, .create_if_missing = true, .settings = {}};
  for (int log_number = 0; log_number < 4; ++log_number) {
    auto log = (*client)->OpenLog(fmt::format("log-{}", log_number), open);
    ASSERT_TRUE(log.ok()) << log.status();
    ASSERT_TRUE(log->AcquireLease("primary", "somebody", absl::Seconds(60)).ok());
    for (int i = 0; i < 150; ++i) ASSERT_TRUE(log->Append(Payload(random)).ok());
    if (log_number == 1) {
      ASSERT_TRUE(log->Trim(Seq(80)).ok());
    }
    if (log_number == 2) {
      ASSERT_TRUE((*client)->admin().DeleteLog(log->name(), log->id()).ok());
    }
  }
  cluster.Kill(0);
}

std::string Told(const CheckReport& report) {
  std::string text;
  for (const Finding& finding : report.findings) {
    text += fmt::format("{}: {} ({})\n", finding.file, finding.what, finding.advice);
  }
  return text;
}

// A byte of a file, and what it was.
class FlippedBit {
 public:
  FlippedBit(fs::path path, uint64_t offset, int bit) : path_(std::move(path)), offset_(offset) {
    Xor(bit_ = static_cast<char>(1 << bit));
  }
  ~FlippedBit() { Xor(bit_); }
  FlippedBit(const FlippedBit&) = delete;
  FlippedBit& operator=(const FlippedBit&) = delete;

 private:
  void Xor(char mask) const {
    std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
    char byte = 0;
    file.seekg(static_cast<std::streamoff>(offset_));
    file.get(byte);
    file.seekp(static_cast<std::streamoff>(offset_));
    file.put(static_cast<char>(byte ^ mask));
  }

  const fs::path path_;
  const uint64_t offset_;
  char bit_ = 0;
};

// Where a file holds data: pairs of offset and length.
using Ranges = std::vector<std::pair<uint64_t, uint64_t>>;

// Of a write-ahead log: its header, and the sectors of its generation.
Ranges LogSectors(const std::string& bytes) {
  const auto generation = storage::ReadWalHeader(bytes);
  Ranges ranges;
  if (!generation || generation->number == 0) return ranges;
  ranges.emplace_back(0, storage::kWalHeaderBytes);
  for (uint64_t at = storage::kWalHeaderBytes; at + storage::kWalSectorBytes <= bytes.size();
       at += storage::kWalSectorBytes) {
    const auto sector = std::string_view(bytes).substr(at, storage::kWalSectorBytes);
    if (storage::KindOfSector(*generation, sector) == storage::WalSector::kCurrent) {
      ranges.emplace_back(at, storage::kWalSectorBytes);
    }
  }
  return ranges;
}

class CheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_ = std::make_unique<ProcessCluster>(ProcessCluster::Options{
        .program = CAIRN_BIN_DIR "/cairnd", .dir = dir_.path(), .nodes = 1, .flags = {}});
    FillAndKill(*cluster_);
    data_ = cluster_->DataDir(0);
  }

  // By name below the directory; files that hold no data are left out.
  std::map<std::string, Ranges> DataFiles() const {
    std::map<std::string, Ranges> files;
    for (const auto& item : fs::recursive_directory_iterator(data_)) {
      if (!item.is_regular_file()) continue;
      const std::string name = fs::relative(item.path(), data_).string();
      const bool is_log = name.starts_with("db/") && name.ends_with(".log");
      const bool is_data = name.ends_with(".sst") || name.starts_with("db/MANIFEST-") ||
                           name == "db/CURRENT" || name == "MARK" || name == "IDENTITY" ||
                           name == "FORMAT";
      if (is_log) files[name] = LogSectors(ReadWholeFile(item.path()));
      if (is_data) files[name] = {{0, item.file_size()}};
    }
    return files;
  }

  absl::StatusOr<CheckReport> TryCheck() const {
    return storage::CheckDirectory(data_, [](std::string_view, uint64_t, uint64_t) {});
  }
  CheckReport Check() const {
    absl::StatusOr<CheckReport> report = TryCheck();
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *std::move(report) : CheckReport{};
  }

  // What is found with one bit flipped; empty: the file is named, and it is damage. A version may
  // become a newer one, which is refused.
  std::string Missed(const std::string& name, uint64_t offset, int bit) const {
    const FlippedBit flipped(fs::path(data_) / name, offset, bit);
    const absl::StatusOr<CheckReport> report = TryCheck();
    const std::string told = report.ok() ? Told(*report) : report.status().ToString();
    const bool is_damage = report.ok() ? !report->whole() : true;
    if (is_damage && told.find(name) != std::string::npos) return "";
    return fmt::format("bit {} of byte {} of {}: {}\n", bit, offset, name, told);
  }

  // What `cairn check` prints, and its exit status.
  std::string Ask(const std::vector<std::string>& words) {
    const std::string output = dir_.File(fmt::format("told-{}", ++asked_));
    Process::Command command{
        .argv = {CAIRN_BIN_DIR "/cairn", "check"}, .environment = {}, .output = output};
    command.argv.insert(command.argv.end(), words.begin(), words.end());
    Process process;
    process.Start(std::move(command));
    const std::optional<int> status = process.AwaitExit();
    return ReadWholeFile(output) + fmt::format("exit {}\n", status.value_or(-1));
  }

  cairn::testing::TempDir dir_;
  std::unique_ptr<ProcessCluster> cluster_;
  std::string data_;
  int asked_ = 0;
};

TEST_F(CheckTest, AWholeDirectoryHasNoFindingsAndStaysAsItIs) {
  const std::string before = cairn::testing::DirectoryPrint(data_);
  const CheckReport report = Check();
  EXPECT_TRUE(report.whole()) << Told(report);
  EXPECT_EQ(Told(report), "");
  EXPECT_THAT(report.recovery, HasSubstr("sound"));
  EXPECT_EQ(cairn::testing::DirectoryPrint(data_), before);
  ASSERT_EQ(report.logs.size(), 5u);
  std::vector<std::string> names;
  for (const storage::CheckedLog& log : report.logs) {
    EXPECT_EQ(log.damage, "") << log.name;
    names.push_back(log.name);
  }
  EXPECT_THAT(names, ::testing::ElementsAre("", "log-0", "log-1", "log-2", "log-3"));
  EXPECT_GT(report.logs[2].first_seq, Seq(1));
  EXPECT_EQ(report.logs[2].last_seq, Seq(151));
  EXPECT_TRUE(report.logs[3].removed);
}

TEST_F(CheckTest, EveryFlippedBitIsFoundAndItsFileNamed) {
  const std::map<std::string, Ranges> files = DataFiles();
  const auto has = [&](const char* suffix) {
    return std::any_of(files.begin(), files.end(), [&](const auto& file) {
      return file.first.ends_with(suffix) && !file.second.empty();
    });
  };
  ASSERT_TRUE(has(".sst") && has(".log")) << "nothing was flushed, or all was";
  // In each file at least once, and over again with other seeds.
  std::string missed;
  int flips = 0;
  for (uint64_t seed = 1; flips < kFlips; ++seed) {
    Random random(seed);
    for (const auto& [name, ranges] : files) {
      if (ranges.empty()) continue;
      const auto& [begin, bytes] = ranges[random.Below(ranges.size())];
      missed += Missed(name, begin + random.Below(bytes), static_cast<int>(random.Below(8)));
      ++flips;
    }
  }
  EXPECT_EQ(missed, "");
  EXPECT_TRUE(Check().whole());
}

TEST_F(CheckTest, EveryByteOfASmallTableCounts) {
  std::string smallest;
  for (const auto& [name, ranges] : DataFiles()) {
    if (!name.ends_with(".sst")) continue;
    const auto size = [&](const std::string& file) {
      return fs::file_size(fs::path(data_) / file);
    };
    if (smallest.empty() || size(name) < size(smallest)) smallest = name;
  }
  ASSERT_NE(smallest, "");
  const fs::path table = fs::path(data_) / smallest;
  const fs::path copy = dir_.File("copy.sst");
  fs::copy_file(table, copy);
  Random random(3);
  for (uint64_t at = 0; at < fs::file_size(copy); ++at) {
    const int bit = static_cast<int>(random.Below(8));
    const FlippedBit flipped(copy, at, bit);
    EXPECT_NE(storage::DamageOfTable(copy), "") << "bit " << bit << " of byte " << at;
  }
  EXPECT_EQ(storage::DamageOfTable(copy), "");
}

TEST_F(CheckTest, AFlipBehindTheLogsEndIsARemark) {
  for (const auto& [name, ranges] : DataFiles()) {
    if (!name.ends_with(".log") || ranges.empty()) continue;
    const uint64_t behind = ranges.back().first + storage::kWalSectorBytes;
    const std::string bytes = ReadWholeFile(data_ + "/" + name);
    if (behind + storage::kWalSectorBytes > bytes.size()) continue;
    // The stamp of a sector that is not in use.
    const FlippedBit flipped(fs::path(data_) / name, behind + storage::kWalPayloadBytes, 0);
    const CheckReport report = Check();
    EXPECT_TRUE(report.whole()) << Told(report);
    EXPECT_THAT(Told(report), HasSubstr(name));
  }
}

TEST_F(CheckTest, TheToolShowsLogsAndNamesDamage) {
  const std::string whole = Ask({data_});
  EXPECT_THAT(whole, HasSubstr("exit 0"));
  EXPECT_THAT(whole, HasSubstr("(catalog)"));
  EXPECT_THAT(whole, HasSubstr("log-3"));
  EXPECT_THAT(whole, HasSubstr("whole, in the trash"));
  EXPECT_THAT(Ask({data_, "-o", "json"}), HasSubstr(R"("whole":true)"));
  {
    const FlippedBit flipped(fs::path(data_) / "MARK", 9, 0);
    const std::string damaged = Ask({data_});
    EXPECT_THAT(damaged, HasSubstr("MARK"));
    EXPECT_THAT(damaged, HasSubstr("start the node"));
    EXPECT_THAT(damaged, HasSubstr("exit 7"));
  }
  const std::string nothing = Ask({data_ + "/db"});
  EXPECT_THAT(nothing, HasSubstr("holds no store"));
  EXPECT_THAT(nothing, HasSubstr("exit 4"));
  const std::string alone = Ask({data_, "--cairnd", dir_.File("cairnd")});
  EXPECT_THAT(alone, HasSubstr("where cairnd is installed"));
  EXPECT_THAT(alone, HasSubstr("exit 4"));
  cluster_->Start(0);
  ASSERT_TRUE(cluster_->AwaitAllReady());
  const std::string busy = Ask({data_});
  EXPECT_THAT(busy, HasSubstr(fmt::format("in use by process {}", cluster_->pid(0))));
  EXPECT_THAT(busy, HasSubstr("exit 3"));
}

}  // namespace
}  // namespace cairn::integration
