// Terminal: whether a person watches, and the one-line progress bar for them.
//
// Colours and progress appear only on a terminal; NO_COLOR (any value) turns the
// colours off. Everything here writes to stderr, so that stdout stays data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"

namespace cairn::cli {

// Is the file descriptor a terminal that understands colours?
bool WantsColour(int fd);
bool IsTerminal(int fd);

// What a progress line says at one moment; pure, so that tests can read it.
// "  12.0 MiB / 96.0 MiB [=====>     ]  12 %  3,000 records  1.2 MiB/s  300 records/s"
std::string ProgressLine(uint64_t bytes, std::optional<uint64_t> total_bytes, uint64_t records,
                         double elapsed_s);

// Draws at most ten times a second. Threads: not safe.
class ProgressBar {
 public:
  // `enabled` false makes every call a no-op.
  ProgressBar(bool enabled, std::optional<uint64_t> total_bytes, const Clock& clock);
  ~ProgressBar() { Clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Update(uint64_t bytes, uint64_t records);
  // Removes the line, so that other text can be written.
  void Clear();

 private:
  const bool enabled_;
  const std::optional<uint64_t> total_bytes_;
  const Clock& clock_;
  const MonoMicros started_us_;
  MonoMicros drawn_us_ = 0;
  bool visible_ = false;
};

}  // namespace cairn::cli
