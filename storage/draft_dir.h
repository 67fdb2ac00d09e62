// DraftDir: a data directory that is made under another name and gets its own when it is complete.
//
// What a process leaves that ended before that is thrown away by the next one that makes the same
// directory; also what this one leaves, by the destructor.
//
// Threads: one. Whoever opens a store in path() closes it before Publish.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cairn::storage {

class DraftDir {
 public:
  // Errors: kFailedPrecondition: `target` is there and not empty, or another process is making it;
  // kNotFound: its parent is not there; others: the file system's. Each names a way out.
  static absl::StatusOr<std::unique_ptr<DraftDir>> Begin(const std::string& target);
  ~DraftDir();
  DraftDir(const DraftDir&) = delete;
  DraftDir& operator=(const DraftDir&) = delete;

  // Not there yet: for a store to be made in.
  [[nodiscard]] const std::string& path() const { return path_; }
  // Durable when it returns.
  absl::Status Publish();

 private:
  explicit DraftDir(std::string target);
  const std::string target_;
  std::string path_;  // Empty: published.
};

}  // namespace cairn::storage
