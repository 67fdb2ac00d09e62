#include "server/rpc/root_token.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "server/rpc/credentials.h"

namespace cairn::rpc {
namespace {

constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

bool IsSame(const struct stat& a, const struct stat& b) {
  return a.st_ino == b.st_ino && a.st_size == b.st_size && a.st_mode == b.st_mode &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
         a.st_ctim.tv_sec == b.st_ctim.tv_sec && a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

}  // namespace

bool RootToken::Is(std::string_view token) {
  if (path_.empty()) return false;
  const std::string digest = Sha256(token);
  absl::MutexLock lock(&mutex_);
  Refresh();
  return !digest_.empty() && SameSecret(digest, digest_);
}

std::string RootToken::Trouble() {
  if (path_.empty()) return "";
  absl::MutexLock lock(&mutex_);
  Refresh();
  return trouble_.empty() ? "" : fmt::format("the root token file {} {}", path_, trouble_);
}

void RootToken::Refresh() {
  struct stat now = {};
  if (stat(path_.c_str(), &now) != 0) {
    trouble_ = fmt::format("cannot be looked at: {}", std::strerror(errno));
    read_ = {};
    digest_.clear();
    return;
  }
  if (IsSame(now, read_)) return;
  read_ = now;
  digest_.clear();
  trouble_ = Read(now);
}

std::string RootToken::Read(const struct stat& info) {
  if ((info.st_mode & kOthers) != 0) {
    return fmt::format("has mode {:o}, expected one that lets nobody but its owner read it: 600",
                       info.st_mode & 07777);
  }
  std::ifstream file(path_);
  std::string token;
  if (!std::getline(file, token)) return "cannot be read, or is empty";
  if (token.size() < kMinBytes || token.size() > kMaxTokenBytes ||
      !ParseAuthorization("bearer " + token)) {
    return fmt::format("has no token, expected one line of {} to {} printable bytes without spaces",
                       kMinBytes, kMaxTokenBytes);
  }
  digest_ = Sha256(token);
  return "";
}

}  // namespace cairn::rpc
