#include "storage/wal_reader.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace cairn::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr size_t kChunkBytes = 128 * kWalSectorBytes;

}  // namespace

WalReader::WalReader(std::unique_ptr<rocksdb::FSSequentialFile> file,
                     const WalGeneration& generation)
    : file_(std::move(file)), generation_(generation), chunk_(kChunkBytes, '\0') {}

IOStatus WalReader::Open(const std::string& path, std::unique_ptr<rocksdb::FSSequentialFile> file,
                         std::unique_ptr<rocksdb::FSSequentialFile>* result) {
  std::string block(kWalHeaderBytes, '\0');
  rocksdb::Slice read;
  const IOStatus status = file->Read(block.size(), IOOptions(), &read, block.data(), nullptr);
  if (!status.ok()) return status;
  const std::optional<WalGeneration> generation = ReadWalHeader({read.data(), read.size()});
  if (!generation) return IOStatus::Corruption(path, "the header is damaged");
  result->reset(new WalReader(std::move(file), *generation));
  return status;
}

IOStatus WalReader::Fill(const IOOptions& io, IODebugContext* debug) {
  rocksdb::Slice read;
  const IOStatus status = file_->Read(chunk_.size(), io, &read, chunk_.data(), debug);
  begin_ = 0;
  end_ = status.ok() ? UnframeSectors(generation_, read.data(), read.size(), chunk_.data()) : 0;
  return status;
}

IOStatus WalReader::Read(size_t n, const IOOptions& io, rocksdb::Slice* result, char* scratch,
                         IODebugContext* debug) {
  size_t got = 0;
  IOStatus status;
  while (got < n) {
    if (begin_ == end_) status = Fill(io, debug);
    if (begin_ == end_) break;
    const size_t part = std::min(n - got, end_ - begin_);
    std::memcpy(scratch + got, chunk_.data() + begin_, part);
    begin_ += part;
    got += part;
  }
  *result = rocksdb::Slice(scratch, got);
  return status;
}

IOStatus WalReader::Skip(uint64_t n) {
  IOStatus status;
  while (n > 0) {
    if (begin_ == end_) status = Fill(IOOptions(), nullptr);
    if (begin_ == end_) break;
    const uint64_t part = std::min<uint64_t>(n, end_ - begin_);
    begin_ += part;
    n -= part;
  }
  return status;
}

}  // namespace cairn::storage
