// The client library's cores under a server that answers anything: ProducerCore, TailerCore,
// LeaseKeeperCore (client/src).
//
// The first byte picks the core; then steps of one byte each, with what they need: an answer (any
// bytes that parse), the end of a stream, time. Beyond "no crash": records are delivered in order
// and each request once; nothing is done after the end was told; no lease is held that was not
// granted.
#include <algorithm>
#include <memory>

#include "base/check.h"
#include "client/src/convert.h"
#include "client/src/error_codec.h"
#include "client/src/lease_keeper_core.h"
#include "client/src/producer_core.h"
#include "client/src/record_encoder.h"
#include "client/src/tailer_core.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

using client::LeaseKeeperCore;
using client::ProducerCore;
using client::TailerCore;

enum Form : uint8_t { kProducer, kTailer, kKeeper };
constexpr uint8_t kForms = kKeeper + 1;
constexpr size_t kMaxSteps = 200;
constexpr int64_t kStepUs = 50 * kMicrosPerMilli;

template <class Message>
Message Parsed(std::string_view bytes) {
  Message message;
  // What does not parse never reaches a core; an empty message does.
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) message.Clear();
  return message;
}

// What a call that did not succeed ended with: a refusal, or an error of the transport.
absl::Status FailureOf(Input& input) {
  const auto code = static_cast<int>(input.Byte() % 16 + 1);
  const auto info = Parsed<v1::ErrorInfo>(input.Piece());
  if (info.reason() != v1::REASON_UNSPECIFIED) return client::RefusalStatus(code, "m", info);
  const absl::Status status(static_cast<absl::StatusCode>(code), "transport");
  return code % 2 == 0 ? client::MarkUnknown(status) : client::MarkNeverSent(status);
}

// ---- Producer -----------------------------------------------------------------------------

class ProducerRun {
 public:
  void Run(Input& input) {
    Take(core_.Start());
    for (size_t step = 0; step < kMaxSteps && !input.empty(); ++step) Step(input);
    Take(core_.Close(absl::CancelledError("closed")));
    CHECK_EQ(next_delivered_, next_submitted_);  // Each was told what became of it.
  }

 private:
  void Step(Input& input) {
    switch (input.Byte() % 5) {
      case 0:
        return Submit(input.Byte() % 3 + uint64_t{1});
      case 1:
        return Take(core_.OnResponse(Parsed<v1::AppendStreamResponse>(input.Piece()), now_us_));
      case 2:
        return Take(core_.OnStreamClosed(
            input.Byte() % 4 == 0 ? absl::OkStatus() : FailureOf(input), now_us_));
      case 3:
        now_us_ += input.Byte() * kStepUs;
        return Take(core_.OnTimer(now_us_));
      case 4:
        if (registered_) return;
        registered_ = true;
        return Take(core_.OnRegistered(input.Number()));
    }
  }

  void Submit(uint64_t count) {
    if (!core_.HasRoom()) return;
    std::string region;
    for (uint64_t i = 0; i < count; ++i) client::EncodeRecord("payload", {}, region);
    const uint64_t first = std::exchange(next_submitted_, next_submitted_ + count);
    Take(core_.Submit({first, count, std::make_shared<const std::string>(region)}, now_us_));
  }

  void Take(const ProducerCore::Actions& actions) {
    for (const Delivery& delivery : actions.deliveries) {
      CHECK_EQ(delivery.first_ticket, next_delivered_);
      CHECK_GE(delivery.last_ticket, delivery.first_ticket);
      next_delivered_ = delivery.last_ticket + 1;
      if (!delivery.status.ok()) continue;
      CHECK_EQ(delivery.result.last_seq - delivery.result.first_seq,
               delivery.last_ticket - delivery.first_ticket);
    }
    const bool sends = actions.open_stream || !actions.writes.empty();
    CHECK(!sends || core_.status().ok());
    for (const client::EncodedMessage& message : actions.writes) {
      CHECK(Parsed<v1::AppendStreamRequest>(message.Joined()).has_append());
    }
    CHECK_LE(core_.in_flight(), 16u);
  }

  client::RouteTable routes_{{"a:1", "b:2"}, 1};
  ProducerCore core_{{.log = "orders", .log_id = LogId{7}, .if_last_seq = Seq(0)}, routes_};
  MonoMicros now_us_ = kMicrosPerSecond;
  bool registered_ = false;
  uint64_t next_submitted_ = 1;
  uint64_t next_delivered_ = 1;
};

// ---- Tailer -------------------------------------------------------------------------------

class TailerRun {
 public:
  explicit TailerRun(uint8_t kind)
      : core_({.log = "orders",
               .log_id = LogId{7},
               .start = {.kind = static_cast<TailStart::Kind>(kind % 4), .seq = Seq(3)}},
              routes_),
        next_seq_(static_cast<TailStart::Kind>(kind % 4) == TailStart::Kind::kSeq ? Seq(3)
                                                                                  : Seq()) {}

  void Run(Input& input) {
    Take(core_.Start(now_us_));
    for (size_t step = 0; step < kMaxSteps && !input.empty(); ++step) Step(input);
  }

 private:
  void Step(Input& input) {
    switch (input.Byte() % 4) {
      case 0: {
        auto message = Parsed<v1::TailResponse>(input.Piece());
        return Take(core_.OnMessage(&message, now_us_));
      }
      case 1:
        return Take(core_.OnStreamClosed(
            input.Byte() % 4 == 0 ? absl::OkStatus() : FailureOf(input), now_us_));
      case 2:
        now_us_ += input.Byte() * kStepUs;
        return Take(core_.OnTimer(now_us_));
      case 3:
        return core_.SetPaused(input.Byte() % 2 == 0, now_us_);
    }
  }

  void Take(const TailerCore::Actions& actions) {
    CHECK(!over_ || (!actions.event && !actions.failed && !actions.open_stream));
    over_ = over_ || actions.failed.has_value();
    if (!actions.event) return;
    for (const RecordBatch& batch : actions.event->batches) {
      CHECK(!batch.records.empty());
      if (next_seq_) CHECK_EQ(batch.first_seq, next_seq_);
      CHECK(batch.first_seq != Seq());
      Seq seq = batch.first_seq;
      for (const Record& record : batch.records) {
        CHECK_EQ(record.seq, seq);
        ++seq;
      }
      CHECK_GT(seq, batch.first_seq);
      next_seq_ = seq;
      CHECK_EQ(core_.next_seq(), next_seq_);
    }
  }

  client::RouteTable routes_{{"a:1", "b:2"}, 1};
  TailerCore core_;
  MonoMicros now_us_ = kMicrosPerSecond;
  Seq next_seq_;
  bool over_ = false;
};

// ---- Lease keeper ---------------------------------------------------------------------------

class KeeperRun {
 public:
  void Run(Input& input) {
    const bool confirms = input.Byte() % 2 == 0;
    Take(core_.Start(confirms ? std::optional<Epoch>(Epoch(5)) : std::nullopt, now_us_));
    for (size_t step = 0; step < kMaxSteps && !input.empty(); ++step) Step(input);
    Take(core_.Close(absl::CancelledError("closed")));
    CHECK(!core_.deadline().IsSafe(now_us_));
  }

 private:
  void Step(Input& input) {
    switch (input.Byte() % 3) {
      case 0:
        return Answer(input);
      case 1:
        now_us_ += input.Byte() * kStepUs;
        return Take(core_.OnTimer(now_us_));
      case 2:
        if (asked_) return;
        core_.deadline().Suspend();
        return Take(core_.Leave(input.Byte() % 2 == 0 ? LeaseKeeperCore::Ask::kRelease
                                                      : LeaseKeeperCore::Ask::kTransfer,
                                kMicrosPerSecond, now_us_));
    }
  }

  void Answer(Input& input) {
    if (!asked_) return;
    using Ask = LeaseKeeperCore::Ask;
    const Ask ask = *std::exchange(asked_, std::nullopt);
    absl::Status failure;
    if (input.Byte() % 2 == 0) failure = FailureOf(input);
    switch (ask) {
      case Ask::kAcquire:
        if (!failure.ok()) return Take(core_.OnAcquired(failure, now_us_));
        return Take(core_.OnAcquired(
            LeaseKeeperCore::Grant{Epoch(input.Number()), Seq(input.Number())}, now_us_));
      case Ask::kGet:
        if (!failure.ok()) return Take(core_.OnLease(failure, now_us_));
        return Take(
            core_.OnLease(client::FromProto(Parsed<v1::LeaseState>(input.Piece())), now_us_));
      case Ask::kRenew:
        if (!failure.ok()) return Take(core_.OnRenewed(failure, now_us_));
        return Take(core_.OnRenewed(client::LeaseTtlUs(input.Number()), now_us_));
      case Ask::kRelease:
      case Ask::kTransfer:
        return Take(core_.OnLeft(failure, now_us_));
    }
  }

  void Take(const LeaseKeeperCore::Actions& actions) {
    if (actions.ask) {
      CHECK_GT(actions.timeout_us, 0);
      asked_ = actions.ask;
    }
    if (actions.granted) {
      CHECK(!granted_);
      granted_ = actions.granted->ok();
    }
    if (actions.lost) CHECK(granted_ && !core_.deadline().IsSafe(now_us_));
    const int64_t safe_us = core_.deadline().SafeForUs(now_us_);
    CHECK(safe_us == 0 || granted_);
    CHECK_LE(safe_us, client::kMaxLeaseTtlUs);
  }

  LeaseKeeperCore core_{{.holder = "me"}};
  MonoMicros now_us_ = kMicrosPerSecond;
  std::optional<LeaseKeeperCore::Ask> asked_;
  bool granted_ = false;
};

void Run(std::string_view bytes) {
  Input input(bytes);
  switch (static_cast<Form>(input.Byte() % kForms)) {
    case kProducer:
      return ProducerRun().Run(input);
    case kTailer:
      return TailerRun(input.Byte()).Run(input);
    case kKeeper:
      return KeeperRun().Run(input);
  }
}

// ---- Seeds ----------------------------------------------------------------------------------

std::string Op(uint8_t op, const std::string& rest = {}) { return Number(op, 1) + rest; }

std::string Failure(v1::Reason reason) {
  v1::ErrorInfo info;
  info.set_reason(reason);
  info.set_leader_address("c:3");
  info.mutable_lease()->set_holder("me");
  info.mutable_lease()->set_epoch(5);
  return Number(13, 1) + Piece(info.SerializeAsString());
}

std::string Appended(uint64_t first, uint64_t last) {
  v1::AppendStreamResponse response;
  response.mutable_appended()->set_first_seq(first);
  response.mutable_appended()->set_last_seq(last);
  return Op(1, Piece(response.SerializeAsString()));
}

std::string Refused(v1::Reason reason) {
  v1::AppendStreamResponse response;
  response.set_code(10);
  response.mutable_refused()->set_reason(reason);
  return Op(1, Piece(response.SerializeAsString()));
}

std::string Batch(uint64_t first, int records) {
  v1::TailResponse response;
  v1::RecordBatch& batch = *response.add_batches();
  batch.set_first_seq(first);
  for (int i = 0; i < records; ++i) batch.add_records()->set_payload("x");
  response.mutable_caught_up()->set_seq(first + static_cast<uint64_t>(records) - 1);
  return Op(0, Piece(response.SerializeAsString()));
}

std::vector<Seed> Seeds() {
  const std::string producer = Op(kProducer, Op(4, Number(99)) + Op(0, Number(1, 1)));
  const std::string keeper = Op(kKeeper, Number(1, 1));
  const std::string granted = Op(0, Number(1, 1) + Number(5) + Number(4));
  return {
      {"producer-done", producer + Appended(1, 2)},
      {"producer-refused", producer + Refused(v1::REASON_CONDITION_FAILED)},
      {"producer-moves",
       producer + Refused(v1::REASON_NOT_LEADER) + Op(3, "\x10") + Appended(1, 2)},
      {"producer-wrong-count", producer + Appended(1, 9)},
      {"producer-closed",
       producer + Op(2, "\x01" + Failure(v1::REASON_UNSPECIFIED)) + Op(3, "\xff")},
      {"producer-id-zero", Op(kProducer, Op(4, Number(0)))},
      {"tail", Op(kTailer, Number(0, 1) + Batch(3, 2) + Batch(5, 1))},
      {"tail-first",
       Op(kTailer, Number(1, 1) + Batch(9, 2) + Op(1, "\x01" + Failure(v1::REASON_TRIMMED)))},
      {"tail-gap", Op(kTailer, Number(0, 1) + Batch(3, 2) + Batch(6, 1))},
      {"tail-wraps", Op(kTailer, Number(1, 1) + Batch(UINT64_MAX, 1) + Batch(1, 1))},
      {"tail-silent",
       Op(kTailer, Number(2, 1) + Op(2, "\xff") + Op(3, Number(0, 1)) + Batch(1, 1))},
      {"keeper-held", keeper + granted + Op(1, "\x50") + Op(0, Number(1, 1) + Number(10'000))},
      {"keeper-endless-ttl",
       keeper + granted + Op(1, "\x50") + Op(0, Number(1, 1) + Number(UINT64_MAX))},
      {"keeper-lost",
       keeper + granted + Op(1, "\x50") + Op(0, Number(0, 1) + Failure(v1::REASON_LEASE_LOST))},
      {"keeper-unknown", keeper + Op(0, Number(0, 1) + Failure(v1::REASON_OUTCOME_UNKNOWN)) +
                             Op(0, Number(1, 1) + Piece("")) + Op(1, "\x20")},
      {"keeper-released", keeper + granted + Op(2, Number(0, 1)) + Op(0, Number(1, 1))},
  };
}

const Registered registered({.name = "client_responses", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
