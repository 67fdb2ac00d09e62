#include "client/src/producer_core.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "client/src/convert.h"
#include "client/src/error_codec.h"
#include "client/src/record_encoder.h"
#include "client/src/retry.h"
#include "fmt/format.h"

namespace cairn::client {
namespace {

// A stream that leaves requests unanswered for that long is replaced; doubled by each one in a row
// that was silent, so that a cluster that is only slow does not get the same bytes again and again.
constexpr int64_t kPatienceUs = kMicrosPerSecond;
constexpr uint64_t kMaxPatienceDoublings = 3;
// Rounds of all nodes after which "no such log" or "halted" is believed.
constexpr uint64_t kRoundsToBelieve = 20;

// Sequenced requests may be repeated at will, and a full disk is waited out: the buffer pushes
// back.
constexpr CallTraits kTraits = {
    .idempotent = true, .log_known = true, .wait_out_storage_full = true};

// Reasons that the log's state machine gives after it has looked for a duplicate: the front request
// was not done by an earlier try, and those behind it cannot have been done without it.
bool RulesOutEarlierTries(Reason reason) {
  return reason == Reason::kConditionFailed || reason == Reason::kLeaseLost ||
         reason == Reason::kFenceRequired || reason == Reason::kDuplicateGap;
}

bool SpeaksForOneReplica(Reason reason) {
  return reason == Reason::kLogNotFound || reason == Reason::kLogHalted;
}

}  // namespace

ProducerCore::ProducerCore(Options options, RouteTable& routes)
    : options_(std::move(options)), route_(routes, options_.log, Route::Goal::kLeader) {
  CHECK_GE(options_.max_in_flight, 1u);
  CHECK_LE(options_.max_in_flight, 16u);
}

ProducerCore::Actions ProducerCore::Start() {
  CHECK(phase_ == Phase::kUnregistered);
  Actions actions;
  actions.register_producer = true;
  return actions;
}

ProducerCore::Actions ProducerCore::OnRegistered(const absl::StatusOr<uint64_t>& producer_id) {
  Actions actions;
  if (phase_ == Phase::kFailed) return actions;
  CHECK(phase_ == Phase::kUnregistered);
  if (!producer_id.ok()) {
    Fail(producer_id.status(), actions);
    return actions;
  }
  if (*producer_id == 0) {
    // Appends that carried it would not be sequenced at all.
    Fail(absl::DataLossError(
             fmt::format("{}: {} gave the producer the id 0", options_.log, route_.current())),
         actions);
    return actions;
  }
  producer_id_ = *producer_id;
  phase_ = Phase::kIdle;
  return actions;
}

bool ProducerCore::HasRoom() const {
  return phase_ != Phase::kUnregistered && phase_ != Phase::kFailed &&
         unanswered_.size() < options_.max_in_flight;
}

ProducerCore::Actions ProducerCore::Submit(ProducerBatch batch, MonoMicros now_us) {
  CHECK(HasRoom());
  CHECK_EQ(batch.first_ticket, next_ticket_);
  CHECK_GT(batch.count, 0u);
  Actions actions;
  next_ticket_ += batch.count;
  if (unanswered_.empty()) progress_us_ = now_us;
  unanswered_.push_back({.sequence = next_sequence_++,
                         .batch = std::move(batch),
                         .submitted_us = now_us,
                         .open_tries = 0});
  if (phase_ == Phase::kIdle) {
    OpenStream(now_us, actions);
  } else if (phase_ == Phase::kStreaming) {
    WriteRest(actions);
  }
  return actions;
}

void ProducerCore::OpenStream(MonoMicros now_us, Actions& actions) {
  phase_ = Phase::kStreaming;
  retry_at_us_ = kNever;
  written_ = 0;
  stream_named_log_ = false;
  progress_us_ = now_us;
  actions.open_stream = true;
  WriteRest(actions);
}

void ProducerCore::WriteRest(Actions& actions) {
  for (; written_ < unanswered_.size(); ++written_) {
    Request& request = unanswered_[written_];
    ++request.open_tries;
    actions.writes.push_back(Encode(request, !stream_named_log_));
    stream_named_log_ = true;
  }
}

EncodedMessage ProducerCore::Encode(const Request& request, bool first_on_stream) const {
  v1::AppendRequest head;
  if (first_on_stream) {
    head.set_log(options_.log);
    head.set_log_id(options_.log_id.value());
  }
  head.mutable_producer()->set_id(producer_id_);
  head.mutable_producer()->set_sequence(request.sequence);
  if (options_.if_lease_epoch) {
    head.mutable_condition()->set_if_lease_epoch(options_.if_lease_epoch->value());
    head.mutable_condition()->set_lease_name(options_.lease_name);
  }
  if (options_.if_last_seq) {
    // Every earlier record took one seq, and nobody else's may stand between.
    const Seq predicted = *options_.if_last_seq + (request.batch.first_ticket - 1);
    head.mutable_condition()->set_if_last_seq(predicted.value());
  }
  return EncodeStreamAppend(head, request.batch.region);
}

ProducerCore::Actions ProducerCore::OnResponse(const v1::AppendStreamResponse& response,
                                               MonoMicros now_us) {
  Actions actions;
  if (phase_ != Phase::kStreaming) return actions;  // Of a stream that was given up.
  progress_us_ = now_us;
  if (written_ == 0) {
    Break(absl::InternalError("a response to no request"), /*settled=*/false, now_us, actions);
  } else if (response.has_appended()) {
    OnAppended(response.appended(), actions);
  } else {
    const absl::Status refusal =
        RefusalStatus(response.code(), response.message(), response.refused());
    // A refused stream takes nothing more, so the refusal settles all that was written to it.
    Break(refusal, IsRefusal(refusal), now_us, actions);
  }
  return actions;
}

void ProducerCore::OnAppended(const v1::AppendResponse& response, Actions& actions) {
  route_.OnSuccess();
  silent_streams_ = 0;
  const ProducerBatch& batch = unanswered_.front().batch;
  const AppendResult result = FromProto(response);
  if (result.last_seq - result.first_seq + 1 != batch.count) {
    return Fail(absl::DataLossError(fmt::format("{}: {} records took seqs {} to {}", options_.log,
                                                batch.count, result.first_seq, result.last_seq)),
                actions);
  }
  actions.deliveries.push_back({.first_ticket = batch.first_ticket,
                                .last_ticket = batch.first_ticket + batch.count - 1,
                                .status = absl::OkStatus(),
                                .result = result});
  unanswered_.pop_front();
  --written_;
}

ProducerCore::Actions ProducerCore::OnStreamClosed(const absl::Status& status, MonoMicros now_us) {
  Actions actions;
  if (phase_ != Phase::kStreaming) return actions;
  if (status.ok()) {
    Break(absl::UnavailableError("the node ended the stream"), /*settled=*/false, now_us, actions);
  } else {
    Break(status, WasNeverSent(status), now_us, actions);
  }
  return actions;
}

void ProducerCore::Break(const absl::Status& status, bool settled, MonoMicros now_us,
                         Actions& actions) {
  actions.close_stream = true;
  for (; written_ > 0; --written_) {
    if (settled) --unanswered_[written_ - 1].open_tries;
  }
  const Verdict verdict = Judge(status, kTraits);
  const Reason reason = GetReason(status);
  if (verdict == Verdict::kGiveUp ||
      (SpeaksForOneReplica(reason) && route_.full_rounds() >= kRoundsToBelieve)) {
    return Fail(status, actions);
  }
  const int64_t pause_us = route_.OnFailure(status, verdict);
  if (unanswered_.empty()) {
    phase_ = Phase::kIdle;
  } else if (pause_us == 0) {
    OpenStream(now_us, actions);
  } else {
    phase_ = Phase::kPausing;
    retry_at_us_ = now_us + pause_us;
  }
}

ProducerCore::Actions ProducerCore::OnTimer(MonoMicros now_us) {
  Actions actions;
  if (phase_ == Phase::kFailed || unanswered_.empty()) return actions;
  if (now_us >= unanswered_.front().submitted_us + options_.delivery_timeout_us) {
    Fail(absl::DeadlineExceededError(
             fmt::format("{}: no answer within the delivery timeout, last from {}", options_.log,
                         route_.current())),
         actions);
  } else if (phase_ == Phase::kPausing && now_us >= retry_at_us_) {
    OpenStream(now_us, actions);
  } else if (phase_ == Phase::kStreaming && now_us >= progress_us_ + PatienceUs()) {
    ++silent_streams_;
    Break(absl::UnavailableError(fmt::format("{}: {} is silent", options_.log, route_.current())),
          /*settled=*/false, now_us, actions);
  }
  return actions;
}

ProducerCore::Actions ProducerCore::Close(const absl::Status& status) {
  Actions actions;
  if (phase_ != Phase::kFailed) Fail(status, actions);
  return actions;
}

void ProducerCore::Fail(const absl::Status& status, Actions& actions) {
  CHECK(!status.ok());
  phase_ = Phase::kFailed;
  status_ = status;
  actions.close_stream = true;
  const bool settled = RulesOutEarlierTries(GetReason(status));
  for (const Request& request : unanswered_) {
    const bool open = request.open_tries > 0 && !settled;
    actions.deliveries.push_back(
        {.first_ticket = request.batch.first_ticket,
         .last_ticket = request.batch.first_ticket + request.batch.count - 1,
         .status = open ? MarkUnknown(status) : status,
         .result = {}});
  }
  unanswered_.clear();
  written_ = 0;
}

int64_t ProducerCore::PatienceUs() const {
  return kPatienceUs << std::min(silent_streams_, kMaxPatienceDoublings);
}

MonoMicros ProducerCore::wake_at_us() const {
  if (phase_ == Phase::kFailed || unanswered_.empty()) return kNever;
  MonoMicros at_us = unanswered_.front().submitted_us + options_.delivery_timeout_us;
  if (phase_ == Phase::kPausing) at_us = std::min(at_us, retry_at_us_);
  if (phase_ == Phase::kStreaming) at_us = std::min(at_us, progress_us_ + PatienceUs());
  return at_us;
}

}  // namespace cairn::client
