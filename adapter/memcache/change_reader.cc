#include "adapter/memcache/change_reader.h"

#include "adapter/memcache/effect_codec.h"
#include "adapter/memcache/record_mark.h"
#include "base/clock.h"
#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

bool MakesStale(const EffectView& effect, UnixSeconds now) {
  switch (effect.kind) {
    case EffectKind::kStore:
    case EffectKind::kDelete:
    case EffectKind::kFlush:
      return true;
    case EffectKind::kTouch:
      return HasExpired(effect.at, now);
    case EffectKind::kFlushAt:
      return false;  // The flush itself comes when it is due.
  }
  return true;
}

}  // namespace

absl::Status ChangeReader::Next(const Record& record, int64_t log_time_us, Visitor visit) {
  if (record.kind == RecordKind::kData) RETURN_IF_ERROR(Visit(record, log_time_us, visit));
  if (run_key_.empty()) settled_ = record.seq;
  return absl::OkStatus();
}

absl::Status ChangeReader::Visit(const Record& record, int64_t log_time_us, Visitor visit) {
  ASSIGN_OR_RETURN(const RecordMark mark, RecordMark::Of(record));
  std::string_view payload = record.payload;
  switch (mark.part) {
    case RunPart::kFirst: {
      ASSIGN_OR_RETURN(const EffectHead head, TakeEffectHead(&payload));
      run_key_ = head.effect.key;
      run_binary_ = head.effect.binary;
      return absl::OkStatus();
    }
    case RunPart::kMiddle:
      return absl::OkStatus();
    case RunPart::kLast:
      if (!run_key_.empty()) visit({record.seq, run_key_, run_binary_});
      run_key_.clear();
      return absl::OkStatus();
    case RunPart::kNone:
      break;
  }
  run_key_.clear();  // Void, if there was one: its writer has gone.
  while (!payload.empty()) {
    ASSIGN_OR_RETURN(const EffectView effect, TakeEffect(&payload));
    if (MakesStale(effect, log_time_us / kMicrosPerSecond)) {
      visit({record.seq, effect.key, effect.binary});
    }
  }
  return absl::OkStatus();
}

}  // namespace cairn::adapter::memcache
