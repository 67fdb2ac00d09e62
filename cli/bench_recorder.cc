#include "cli/bench_recorder.h"

#include <algorithm>
#include <chrono>

#include "base/strings.h"
#include "cairn/error.h"

namespace cairn::cli {
namespace {

constexpr int64_t kNanosPerMilli = 1'000'000;
constexpr double kNanosPerSecond = 1e9;

uint64_t NextRecorderId() {
  static std::atomic<uint64_t> last_id{0};
  return ++last_id;
}

double Micros(uint64_t nanos) { return static_cast<double>(nanos) / 1e3; }

void FillLatencies(BenchReport& report, const Histogram& histogram) {
  report.mean_us = histogram.MeanNanos() / 1e3;
  report.p50_us = Micros(histogram.QuantileNanos(0.5));
  report.p90_us = Micros(histogram.QuantileNanos(0.9));
  report.p99_us = Micros(histogram.QuantileNanos(0.99));
  report.p999_us = Micros(histogram.QuantileNanos(0.999));
  report.max_us = Micros(histogram.max_nanos());
}

}  // namespace

int64_t NowNanos() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

BenchRecorder::BenchRecorder(const BenchOptions& options, int64_t start_ns)
    : options_(options),
      window_begin_ns_(start_ns + static_cast<int64_t>(options.warmup_ms) * kNanosPerMilli),
      window_end_ns_(window_begin_ns_ + static_cast<int64_t>(options.duration_ms) * kNanosPerMilli),
      id_(NextRecorderId()) {}

BenchRecorder::Share& BenchRecorder::MyShare() {
  thread_local uint64_t share_owner_id = 0;
  thread_local Share* share = nullptr;
  if (share_owner_id != id_) {
    absl::MutexLock lock(&mutex_);
    std::unique_ptr<Share>& mine = shares_[std::this_thread::get_id()];
    if (!mine) mine = std::make_unique<Share>();
    share = mine.get();
    share_owner_id = id_;
  }
  return *share;
}

void BenchRecorder::Done(int64_t begin_ns, int64_t end_ns, uint64_t payload_bytes) {
  const int64_t belongs_ns = options_.rate > 0 ? begin_ns : end_ns;
  if (belongs_ns < window_begin_ns_ || belongs_ns >= window_end_ns_) return;
  Share& share = MyShare();
  share.histogram.Record(static_cast<uint64_t>(std::max<int64_t>(0, end_ns - begin_ns)));
  share.payload_bytes += payload_bytes;
  if (options_.gap) NoteSuccess(end_ns);
}

// Completions of several threads may come a little out of order: only steps forward count.
void BenchRecorder::NoteSuccess(int64_t end_ns) {
  int64_t previous_ns = last_done_ns_.load(std::memory_order_relaxed);
  do {
    if (end_ns <= previous_ns) return;
  } while (!last_done_ns_.compare_exchange_weak(previous_ns, end_ns, std::memory_order_relaxed));
  constexpr int64_t kWorthTheLockNs = kNanosPerMilli;
  if (previous_ns == 0 || end_ns - previous_ns < kWorthTheLockNs) return;
  absl::MutexLock lock(&mutex_);
  if (end_ns - previous_ns <= gap_ns_) return;
  gap_ns_ = end_ns - previous_ns;
  gap_begin_ns_ = previous_ns;
}

void BenchRecorder::Failed(const absl::Status& status, uint64_t count) {
  absl::MutexLock lock(&mutex_);
  if (GetReason(status) == Reason::kConditionFailed) {
    conflicts_ += count;
    return;
  }
  (IsUnknownOutcome(status) ? unknown_ : errors_) += count;
  if (first_error_.empty()) first_error_ = ToStd(status.message());
}

BenchReport BenchRecorder::Report(int64_t now_ns) const {
  const int64_t end_ns = std::clamp(now_ns, window_begin_ns_ + 1, window_end_ns_);
  const double seconds = static_cast<double>(end_ns - window_begin_ns_) / kNanosPerSecond;
  absl::MutexLock lock(&mutex_);
  Share all;
  for (const auto& [thread, share] : shares_) {
    all.histogram.Merge(share->histogram);
    all.payload_bytes += share->payload_bytes;
  }
  BenchReport report{.log = options_.log,
                     .size_bytes = options_.size_bytes,
                     .clients = options_.clients,
                     .in_flight = options_.in_flight,
                     .rate = options_.rate,
                     .duration_s = seconds,
                     .ops = all.histogram.count(),
                     .errors = errors_,
                     .unknown = unknown_,
                     .conflicts = conflicts_,
                     .unsent = unsent_.load(std::memory_order_relaxed),
                     .ops_per_s = static_cast<double>(all.histogram.count()) / seconds,
                     .mb_per_s = static_cast<double>(all.payload_bytes) / 1e6 / seconds,
                     .first_error = first_error_};
  FillLatencies(report, all.histogram);
  if (options_.gap) AddGap(report, end_ns);
  return report;
}

// A gap that the end of the run cut off counts as far as it was seen.
void BenchRecorder::AddGap(BenchReport& report, int64_t end_ns) const {
  const int64_t last_ns = last_done_ns_.load(std::memory_order_relaxed);
  const bool open = last_ns != 0 && end_ns - last_ns > gap_ns_;
  const int64_t begin_ns = open ? last_ns : gap_begin_ns_;
  report.longest_gap_ms = static_cast<double>(open ? end_ns - last_ns : gap_ns_) / kNanosPerMilli;
  report.longest_gap_at_s =
      begin_ns == 0 ? 0 : static_cast<double>(begin_ns - window_begin_ns_) / kNanosPerSecond;
}

}  // namespace cairn::cli
