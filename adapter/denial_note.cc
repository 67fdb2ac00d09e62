#include "adapter/denial_note.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "cairn/error.h"

namespace cairn::adapter {
namespace {

constexpr int64_t kAgainUs = 60 * kMicrosPerSecond;

}  // namespace

void DenialNote::Note(const char* what, const absl::Status& status) {
  if (!IsDenied(status)) return;
  std::string sentence(status.message());
  const MonoMicros now_us = SystemClock().Mono();
  if (sentence == said_ && now_us - said_us_ < kAgainUs) return;
  spdlog::warn("{}: {}", what, sentence);
  said_ = std::move(sentence);
  said_us_ = now_us;
}

}  // namespace cairn::adapter
