// DataDir: the directory itself: its mode, who may use it, which version of it this is, and
// whether it is to be trusted.
//
// Creation is finished by FORMAT, the last file to appear: a directory without it was never
// in use (unless it holds turns, which the opener checks). VERDICT stands there from the
// moment that damage was found, before anything is cut, until the node was made whole.
//
// Threads: not safe. The lock is held until destruction.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/log_store.h"

namespace cairn::storage {

inline constexpr int kDirectoryFormat = 1;

class DataDir {
 public:
  // Makes the directory if `create`, takes its lock, reads its version. Errors (each names
  // the directory and the way out): kFailedPrecondition: in use, newer, or something else's
  // directory; kNotFound: no store and not `create`; kDataLoss: FORMAT is not readable.
  static absl::StatusOr<std::unique_ptr<DataDir>> Open(const std::string& path, bool create);
  ~DataDir();
  DataDir(const DataDir&) = delete;
  DataDir& operator=(const DataDir&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string File(const char* name) const { return path_ + "/" + name; }
  // No FORMAT yet: the opener has to make the store and then call FinishCreation.
  [[nodiscard]] bool is_new() const { return is_new_; }
  absl::Status FinishCreation();

  // kSound without the file; kLost when it does not say anything known.
  [[nodiscard]] RecoveryVerdict StoredVerdict() const;
  // Durable before they return.
  absl::Status StoreVerdict(RecoveryVerdict verdict, const std::string& detail);
  absl::Status ClearVerdict();

 private:
  DataDir(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}
  absl::Status ReadFormat(bool create);
  absl::Status CheckNothingForeign() const;

  const std::string path_;
  const int lock_fd_;
  bool is_new_ = false;
};

}  // namespace cairn::storage
