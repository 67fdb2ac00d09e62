#include "client/src/token_file.h"

#include <fstream>

#include "base/file_stamp.h"

namespace cairn::client {

std::string ReadToken(const std::string& path) {
  std::ifstream in(path);
  std::string token;
  in >> token;
  return token;
}

TokenFile::TokenFile(std::string path, std::string token)
    : path_(std::move(path)), token_(std::move(token)), stamp_(FileStamp(path_)) {}

std::string TokenFile::Current(MonoMicros now_us) {
  absl::MutexLock lock(&mutex_);
  if (path_.empty() || now_us - looked_us_ < kMicrosPerSecond) return token_;
  looked_us_ = now_us;
  std::string stamp = FileStamp(path_);
  if (stamp == stamp_) return token_;
  std::string token = ReadToken(path_);
  if (token.empty()) return token_;
  stamp_ = std::move(stamp);
  token_ = std::move(token);
  return token_;
}

}  // namespace cairn::client
