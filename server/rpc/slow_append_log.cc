#include "server/rpc/slow_append_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace cairn::rpc {
namespace {

struct Span {
  std::string_view stage;
  MonoMicros from;
  MonoMicros to;  // 0: not over when the append was answered.
};

// In the order of the line. A stage that did not begin has no `from`.
std::array<Span, 7> Stages(const server::AppendTimes& times) {
  return {{{"queue", times.arrived, times.taken},
           {"gather", times.taken, times.judged},
           {"evaluate", times.judged, times.handed},
           {"sync", times.handed, times.durable},
           {"replicate", times.handed, times.replicated},
           {"commit", times.handed, times.committed},
           {"apply", times.committed, times.answered}}};
}

// Which of the two that a commit needs came last, or did not come.
std::string_view WhatCommitWaitedFor(const server::AppendTimes& times) {
  if (times.durable == 0) return times.replicated == 0 ? "sync and replicate" : "sync";
  if (times.replicated == 0) return "replicate";
  return times.durable > times.replicated ? "sync" : "replicate";
}

double Millis(MonoMicros us) { return static_cast<double>(us) / kMicrosPerMilli; }

}  // namespace

std::string_view WhereItWaited(const AnsweredAppend& append) {
  if (append.forwarded) return "leader";
  std::string_view longest = "quota";
  MonoMicros most = append.times.arrived == 0 ? 0 : append.times.arrived - append.began;
  for (const Span& span : Stages(append.times)) {
    if (span.from == 0 || span.stage == "sync" || span.stage == "replicate") continue;
    const MonoMicros took = (span.to == 0 ? append.ended : span.to) - span.from;
    if (took <= most) continue;
    most = took;
    longest = span.stage;
  }
  return longest == "commit" ? WhatCommitWaitedFor(append.times) : longest;
}

bool SlowAppendLog::Note(const AnsweredAppend& append) {
  if (!IsSlow(append.ended - append.began)) return false;
  uint64_t left_out = 0;
  if (!TakeTurn(append.ended, &left_out)) return true;
  std::string line =
      fmt::format("slow append: log={} request={} outcome={} took_ms={:.1f} bytes={} records={}",
                  append.log, append.request_id, append.outcome,
                  Millis(append.ended - append.began), append.bytes, append.records);
  for (const Span& span : Stages(append.times)) {
    if (span.from == 0 || span.to == 0) continue;
    fmt::format_to(std::back_inserter(line), " {}_ms={:.1f}", span.stage,
                   Millis(span.to - span.from));
  }
  fmt::format_to(std::back_inserter(line), " waited=\"{}\"", WhereItWaited(append));
  if (left_out > 0) fmt::format_to(std::back_inserter(line), " left_out={}", left_out);
  write_(line);
  return true;
}

bool SlowAppendLog::TakeTurn(MonoMicros now, uint64_t* left_out) {
  absl::MutexLock lock(&mutex_);
  if (now - second_began_ >= kMicrosPerSecond) {
    second_began_ = now;
    lines_ = 0;
  }
  if (lines_ >= kLinesPerSecond) {
    ++left_out_;
    return false;
  }
  ++lines_;
  *left_out = std::exchange(left_out_, 0);
  return true;
}

}  // namespace cairn::rpc
