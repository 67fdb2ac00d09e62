#include "storage/check_tables.h"

#include <fmt/format.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table.h>

#include <cstdint>
#include <cstring>
#include <fstream>

#include "storage/wal_frames.h"

namespace cairn::storage {
namespace {

// checksum type(1), two block handles of two varints each with zeros behind (40), format
// version(4), magic(8).
constexpr size_t kHandlesBytes = 40;
constexpr int kHandleNumbers = 4;
constexpr uint32_t kFormatVersion = 5;  // As in rocks_options.cc.
constexpr uint64_t kMagic = 0x88e241b785f4cff7;

// Where the varint at the beginning of `bytes` ends; 0: nowhere.
size_t VarintBytes(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    if (byte >= 0x80) continue;
    return byte == 0 && i > 0 ? 0 : i + 1;  // Not the shortest form of its number.
  }
  return 0;
}

bool HandlesAreInForm(std::string_view bytes) {
  for (int i = 0; i < kHandleNumbers; ++i) {
    const size_t used = VarintBytes(bytes);
    if (used == 0) return false;
    bytes.remove_prefix(used);
  }
  return AllZero(bytes);
}

std::string LastBytesOf(const std::string& path, size_t bytes) {
  std::ifstream in(path, std::ios::binary);
  std::string last(bytes, '\0');
  in.seekg(-static_cast<std::streamoff>(bytes), std::ios::end);
  in.read(last.data(), static_cast<std::streamsize>(bytes));
  return in ? last : std::string();
}

}  // namespace

std::string DamageOfFooter(std::string_view footer) {
  if (footer.size() != kTableFooterBytes) return "it is shorter than a footer";
  uint32_t version = 0;
  uint64_t magic = 0;
  std::memcpy(&version, footer.data() + 1 + kHandlesBytes, sizeof version);
  std::memcpy(&magic, footer.data() + 1 + kHandlesBytes + sizeof version, sizeof magic);
  if (magic != kMagic) return "the footer does not end in a table's number";
  if (version != kFormatVersion) return fmt::format("the footer names format {}", version);
  if (footer[0] != rocksdb::kXXH3) {
    return fmt::format("the footer names checksum {}", static_cast<int>(footer[0]));
  }
  if (!HandlesAreInForm(footer.substr(1, kHandlesBytes))) return "the footer's handles";
  return "";
}

std::string DamageOfTable(const std::string& path) {
  if (std::string footer = DamageOfFooter(LastBytesOf(path, kTableFooterBytes)); !footer.empty()) {
    return footer;
  }
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;  // Each block is read once.
  rocksdb::Options options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::SstFileReader reader(options);
  rocksdb::Status status = reader.Open(path);
  rocksdb::ReadOptions read;
  read.readahead_size = 2 << 20;
  if (status.ok()) status = reader.VerifyChecksum(read);
  return status.ok() ? "" : status.ToString();
}

}  // namespace cairn::storage
