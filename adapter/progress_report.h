// ProgressReport: how far a long piece of work is, for the person or the program that waits.
//
//   on a terminal   one line that is drawn anew, at most ten times a second
//   else            a line when a phase begins, and each five seconds
//   as JSON         as the latter, one object a line
//   in a log        as the latter, as lines of the process's log
//
// All of it goes to stderr: stdout is for the result.
//
// Threads: any. Bounds: constant.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"

namespace cairn::adapter {

enum class Phase : uint8_t {
  kDownload,
  kLoad,
  kReplay,
  kSave,
  kRehearse,
  kUpload,
  kDump,
  kLag,
  kFill
};
// "download", …
std::string_view Name(Phase phase);
// Bytes; records in kReplay, whose numbers are seqs; items in kFill.
bool CountsBytes(Phase phase);

// What a progress line says. "replay   12,000 / 96,000 records [====>     ]  12 %  31 s"
std::string ProgressLine(Phase phase, uint64_t done, uint64_t total, int64_t elapsed_us);

class ProgressReport {
 public:
  enum class Style : uint8_t { kNone, kTerminal, kLines, kJson, kLog };
  // What suits stderr: of a command, and of a process that runs on.
  static Style ForStderr(bool json);
  static Style ForProcess();

  ProgressReport(Style style, const Clock* clock, int fd = STDERR_FILENO);
  ~ProgressReport() { Clear(); }
  ProgressReport(const ProgressReport&) = delete;
  ProgressReport& operator=(const ProgressReport&) = delete;

  // `total` 0: not known.
  void Update(Phase phase, uint64_t done, uint64_t total);
  // A phase has ended: removes the line of a terminal, so that other text can be written.
  void Clear();

 private:
  void Write(std::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Style style_;
  const Clock* const clock_;
  const int fd_;
  absl::Mutex mutex_;
  std::optional<Phase> phase_ ABSL_GUARDED_BY(mutex_);
  MonoMicros began_us_ ABSL_GUARDED_BY(mutex_) = 0;
  MonoMicros told_us_ ABSL_GUARDED_BY(mutex_) = 0;
  bool drawn_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cairn::adapter
