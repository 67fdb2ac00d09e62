#include "adapter/progress_report.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/check.h"

namespace cairn::adapter {
namespace {

constexpr int64_t kDrawGapUs = kMicrosPerSecond / 10;
constexpr int64_t kLineGapUs = 5 * kMicrosPerSecond;
constexpr size_t kBarCells = 24;

constexpr std::array<std::string_view, 9> kNames = {
    "download", "load", "replay", "save", "rehearse", "upload", "dump", "lag", "fill"};

std::string Amount(Phase phase, uint64_t amount) {
  constexpr double kMiB = 1 << 20;
  if (CountsBytes(phase)) return fmt::format("{:.1f} MiB", static_cast<double>(amount) / kMiB);
  return fmt::format("{}", amount);
}

std::string_view UnitOf(Phase phase) {
  if (CountsBytes(phase)) return "";
  return phase == Phase::kFill ? " items" : " records";
}

}  // namespace

std::string_view Name(Phase phase) { return kNames.at(static_cast<size_t>(phase)); }

bool CountsBytes(Phase phase) { return phase != Phase::kReplay && phase != Phase::kFill; }

std::string ProgressLine(Phase phase, uint64_t done, uint64_t total, int64_t elapsed_us) {
  const double seconds = static_cast<double>(elapsed_us) / kMicrosPerSecond;
  const std::string_view unit = UnitOf(phase);
  if (total == 0) {
    return fmt::format("{:<8} {}{}  {:.0f} s", Name(phase), Amount(phase, done), unit, seconds);
  }
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const size_t cells = static_cast<size_t>(share * kBarCells);
  std::string bar(cells, '=');
  if (cells < kBarCells) bar += '>';
  bar.resize(kBarCells, ' ');
  return fmt::format("{:<8} {} / {}{} [{}] {:3.0f} %  {:.0f} s", Name(phase), Amount(phase, done),
                     Amount(phase, total), unit, bar, 100 * share, seconds);
}

ProgressReport::Style ProgressReport::ForStderr(bool json) {
  if (json) return Style::kJson;
  return isatty(STDERR_FILENO) == 1 ? Style::kTerminal : Style::kLines;
}

ProgressReport::Style ProgressReport::ForProcess() {
  return isatty(STDERR_FILENO) == 1 ? Style::kTerminal : Style::kLog;
}

ProgressReport::ProgressReport(Style style, const Clock* clock, int fd)
    : style_(style), clock_(clock), fd_(fd) {}

void ProgressReport::Update(Phase phase, uint64_t done, uint64_t total) {
  if (style_ == Style::kNone) return;
  const absl::MutexLock lock(&mutex_);
  const MonoMicros now_us = clock_->Mono();
  const bool begins = phase_ != phase;
  const bool ends = total > 0 && done >= total;
  const int64_t gap_us = style_ == Style::kTerminal ? kDrawGapUs : kLineGapUs;
  if (!begins && now_us - told_us_ < gap_us && !(ends && style_ == Style::kTerminal)) return;
  if (begins) began_us_ = now_us;
  phase_ = phase;
  told_us_ = now_us;
  if (style_ == Style::kJson) {
    return Write(fmt::format("{{\"phase\": \"{}\", \"done\": {}, \"total\": {}}}\n", Name(phase),
                             done, total));
  }
  const std::string line = ProgressLine(phase, done, total, now_us - began_us_);
  if (style_ == Style::kLog) return spdlog::info(line);
  if (style_ == Style::kLines) return Write(line + "\n");
  // The cursor goes back, for a line of the log that may come in between.
  Write("\r\x1b[K" + line + "\r");
  drawn_ = true;
}

void ProgressReport::Clear() {
  const absl::MutexLock lock(&mutex_);
  if (drawn_) Write("\r\x1b[K");
  drawn_ = false;
  phase_.reset();
}

// Best effort: who does not want to see it loses nothing.
void ProgressReport::Write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd_, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace cairn::adapter
