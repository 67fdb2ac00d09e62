#include "adapter/memcache/view_directory.h"

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <charconv>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/status_macros.h"
#include "storage/rocks_status.h"

namespace cairn::adapter::memcache {
namespace {

namespace fs = std::filesystem;
using storage::FromRocks;

constexpr std::string_view kMarkFile = "/VIEW";
constexpr std::string_view kNewMarkFile = "/VIEW.new";
constexpr std::string_view kFormatWords = "cairn memcache view, format ";
constexpr std::string_view kLogWords = "\nlog ";

std::string MarkOf(GroupId log_id) {
  return fmt::format("{}{}{}{}\n", kFormatWords, kViewFormat, kLogWords, log_id);
}

bool TakeWords(std::string_view words, std::string_view* text) {
  if (!text->starts_with(words)) return false;
  text->remove_prefix(words.size());
  return true;
}

bool TakeNumber(std::string_view* text, uint64_t* number) {
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *number);
  if (error != std::errc()) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return true;
}

bool Exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

bool IsEmptyOrAbsent(const std::string& path) {
  std::error_code error;
  return !fs::exists(path, error) || fs::is_empty(path, error);
}

absl::Status RemoveDatabase(const std::string& path) {
  RETURN_IF_ERROR(FromRocks(rocksdb::DestroyDB(path, rocksdb::Options())));
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return absl::UnavailableError(error.message());
  return absl::OkStatus();
}

absl::Status NoView(const std::string& path) {
  return absl::FailedPreconditionError(
      fmt::format("{}: not empty, and no view: name another directory", path));
}

}  // namespace

absl::StatusOr<ViewDirectory> ViewDirectory::Open(const std::string& path, GroupId log_id,
                                                  rocksdb::Env* env) {
  ViewDirectory directory(path, env);
  if (Exists(path + std::string(kMarkFile))) {
    RETURN_IF_ERROR(directory.Explain(directory.CheckMark(log_id)));
    return directory;
  }
  if (Exists(path + std::string(kNewMarkFile))) {
    RETURN_IF_ERROR(directory.Explain(RemoveDatabase(directory.database())));
  } else if (!IsEmptyOrAbsent(path)) {
    return NoView(path);
  }
  RETURN_IF_ERROR(directory.Explain(directory.BeginCreation(log_id)));
  return directory;
}

absl::Status ViewDirectory::CheckMark(GroupId log_id) const {
  std::string mark;
  RETURN_IF_ERROR(
      FromRocks(rocksdb::ReadFileToString(env_, path_ + std::string(kMarkFile), &mark)));
  if (mark == MarkOf(log_id)) return absl::OkStatus();
  std::string_view rest = mark;
  uint64_t format = 0;
  uint64_t log = 0;
  if (!TakeWords(kFormatWords, &rest) || !TakeNumber(&rest, &format)) {
    return absl::DataLossError("its file VIEW is damaged");
  }
  if (format != kViewFormat) {
    return absl::FailedPreconditionError(
        fmt::format("a view of format {}, and this agent knows {}", format, kViewFormat));
  }
  if (!TakeWords(kLogWords, &rest) || !TakeNumber(&rest, &log)) {
    return absl::DataLossError("its file VIEW is damaged");
  }
  return absl::FailedPreconditionError(
      fmt::format("a view of log {}, not of {}: name another directory", log, log_id));
}

absl::Status ViewDirectory::BeginCreation(GroupId log_id) {
  is_new_ = true;
  RETURN_IF_ERROR(FromRocks(env_->CreateDirIfMissing(path_)));
  return FromRocks(rocksdb::WriteStringToFile(env_, MarkOf(log_id),
                                              path_ + std::string(kNewMarkFile),
                                              /*should_sync=*/true));
}

absl::Status ViewDirectory::FinishCreation() {
  std::unique_ptr<rocksdb::Directory> directory;
  RETURN_IF_ERROR(FromRocks(env_->NewDirectory(path_, &directory)));
  // First what VIEW will stand for, then VIEW.
  RETURN_IF_ERROR(FromRocks(directory->Fsync()));
  RETURN_IF_ERROR(FromRocks(
      env_->RenameFile(path_ + std::string(kNewMarkFile), path_ + std::string(kMarkFile))));
  RETURN_IF_ERROR(FromRocks(directory->Fsync()));
  is_new_ = false;
  return absl::OkStatus();
}

absl::Status ViewDirectory::Explain(const absl::Status& status) const {
  if (!absl::IsDataLoss(status)) return Annotate(status, path_);
  return absl::DataLossError(
      fmt::format("{}: {}: remove the view; it is filled again from a snapshot or the log", path_,
                  std::string(status.message())));
}

absl::Status ViewDirectory::Remove(const std::string& path) {
  const std::string mark = path + std::string(kMarkFile);
  const std::string new_mark = path + std::string(kNewMarkFile);
  if (IsEmptyOrAbsent(path)) return absl::OkStatus();
  if (!Exists(mark) && !Exists(new_mark)) return NoView(path);
  RETURN_IF_ERROR(Annotate(RemoveDatabase(path + "/db"), path));
  // The marks go last: whatever ends this before, the next call goes on.
  for (const std::string& file : {mark, new_mark}) {
    std::error_code error;
    fs::remove(file, error);
    if (error) return absl::UnavailableError(fmt::format("{}: {}", file, error.message()));
  }
  return absl::OkStatus();
}

}  // namespace cairn::adapter::memcache
