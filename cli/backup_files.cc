#include "cli/backup_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::cli {
namespace {

constexpr size_t kHeadBytes = 12;
constexpr uint32_t kMaxBodyBytes = 64u << 20;  // A batch is 16 MiB by default.

absl::Status SystemError(const std::string& path, const char* call) {
  return absl::UnknownError(ToAbsl(fmt::format("{}: {}: {}", path, call, std::strerror(errno))));
}

std::string HeadOf(const std::string& body) {
  std::string head(kHeadBytes, '\0');
  const auto length = static_cast<uint32_t>(body.size());
  const uint64_t checksum = XXH3_64bits(body.data(), body.size());
  std::memcpy(head.data(), &length, sizeof length);
  std::memcpy(head.data() + sizeof length, &checksum, sizeof checksum);
  return head;
}

}  // namespace

absl::Status SyncDirectory(const std::string& dir) {
  const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError(dir, "open");
  const int synced = ::fsync(fd);
  ::close(fd);
  return synced == 0 ? absl::OkStatus() : SystemError(dir, "fsync");
}

absl::Status WriteDurably(const std::string& dir, const std::string& path,
                          const std::string& text) {
  const std::string draft = path + ".tmp";
  std::FILE* const file = std::fopen(draft.c_str(), "wbe");
  if (file == nullptr) return SystemError(draft, "open");
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size() &&
                       std::fflush(file) == 0 && ::fsync(::fileno(file)) == 0;
  if (std::fclose(file) != 0 || !written) return SystemError(draft, "write");
  if (std::rename(draft.c_str(), path.c_str()) != 0) return SystemError(path, "rename");
  return SyncDirectory(dir);
}

// ---- Writing --------------------------------------------------------------------------------

PartWriter::~PartWriter() {
  if (file_ != nullptr) std::fclose(file_);
  XXH3_freeState(state_);
}

absl::Status PartWriter::Add(const RawRecordBatch& batch) {
  if (file_ == nullptr) RETURN_IF_ERROR(Open());
  const std::string body = batch.SerializeAsString();
  RETURN_IF_ERROR(Write(HeadOf(body)));
  RETURN_IF_ERROR(Write(body));
  return parts_.back().bytes < kPartBytes ? absl::OkStatus() : Close();
}

absl::Status PartWriter::Finish() { return file_ == nullptr ? absl::OkStatus() : Close(); }

absl::Status PartWriter::Open() {
  parts_.push_back({.file = fmt::format("{}-{}", prefix_, parts_.size() + 1)});
  const std::string path = dir_ + "/" + parts_.back().file;
  file_ = std::fopen(path.c_str(), "wbxe");
  if (file_ == nullptr) return SystemError(path, "open");
  if (state_ == nullptr) state_ = XXH3_createState();
  CHECK(state_ != nullptr);
  XXH3_64bits_reset(state_);
  return absl::OkStatus();
}

absl::Status PartWriter::Write(const std::string& bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
    return SystemError(parts_.back().file, "write");
  }
  XXH3_64bits_update(state_, bytes.data(), bytes.size());
  parts_.back().bytes += bytes.size();
  bytes_ += bytes.size();
  return absl::OkStatus();
}

absl::Status PartWriter::Close() {
  parts_.back().checksum = XXH3_64bits_digest(state_);
  std::FILE* const file = std::exchange(file_, nullptr);
  const bool synced = std::fflush(file) == 0 && ::fsync(::fileno(file)) == 0;
  if (std::fclose(file) != 0 || !synced) return SystemError(parts_.back().file, "sync");
  return absl::OkStatus();
}

// ---- Reading --------------------------------------------------------------------------------

absl::StatusOr<std::optional<RawRecordBatch>> PartReader::Next() {
  while (!file_.is_open() || file_.peek() == std::ifstream::traits_type::eof()) {
    if (next_part_ == parts_.size()) return std::nullopt;
    file_.close();
    file_.clear();
    file_.open(dir_ + "/" + parts_[next_part_++].file, std::ios::binary);
    offset_ = 0;
  }
  const auto damaged = [&](const char* what) {
    return absl::DataLossError(
        fmt::format("{}/{}: byte {}: {}", dir_, parts_[next_part_ - 1].file, offset_, what));
  };
  std::string head(kHeadBytes, '\0');
  if (!file_.read(head.data(), kHeadBytes)) return damaged("a block is cut short");
  uint32_t length = 0;
  std::memcpy(&length, head.data(), sizeof length);
  if (length > kMaxBodyBytes) return damaged("the length of a block");
  std::string body(length, '\0');
  if (!file_.read(body.data(), length)) return damaged("a block is cut short");
  if (HeadOf(body) != head) return damaged("a block does not match its checksum");
  RawRecordBatch batch;
  if (!batch.ParseFromString(body)) return damaged("a block does not parse");
  offset_ += kHeadBytes + length;
  bytes_ += kHeadBytes + length;
  return batch;
}

absl::Status CheckPart(const std::string& dir, const BackupPart& part) {
  const std::string path = dir + "/" + part.file;
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::DataLossError(fmt::format("{} cannot be read", path));
  XXH3_state_t* const state = XXH3_createState();
  XXH3_64bits_reset(state);
  std::string chunk(1 << 20, '\0');
  uint64_t bytes = 0;
  while (in.read(chunk.data(), static_cast<std::streamsize>(chunk.size())), in.gcount() > 0) {
    XXH3_64bits_update(state, chunk.data(), static_cast<size_t>(in.gcount()));
    bytes += static_cast<uint64_t>(in.gcount());
  }
  const uint64_t checksum = XXH3_64bits_digest(state);
  XXH3_freeState(state);
  if (bytes == part.bytes && checksum == part.checksum) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("{} is damaged: {} bytes, expected {}{}", path, bytes, part.bytes,
                  bytes == part.bytes ? ", which do not match their checksum" : ""));
}

}  // namespace cairn::cli
