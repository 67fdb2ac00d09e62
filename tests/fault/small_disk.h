// SmallDisk: a file system of a size of our choosing under a node's directory, so that a disk can
// be full without filling the machine's.
//
// It is a tmpfs, mounted in a mount namespace of this process: nobody else sees it, and it goes
// with the process. A node moves onto it and back while it does not run.
//
// Threads: the main one, from which nodes are started. Lifetime: the destructor moves the node's
//   files back and unmounts. Requires of the caller: the node does not run then.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace cairn::fault {

// Moves the calling thread into a mount namespace of its own, if it may. To be called once.
absl::Status EnterMountNamespace();

class SmallDisk {
 public:
  // Moves the directory `path` onto a disk with `bytes`. Requires: EnterMountNamespace succeeded.
  static absl::StatusOr<std::unique_ptr<SmallDisk>> Put(const std::string& path, uint64_t bytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  // Files stay as they are; not less than what they take.
  absl::Status Resize(uint64_t bytes);
  // Room for that many files and directories only, however little is in them: a disk that has room
  // when it is asked, and none when it is written to. 0: no limit.
  absl::Status LimitFiles(uint64_t files);
  [[nodiscard]] uint64_t UsedBytes() const;

 private:
  explicit SmallDisk(std::string path) : path_(std::move(path)) {}

  const std::string path_;
};

}  // namespace cairn::fault
