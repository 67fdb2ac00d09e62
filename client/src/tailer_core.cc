#include "client/src/tailer_core.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "client/src/convert.h"
#include "client/src/retry.h"
#include "fmt/format.h"

namespace cairn::client {
namespace {

// A stream is silent after five heartbeats, but never sooner than this.
constexpr int64_t kMinSilenceUs = 2 * kMicrosPerSecond;
// A replica without a quorum is left for another one, which may have it.
constexpr int64_t kStalePatienceUs = 3 * kMicrosPerSecond;
constexpr int64_t kMaxStalePatienceUs = 60 * kMicrosPerSecond;

// Rounds of all nodes after which a refusal that speaks for one replica only is believed. A replica
// that lags has not heard of a new log, or ends before the wanted seq.
constexpr uint64_t kRoundsForNotFound = 20;
constexpr uint64_t kRoundsForHalted = 200;
constexpr uint64_t kRoundsForFuture = 100;

constexpr CallTraits kTraits = {
    .idempotent = true, .log_known = true, .wait_out_storage_full = true};

}  // namespace

TailerCore::TailerCore(Options options, RouteTable& routes)
    : options_(std::move(options)),
      route_(routes, options_.log, Route::Goal::kAny, options_.prefer_endpoint),
      stale_patience_us_(kStalePatienceUs) {
  if (options_.start.kind == TailStart::Kind::kSeq) next_seq_ = options_.start.seq;
}

TailerCore::Actions TailerCore::Start(MonoMicros now_us) {
  CHECK(phase_ == Phase::kNew);
  Actions actions;
  disconnected_since_us_ = now_us;
  OpenStream(now_us, actions);
  return actions;
}

void TailerCore::OpenStream(MonoMicros now_us, Actions& actions) {
  phase_ = Phase::kStreaming;
  retry_at_us_ = kNever;
  stale_since_us_ = kNever;
  heard_us_ = now_us;
  actions.open_stream = Request();
}

v1::TailRequest TailerCore::Request() const {
  v1::TailRequest request;
  request.set_log(options_.log);
  request.set_log_id(options_.log_id.value());
  request.set_heartbeat_ms(static_cast<uint64_t>(options_.heartbeat_us / kMicrosPerMilli));
  if (next_seq_) {
    request.set_start_seq(next_seq_.value());
    return request;
  }
  switch (options_.start.kind) {
    case TailStart::Kind::kSeq:
    case TailStart::Kind::kFirst:
      request.set_from_first(true);
      return request;
    case TailStart::Kind::kNext:
      request.set_from_next(true);
      return request;
    case TailStart::Kind::kTimestamp:
      request.set_start_timestamp_us(options_.start.timestamp_us);
      return request;
  }
  CHECK_UNREACHABLE();
}

TailerCore::Actions TailerCore::OnMessage(v1::TailResponse* message, MonoMicros now_us) {
  Actions actions;
  if (phase_ != Phase::kStreaming) return actions;
  route_.OnSuccess();
  heard_us_ = now_us;
  disconnected_since_us_ = kNever;
  TailEvent event = TakeTailEvent(message);
  if (absl::Status bad = Accept(event); !bad.ok()) {
    Fail(std::move(bad), actions);
    return actions;
  }
  NoteMarks(event, now_us);
  const bool tells =
      !event.batches.empty() || !event.renewed.empty() || event.caught_up || event.heartbeat;
  if (tells) actions.event = std::move(event);
  return actions;
}

absl::Status TailerCore::Accept(const TailEvent& event) {
  for (const RecordBatch& batch : event.batches) {
    // (The last of them: seqs that wrap around.)
    if (batch.records.empty() || (next_seq_ && batch.first_seq != next_seq_) || !batch.first_seq ||
        batch.last_seq() + 1 < batch.first_seq) {
      return absl::DataLossError(fmt::format("{}: {} sent {} records from seq {}, expected seq {}",
                                             options_.log, route_.current(), batch.records.size(),
                                             batch.first_seq, next_seq_));
    }
    next_seq_ = batch.last_seq() + 1;
    delivered_ = true;
  }
  return absl::OkStatus();
}

void TailerCore::NoteMarks(const TailEvent& event, MonoMicros now_us) {
  // A tail from a timestamp skips records until one is late enough: only a record tells where it
  // is. The others stand behind the mark.
  if (event.caught_up && !next_seq_ && options_.start.kind != TailStart::Kind::kTimestamp) {
    next_seq_ = event.caught_up->seq + 1;
  }
  if (event.caught_up) {
    stale_since_us_ = kNever;
    stale_patience_us_ = kStalePatienceUs;
  }
  if (!event.heartbeat) return;
  if (!event.heartbeat->stale) {
    stale_since_us_ = kNever;
  } else if (stale_since_us_ == kNever) {
    stale_since_us_ = now_us;
  }
}

TailerCore::Actions TailerCore::OnStreamClosed(const absl::Status& status, MonoMicros now_us) {
  Actions actions;
  if (phase_ != Phase::kStreaming) return actions;
  Break(status.ok() ? absl::UnavailableError("the node ended the stream") : status, now_us,
        actions);
  return actions;
}

bool TailerCore::IsBelieved(const absl::Status& status) const {
  switch (GetReason(status)) {
    case Reason::kLogNotFound:
      return route_.full_rounds() >= kRoundsForNotFound;
    case Reason::kLogHalted:
      return route_.full_rounds() >= kRoundsForHalted;
    case Reason::kSeqInFuture:
      // What was delivered once exists: then it is always the replica that lags.
      return !delivered_ && route_.full_rounds() >= kRoundsForFuture;
    default:
      return false;
  }
}

void TailerCore::Break(const absl::Status& status, MonoMicros now_us, Actions& actions) {
  actions.close_stream = true;
  if (disconnected_since_us_ == kNever) disconnected_since_us_ = now_us;
  Verdict verdict = Judge(status, kTraits);
  if (GetReason(status) == Reason::kSeqInFuture) verdict = Verdict::kElsewhere;
  if (options_.outlives_denials && IsDenied(status)) {
    verdict = Verdict::kElsewhere;
    actions.denied = status;
  }
  if (verdict == Verdict::kGiveUp || IsBelieved(status)) return Fail(status, actions);
  const int64_t pause_us = route_.OnFailure(status, verdict);
  if (pause_us == 0) return OpenStream(now_us, actions);
  phase_ = Phase::kPausing;
  retry_at_us_ = now_us + pause_us;
}

void TailerCore::Fail(absl::Status status, Actions& actions) {
  phase_ = Phase::kOver;
  actions.close_stream = true;
  actions.failed = std::move(status);
}

TailerCore::Actions TailerCore::OnTimer(MonoMicros now_us) {
  Actions actions;
  if (phase_ == Phase::kPausing && now_us >= retry_at_us_) {
    OpenStream(now_us, actions);
  } else if (phase_ == Phase::kStreaming && !paused_ && now_us >= heard_us_ + SilenceUs()) {
    Break(absl::UnavailableError(fmt::format("{}: {} is silent", options_.log, endpoint())), now_us,
          actions);
  } else if (phase_ == Phase::kStreaming && stale_since_us_ != kNever &&
             now_us >= stale_since_us_ + stale_patience_us_) {
    stale_patience_us_ = std::min(2 * stale_patience_us_, kMaxStalePatienceUs);
    Break(absl::UnavailableError(fmt::format("{}: {} has no quorum", options_.log, endpoint())),
          now_us, actions);
  }
  return actions;
}

void TailerCore::SetPaused(bool paused, MonoMicros now_us) {
  if (paused_ && !paused) heard_us_ = now_us;
  paused_ = paused;
}

int64_t TailerCore::SilenceUs() const { return std::max(5 * options_.heartbeat_us, kMinSilenceUs); }

MonoMicros TailerCore::wake_at_us() const {
  if (phase_ == Phase::kPausing) return retry_at_us_;
  if (phase_ != Phase::kStreaming) return kNever;
  MonoMicros at_us = paused_ ? kNever : heard_us_ + SilenceUs();
  if (stale_since_us_ != kNever) at_us = std::min(at_us, stale_since_us_ + stale_patience_us_);
  return at_us;
}

}  // namespace cairn::client
