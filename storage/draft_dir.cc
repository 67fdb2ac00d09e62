#include "storage/draft_dir.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/data_dir.h"

namespace cairn::storage {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDraftEnding = ".recovering";

absl::Status FromError(const std::string& path, const std::error_code& error) {
  const std::string message = fmt::format("{}: {}", path, error.message());
  if (error == std::errc::no_space_on_device) return absl::ResourceExhaustedError(ToAbsl(message));
  if (error == std::errc::permission_denied) return absl::PermissionDeniedError(ToAbsl(message));
  return absl::UnavailableError(ToAbsl(message));
}

absl::Status RemoveAll(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  return error ? FromError(path, error) : absl::OkStatus();
}

absl::Status CheckTarget(const std::string& target) {
  std::error_code error;
  const fs::path parent = fs::path(target).parent_path();
  if (!parent.empty() && !fs::is_directory(parent, error)) {
    return absl::NotFoundError(
        ToAbsl(fmt::format("{}: there is no directory {} to make it in", target, parent.string())));
  }
  if (!fs::exists(target, error) || fs::is_empty(target, error)) return absl::OkStatus();
  return absl::FailedPreconditionError(ToAbsl(
      fmt::format("{} is there, and not empty: name a directory that is not there yet", target)));
}

// Throws away what another process left. (Whether it is one of ours, and nobody's: DataDir.)
absl::Status DropLeftover(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return absl::OkStatus();
  RETURN_IF_ERROR(DataDir::Open(path, /*create=*/true).status());
  return RemoveAll(path);
}

}  // namespace

DraftDir::DraftDir(std::string target)
    : target_(std::move(target)), path_(target_ + kDraftEnding) {}

DraftDir::~DraftDir() {
  if (!path_.empty()) RemoveAll(path_).IgnoreError();
}

absl::StatusOr<std::unique_ptr<DraftDir>> DraftDir::Begin(const std::string& target) {
  std::string name = target;
  while (name.size() > 1 && name.ends_with('/')) name.pop_back();
  RETURN_IF_ERROR(CheckTarget(name));
  RETURN_IF_ERROR(DropLeftover(name + kDraftEnding));
  return std::unique_ptr<DraftDir>(new DraftDir(std::move(name)));
}

absl::Status DraftDir::Publish() {
  RETURN_IF_ERROR(DataDir::Publish(path_, target_));
  path_.clear();
  return absl::OkStatus();
}

}  // namespace cairn::storage
