// SlowAppendLog: a line in the process's log for each append that took --slow-append-ms or longer,
// which says where it waited (docs/monitoring.md).
//
// Bound: kLinesPerSecond lines a second; those that were left out are counted in the next line.
// Threads: any; one leaf lock, taken for slow appends only. Lifetime: outlives every call.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "server/append_times.h"

namespace cairn::rpc {

// The outcome of an append that was done.
inline constexpr char kDone[] = "OK";

// An append that was answered.
struct AnsweredAppend {
  std::string_view log;
  std::string_view request_id;
  std::string_view outcome;  // kDone, or the reason of its refusal.
  MonoMicros began = 0;
  MonoMicros ended = 0;
  uint64_t bytes = 0;
  uint64_t records = 0;
  bool forwarded = false;     // Another node's answer: its log knows the stages.
  server::AppendTimes times;  // What is known here.
};

class SlowAppendLog {
 public:
  static constexpr uint64_t kLinesPerSecond = 10;
  using Write = std::function<void(const std::string& line)>;

  // `threshold_us` 0: nothing is slow.
  SlowAppendLog(int64_t threshold_us, Write write)
      : threshold_us_(threshold_us), write_(std::move(write)) {}

  [[nodiscard]] bool IsSlow(int64_t took_us) const {
    return threshold_us_ > 0 && took_us >= threshold_us_;
  }
  // Writes the line unless there were too many in this second. Returns whether it is slow.
  bool Note(const AnsweredAppend& append);

 private:
  // Whether a line may be written; `*left_out`: how many were not since the last one.
  bool TakeTurn(MonoMicros now, uint64_t* left_out);

  const int64_t threshold_us_;
  const Write write_;
  absl::Mutex mutex_;
  MonoMicros second_began_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t lines_ ABSL_GUARDED_BY(mutex_) = 0;  // In this second.
  uint64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The stage in which the append spent most of its time: "queue", "gather", "evaluate", "sync",
// "replicate", "apply"; "leader" for a forwarded one; "quota" for one that was held back before.
[[nodiscard]] std::string_view WhereItWaited(const AnsweredAppend& append);

}  // namespace cairn::rpc
