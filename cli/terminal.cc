#include "cli/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "cli/units.h"

namespace cairn::cli {
namespace {

constexpr MonoMicros kRedrawEveryUs = kMicrosPerSecond / 10;
constexpr size_t kBarColumns = 24;

std::string Bar(uint64_t bytes, uint64_t total_bytes) {
  const double share =
      total_bytes == 0
          ? 1.0
          : std::min(1.0, static_cast<double>(bytes) / static_cast<double>(total_bytes));
  const auto filled = static_cast<size_t>(share * kBarColumns);
  std::string bar(filled, '=');
  if (filled < kBarColumns) bar += '>';
  bar.resize(kBarColumns, ' ');
  return fmt::format("[{}] {:3.0f} %", bar, share * 100);
}

}  // namespace

bool IsTerminal(int fd) { return ::isatty(fd) == 1; }

bool WantsColour(int fd) {
  const char* term = std::getenv("TERM");
  return IsTerminal(fd) && std::getenv("NO_COLOR") == nullptr && term != nullptr &&
         std::string_view(term) != "dumb";
}

std::string ProgressLine(uint64_t bytes, std::optional<uint64_t> total_bytes, uint64_t records,
                         double elapsed_s) {
  std::string line = FormatByteCount(bytes);
  if (total_bytes)
    line += fmt::format(" / {} {}", FormatByteCount(*total_bytes), Bar(bytes, *total_bytes));
  line += fmt::format("  {} records", records);
  if (elapsed_s > 0) {
    line +=
        fmt::format("  {}/s  {:.0f} records/s",
                    FormatByteCount(static_cast<uint64_t>(static_cast<double>(bytes) / elapsed_s)),
                    static_cast<double>(records) / elapsed_s);
  }
  return line;
}

ProgressBar::ProgressBar(bool enabled, std::optional<uint64_t> total_bytes, const Clock& clock)
    : enabled_(enabled), total_bytes_(total_bytes), clock_(clock), started_us_(clock.Mono()) {}

void ProgressBar::Update(uint64_t bytes, uint64_t records) {
  if (!enabled_) return;
  const MonoMicros now_us = clock_.Mono();
  if (visible_ && now_us - drawn_us_ < kRedrawEveryUs) return;
  const double elapsed_s = static_cast<double>(now_us - started_us_) / kMicrosPerSecond;
  const std::string line = ProgressLine(bytes, total_bytes_, records, elapsed_s);
  std::fprintf(stderr, "\r\x1b[2K%s", line.c_str());
  std::fflush(stderr);
  drawn_us_ = now_us;
  visible_ = true;
}

void ProgressBar::Clear() {
  if (!visible_) return;
  std::fputs("\r\x1b[2K", stderr);
  std::fflush(stderr);
  visible_ = false;
}

}  // namespace cairn::cli
