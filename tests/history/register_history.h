// CheckRegister: whether some order of the calls on one integer, each at one moment between its
// begin and its end, explains every answer.
//
// For caches: a key that is set, incremented and read. The search is Wing and Gong's with Lowe's
// memory of configurations (set of ordered calls, value) that led nowhere; exact, like that of
// logs (linearizability.h), whose calls are richer. An unanswered write may take effect at any
// moment after its begin, or never.
//
// Threads: none of its own; a pure function. Bounds: `max_configurations`; histories of a few
// hundred calls with a few dozen unanswered ones are judged in milliseconds.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace cairn::history {

struct RegisterCall {
  enum class Kind : uint8_t { kSet, kIncrement, kGet };
  static constexpr int64_t kUnanswered = std::numeric_limits<int64_t>::max();

  Kind kind = Kind::kGet;
  // kSet: what it sets. kIncrement and kGet: the answer; an absent key is 0.
  int64_t value = 0;
  int64_t begin_us = 0;
  int64_t end_us = kUnanswered;

  [[nodiscard]] bool answered() const { return end_us != kUnanswered; }
};

struct RegisterVerdict {
  enum class Kind : uint8_t {
    kLinearizable,
    kViolation,
    kUndecided,  // The bound was reached. Not a pass.
  };
  Kind kind = Kind::kUndecided;
  // Why not, for people; empty when linearizable.
  std::string explanation;

  [[nodiscard]] bool ok() const { return kind == Kind::kLinearizable; }
};

// The key is absent, or 0, before the first call.
RegisterVerdict CheckRegister(std::vector<RegisterCall> calls,
                              uint64_t max_configurations = 1'000'000);

}  // namespace cairn::history
