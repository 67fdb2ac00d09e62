// RootToken: the token of a node's --root-token-file, for when the policy lets nobody in.
//
// The file is looked at whenever a token is not the policy's, and read again when it has changed.
// A file that others may read, or that is no token, counts as none; why is said by Trouble().
//
// Threads: any. Lifetime: the node's.
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace cairn::rpc {

class RootToken {
 public:
  static constexpr size_t kMinBytes = 32;

  // Empty: there is no root token.
  explicit RootToken(std::string path) : path_(std::move(path)) {}

  [[nodiscard]] bool Is(std::string_view token);
  // Why the file cannot be used, as a sentence; empty: it can, or there is none.
  [[nodiscard]] std::string Trouble();

 private:
  void Refresh() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // "" or what is wrong with the file.
  std::string Read(const struct stat& info) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  absl::Mutex mutex_;
  struct stat read_ ABSL_GUARDED_BY(mutex_) = {};  // The file as it was read.
  std::string digest_ ABSL_GUARDED_BY(mutex_);     // Empty: no token.
  std::string trouble_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::rpc
