// TokenFile: the bearer token that calls carry, read again when its file changes.
//
// Threads: any, under one leaf mutex, held while a changed file is read. Bounds: the file is looked
// at once a second at most. A file that is gone or empty (somebody is replacing it) leaves the
// token that was there.
#pragma once

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"

namespace cairn::client {

class TokenFile {
 public:
  // `path` empty: `token` for ever.
  TokenFile(std::string path, std::string token);

  // Empty: none.
  [[nodiscard]] std::string Current(MonoMicros now_us);

 private:
  const std::string path_;
  absl::Mutex mutex_;
  std::string token_ ABSL_GUARDED_BY(mutex_);
  std::string stamp_ ABSL_GUARDED_BY(mutex_);  // Of the file that token_ is from.
  MonoMicros looked_us_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The first word of a file; empty: there is none.
std::string ReadToken(const std::string& path);

}  // namespace cairn::client
