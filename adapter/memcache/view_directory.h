// ViewDirectory: the directory of a view: of which log and format it is, and whether it is one.
//
//   VIEW       text: the format, and the log's id. The last file to appear
//   VIEW.new   the same, while the database is being made
//   db/        RocksDB's
//
// Threads: none; RocksDB's lock keeps two processes apart.
// Errors: each names the directory and what to do; codes as View::Open has them.
#pragma once

#include <rocksdb/env.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"

namespace cairn::adapter::memcache {

inline constexpr int kViewFormat = 1;

class ViewDirectory {
 public:
  // Makes the directory if need be, and looks what is there. What was left by a creation that was
  // cut short is removed. `env` outlives this.
  static absl::StatusOr<ViewDirectory> Open(const std::string& path, GroupId log_id,
                                            rocksdb::Env* env);
  static absl::Status Remove(const std::string& path);

  // No view yet: the caller makes the database, durably, and then calls FinishCreation.
  [[nodiscard]] bool is_new() const { return is_new_; }
  absl::Status FinishCreation();

  [[nodiscard]] std::string database() const { return path_ + "/db"; }
  // The directory's name before, and what to do behind, if it is damaged.
  [[nodiscard]] absl::Status Explain(const absl::Status& status) const;

 private:
  ViewDirectory(std::string path, rocksdb::Env* env) : path_(std::move(path)), env_(env) {}
  absl::Status CheckMark(GroupId log_id) const;
  absl::Status BeginCreation(GroupId log_id);

  std::string path_;
  rocksdb::Env* env_;
  bool is_new_ = false;
};

}  // namespace cairn::adapter::memcache
