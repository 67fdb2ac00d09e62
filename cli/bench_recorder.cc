#include "cli/bench_recorder.h"

#include <algorithm>
#include <chrono>

#include "base/strings.h"
#include "cairn/error.h"

namespace cairn::cli {
namespace {

constexpr int64_t kNanosPerMilli = 1'000'000;
constexpr double kNanosPerSecond = 1e9;

}  // namespace

int64_t NowNanos() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

BenchRecorder::BenchRecorder(const BenchOptions& options, int64_t start_ns)
    : options_(options),
      window_begin_ns_(start_ns + static_cast<int64_t>(options.warmup_ms) * kNanosPerMilli),
      window_end_ns_(window_begin_ns_ +
                     static_cast<int64_t>(options.duration_ms) * kNanosPerMilli) {}

void BenchRecorder::Done(int64_t begin_ns, int64_t end_ns, uint64_t payload_bytes) {
  if (end_ns < window_begin_ns_ || end_ns >= window_end_ns_) return;
  absl::MutexLock lock(&mutex_);
  histogram_.Record(static_cast<uint64_t>(std::max<int64_t>(0, end_ns - begin_ns)));
  payload_bytes_ += payload_bytes;
  if (last_done_ns_ != 0 && end_ns - last_done_ns_ > gap_ns_) {
    gap_ns_ = end_ns - last_done_ns_;
    gap_begin_ns_ = last_done_ns_;
  }
  last_done_ns_ = std::max(last_done_ns_, end_ns);
}

void BenchRecorder::Failed(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (GetReason(status) == Reason::kConditionFailed) {
    ++conflicts_;
    return;
  }
  ++(IsUnknownOutcome(status) ? unknown_ : errors_);
  if (first_error_.empty()) first_error_ = ToStd(status.message());
}

BenchReport BenchRecorder::Report(int64_t now_ns) const {
  const int64_t end_ns = std::clamp(now_ns, window_begin_ns_ + 1, window_end_ns_);
  const double seconds = static_cast<double>(end_ns - window_begin_ns_) / kNanosPerSecond;
  absl::MutexLock lock(&mutex_);
  const auto micros = [this](double quantile) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return static_cast<double>(histogram_.QuantileNanos(quantile)) / 1e3;
  };
  BenchReport report{.log = options_.log,
                     .size_bytes = options_.size_bytes,
                     .clients = options_.clients,
                     .in_flight = options_.in_flight,
                     .rate = options_.rate,
                     .duration_s = seconds,
                     .ops = histogram_.count(),
                     .errors = errors_,
                     .unknown = unknown_,
                     .conflicts = conflicts_,
                     .ops_per_s = static_cast<double>(histogram_.count()) / seconds,
                     .mb_per_s = static_cast<double>(payload_bytes_) / 1e6 / seconds,
                     .mean_us = histogram_.MeanNanos() / 1e3,
                     .p50_us = micros(0.5),
                     .p90_us = micros(0.9),
                     .p99_us = micros(0.99),
                     .p999_us = micros(0.999),
                     .max_us = static_cast<double>(histogram_.max_nanos()) / 1e3,
                     .first_error = first_error_};
  if (options_.gap) {
    // A gap that the end of the run cut off counts as far as it was seen.
    const bool open = last_done_ns_ != 0 && end_ns - last_done_ns_ > gap_ns_;
    report.longest_gap_ms =
        static_cast<double>(open ? end_ns - last_done_ns_ : gap_ns_) / kNanosPerMilli;
    report.longest_gap_at_s =
        static_cast<double>((open ? last_done_ns_ : gap_begin_ns_) - window_begin_ns_) /
        kNanosPerSecond;
  }
  return report;
}

}  // namespace cairn::cli
