// Input: the bytes that `append` reads, from files in turn or from stdin.
//
// Reading stops at the end, at an error, or when an interrupt arrives, even while
// stdin is a terminal or a silent pipe.
// Threads: not safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/interrupt.h"

namespace cairn::cli {

class Input {
 public:
  // No paths: stdin; "-" among the paths: stdin there.
  Input(std::vector<std::string> paths, const Interrupt& interrupt);
  ~Input();
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  // Bytes in all files together; nullopt when stdin or a pipe is among them.
  [[nodiscard]] std::optional<uint64_t> TotalBytes() const;

  // Some more bytes, valid until the next call; empty at the end of a file. AtEnd() then
  // tells whether another file follows. Errors: kInvalidArgument for a file that cannot be
  // opened or read, naming it; kCancelled once interrupted.
  absl::StatusOr<std::string_view> Read();

  // All files have been read.
  [[nodiscard]] bool AtEnd() const { return next_path_ == paths_.size() && fd_ < 0; }

 private:
  absl::Status OpenNext();

  const std::vector<std::string> paths_;
  const Interrupt& interrupt_;
  size_t next_path_ = 0;
  int fd_ = -1;
  std::vector<char> buffer_;
};

}  // namespace cairn::cli
