#include "adapter/redis/resharding/cut_judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "absl/strings/escaping.h"
#include "adapter/redis/discovery/key_slot.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

// Of so little the cut is not felt.
constexpr uint64_t kFewKeys = 200;
constexpr uint64_t kFewBytes = uint64_t{1} << 20;
constexpr int64_t kShortRoundUs = kMicrosPerSecond / 2;
constexpr size_t kShownKeyBytes = 60;

bool IsLittle(const CopyWork& work, int64_t took_us) {
  return work.keys <= kFewKeys && work.bytes <= kFewBytes && took_us <= kShortRoundUs;
}

double Seconds(int64_t us) { return static_cast<double>(us) / kMicrosPerSecond; }
double Megabytes(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

}  // namespace

std::string ShownKey(std::string_view key) {
  return absl::CHexEscape(ToAbsl(key.substr(0, kShownKeyBytes)));
}

CutJudge::Verdict CutJudge::Take(const CopyWork& work, int64_t took_us, MonoMicros now) {
  last_ = work;
  last_us_ = took_us;
  if (took_us < best_us_ / 10 * 9) {
    best_us_ = took_us;
    since_best_ = 0;
  } else {
    ++since_best_;
  }
  // The other half is for what else belongs to a cut.
  const bool fits = took_us <= patience_us_ / 2;
  long_rounds_ = fits ? 0 : long_rounds_ + 1;
  if (withdrawn_ >= kMaxCuts) return Verdict::kHopeless;
  if (std::min(long_rounds_, since_best_) >= kLongRounds) return Verdict::kHopeless;
  if (!fits || now < not_before_us_) return Verdict::kCopyOn;
  const bool steady = since_best_ >= kSteadyRounds;
  return steady || IsLittle(work, took_us) ? Verdict::kCut : Verdict::kCopyOn;
}

void CutJudge::OnWithdrawn(MonoMicros now) {
  ++withdrawn_;
  not_before_us_ = now + withdrawn_ * patience_us_;
}

std::string CutJudge::why() const {
  const double patience_s = Seconds(patience_us_);
  const int64_t enough_ms = (3 * std::max(last_us_, patience_us_) / kMicrosPerSecond + 1) * 1000;
  if (withdrawn_ >= kMaxCuts) {
    return fmt::format(
        "the last step took longer than the {:.1f} s for which calls may wait, {} times: try again "
        "when the target's log and engine are less busy, or with --cut-timeout-ms {}",
        patience_s, withdrawn_, enough_ms);
  }
  const std::string rest =
      fmt::format("takes {:.1f} s to copy, again and again, and calls may wait for {:.1f} s",
                  Seconds(last_us_), patience_s);
  if (last_.largest_bytes >= last_.bytes / 2 && last_.keys > 0) {
    const uint32_t slot = KeySlot(last_.largest_key);
    return fmt::format(
        "key \"{}\" (slot {}, {:.1f} MB) is written all the time and {}: write it less "
        "or split it, or move its slot alone with --cut-timeout-ms {}",
        ShownKey(last_.largest_key), slot, Megabytes(last_.largest_bytes), rest, enough_ms);
  }
  return fmt::format(
      "what is written meanwhile ({} keys, {:.1f} MB) {}: move fewer slots at a time, or with "
      "--cut-timeout-ms {}",
      last_.keys, Megabytes(last_.bytes), rest, enough_ms);
}

}  // namespace cairn::adapter::redis
