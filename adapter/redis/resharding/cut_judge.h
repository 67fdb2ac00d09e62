// CutJudge: tells from round to round of a copy whether it is time for the cut, in which clients
// wait for one more round, or whether that time will never come.
//
//   SlotCopy ──rounds──► SlotKeeper ──► CutJudge ──► announce; or take the move back, with why()
//
// Each round copies what was written during the one before. As long as rounds get shorter, the next
// one is waited for. What they stay at is what clients would wait for: a key that is written all
// the time is copied whole each time. If that is too long for the cut, so it will be for ever.
//
// Threads: one. Bounds: constant. Pure: the caller brings the time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace cairn::adapter::redis {

// What a round has copied.
struct CopyWork {
  uint64_t keys = 0;   // Written.
  uint64_t bytes = 0;  // Of them, as the engine dumps them.
  std::string largest_key;
  uint64_t largest_bytes = 0;
};

// A key's name in messages: short, and without what does not print.
std::string ShownKey(std::string_view key);

class CutJudge {
 public:
  enum class Verdict : uint8_t { kCopyOn, kCut, kHopeless };

  // Rounds in a row that are too long for the cut and do not get shorter, after which it is
  // hopeless.
  static constexpr int kLongRounds = 8;
  // The same of rounds that are short enough for the cut: then it is tried.
  static constexpr int kSteadyRounds = 4;
  // Cuts that were withdrawn because they took too long.
  static constexpr int kMaxCuts = 5;

  // Calls may wait for so long.
  explicit CutJudge(int64_t patience_us) : patience_us_(patience_us) {}

  Verdict Take(const CopyWork& work, int64_t took_us, MonoMicros now);
  // The cut that was last advised took too long. The next one is later each time, so that clients
  // are served for most of the time.
  void OnWithdrawn(MonoMicros now);
  // Behind kHopeless: what it is that takes so long, and what the operator may do.
  [[nodiscard]] std::string why() const;

 private:
  const int64_t patience_us_;
  CopyWork last_;
  int64_t last_us_ = 0;
  int64_t best_us_ = INT64_MAX;
  int since_best_ = 0;  // Rounds that were hardly shorter than it, or longer.
  int long_rounds_ = 0;
  int withdrawn_ = 0;
  MonoMicros not_before_us_ = 0;
};

}  // namespace cairn::adapter::redis
