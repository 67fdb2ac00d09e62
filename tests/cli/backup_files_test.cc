// The files of a backup: what is written is read, and no changed byte passes.
#include "cli/backup_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "base/strings.h"
#include "tests/support/temp_dir.h"

namespace cairn::cli {
namespace {

using ::testing::HasSubstr;

RawRecordBatch Batch(uint64_t first_seq, const std::string& record) {
  RawRecordBatch batch;
  batch.set_first_seq(first_seq);
  batch.set_timestamp_us(static_cast<int64_t>(first_seq) * 1000);
  batch.add_records(record);
  return batch;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class BackupFilesTest : public ::testing::Test {
 protected:
  // Three batches in one part.
  std::vector<BackupPart> WriteParts() {
    PartWriter writer(dir_.path(), "log");
    for (uint64_t seq = 1; seq <= 3; ++seq) {
      EXPECT_TRUE(writer.Add(Batch(seq, std::string(seq * 10, 'x'))).ok());
    }
    EXPECT_TRUE(writer.Finish().ok());
    return writer.parts();
  }

  static BackupManifest Manifest() {
    BackedUpLog log{.name = "orders",
                    .settings = {.fenced = true,
                                 .retention_ms = 5,
                                 .trim_guard = "g",
                                 .archive = ArchivePolicy::kOn},
                    .base = {.first_seq = Seq(7), .chain = ~uint64_t{0}, .timestamp_us = 9},
                    .last_seq = Seq(8),
                    .chain = 0x17,
                    .records = 2,
                    .parts = {{.file = "log-1", .bytes = 3, .checksum = 4}}};
    return {.cluster_id = "c", .saved_at = "then", .logs = {log}};
  }

  cairn::testing::TempDir dir_;
};

TEST_F(BackupFilesTest, BatchesComeBack) {
  const std::vector<BackupPart> parts = WriteParts();
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_TRUE(CheckPart(dir_.path(), parts[0]).ok());
  PartReader reader(dir_.path(), parts);
  for (uint64_t seq = 1; seq <= 3; ++seq) {
    const auto batch = reader.Next();
    ASSERT_TRUE(batch.ok() && batch->has_value());
    EXPECT_EQ((*batch)->SerializeAsString(),
              Batch(seq, std::string(seq * 10, 'x')).SerializeAsString());
  }
  const auto end = reader.Next();
  ASSERT_TRUE(end.ok());
  EXPECT_FALSE(end->has_value());
  EXPECT_EQ(reader.bytes(), parts[0].bytes);
}

TEST_F(BackupFilesTest, EveryChangedByteOfAPartIsFound) {
  const std::vector<BackupPart> parts = WriteParts();
  const std::string path = dir_.File(parts[0].file);
  const std::string whole = ReadFile(path);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] ^= 0x10;
    WriteFile(path, changed);
    EXPECT_TRUE(absl::IsDataLoss(CheckPart(dir_.path(), parts[0]))) << at;
    PartReader reader(dir_.path(), parts);
    absl::Status status;
    for (int i = 0; i < 4 && status.ok(); ++i) status = reader.Next().status();
    EXPECT_THAT(std::string(ToStd(status.message())), HasSubstr(parts[0].file)) << at;
  }
  WriteFile(path, whole.substr(0, whole.size() - 1));
  EXPECT_TRUE(absl::IsDataLoss(CheckPart(dir_.path(), parts[0])));
}

TEST_F(BackupFilesTest, AManifestComesBack) {
  ASSERT_TRUE(WriteManifest(dir_.path(), Manifest()).ok());
  const auto read = ReadManifest(dir_.path());
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->logs.size(), 1u);
  const BackedUpLog& log = read->logs[0];
  EXPECT_EQ(log.name, "orders");
  EXPECT_EQ(log.settings.fenced, true);
  EXPECT_EQ(log.settings.retention_bytes, std::nullopt);
  EXPECT_EQ(log.settings.retention_ms, 5u);
  EXPECT_EQ(log.settings.trim_guard, "g");
  EXPECT_EQ(log.settings.archive, ArchivePolicy::kOn);
  EXPECT_EQ(log.base.first_seq, Seq(7));
  EXPECT_EQ(log.base.chain, ~uint64_t{0});
  EXPECT_EQ(log.base.timestamp_us, 9);
  EXPECT_EQ(log.last_seq, Seq(8));
  EXPECT_EQ(log.chain, 0x17u);
  EXPECT_EQ(log.parts[0].file, "log-1");
  EXPECT_EQ(log.parts[0].checksum, 4u);
  EXPECT_EQ(read->cluster_id, "c");
}

TEST_F(BackupFilesTest, AChangedManifestIsDamagedOrSaysTheSame) {
  ASSERT_TRUE(WriteManifest(dir_.path(), Manifest()).ok());
  const std::string path = dir_.File("backup.json");
  const std::string whole = ReadFile(path);
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = whole;
      changed[at] ^= static_cast<char>(1 << bit);
      WriteFile(path, changed);
      const auto read = ReadManifest(dir_.path());
      if (read.ok()) {  // Blanks between words, and capital hex digits.
        EXPECT_TRUE(std::isspace(static_cast<unsigned char>(whole[at])) ||
                    std::isxdigit(static_cast<unsigned char>(whole[at])))
            << at << ": " << whole[at] << " became " << changed[at];
      } else {
        EXPECT_TRUE(absl::IsDataLoss(read.status())) << read.status();
      }
    }
  }
}

TEST_F(BackupFilesTest, ADirectoryWithoutAManifestIsNoBackup) {
  WriteParts();
  EXPECT_TRUE(absl::IsNotFound(ReadManifest(dir_.path()).status()));
}

}  // namespace
}  // namespace cairn::cli
