#include "tests/sim/sim_client.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/overloaded.h"
#include "storage/entry_codec.h"

namespace cairn::sim {
namespace {

constexpr SimTime kTryTimeoutUs = 400'000;
constexpr uint64_t kLeaseTtlMs = 500;
// The holder trusts its lease for the TTL less this part of it (design section 6).
constexpr double kDriftMargin = 0.1;
constexpr int kMaxTries = 50;

server::AppendOp OneRecord(const std::string& payload) {
  cairn::v1::Record record;
  record.set_payload(payload);
  server::AppendOp op;
  storage::AppendRecordTo(op.records, record.SerializeAsString());
  op.count = 1;
  op.lease_name = server::kDefaultLease;
  return op;
}

}  // namespace

SimClient::SimClient(int number, Way way, double clock_rate, Context context)
    : number_(number), way_(way), clock_rate_(clock_rate), context_(std::move(context)) {
  target_ = NodeId(1 + context_.random->Below(context_.nodes));
}

void SimClient::Start() {
  context_.events->After(context_.random->Between(0, 100'000), [this] { Next(); });
}

std::string SimClient::NewPayload() { return fmt::format("c{}-{}", number_, ++appended_); }

void SimClient::Next() {
  if (stopping_) return;
  MakeOperation();
  tries_ = 0;
  Try();
}

void SimClient::MakeOperation() {
  Operation operation;
  operation.client = number_;
  operation.began = context_.events->now();
  switch (way_) {
    case Way::kPlain:
    case Way::kRacer: {
      operation.payload = NewPayload();
      server::AppendOp op = OneRecord(operation.payload);
      if (way_ == Way::kRacer) {
        op.if_last_seq = last_known_ + (context_.random->Chance(0.02) ? 1 : 0);
        operation.if_last_seq = op.if_last_seq;
      }
      body_ = std::move(op);
      break;
    }
    case Way::kProducer:
      if (producer_id_ == 0) {
        operation.kind = Operation::Kind::kLease;  // Nothing to check but its end.
        body_ = server::RegisterProducerOp{};
      } else {
        operation.payload = NewPayload();
        server::AppendOp op = OneRecord(operation.payload);
        op.producer_id = producer_id_;
        op.producer_sequence = ++producer_sequence_;
        body_ = std::move(op);
      }
      break;
    case Way::kHolder:
      MakeHolderOperation();
      operation.kind = Operation::Kind::kLease;
      if (const auto* append = std::get_if<server::AppendOp>(&body_)) {
        operation.kind = Operation::Kind::kAppend;
        operation.payload = fmt::format("c{}-{}", number_, appended_);
        operation.if_lease_epoch = append->if_lease_epoch;
      }
      break;
    case Way::kReader:
      operation.kind = Operation::Kind::kRead;
      body_ = server::DescribeOp{.linearizable = true, .with_segments = false};
      break;
  }
  handle_ = context_.history->Begin(std::move(operation));
}

void SimClient::MakeHolderOperation() {
  const std::string name = server::kDefaultLease;
  if (!epoch_) {
    server::AcquireOp op;
    op.name = name;
    op.holder = fmt::format("client-{}", number_);
    op.ttl_ms = kLeaseTtlMs;
    body_ = std::move(op);
    return;
  }
  const double dice = context_.random->Fraction();
  if (dice < 0.5) {
    server::AppendOp op = OneRecord(NewPayload());
    op.if_lease_epoch = epoch_;
    body_ = std::move(op);
  } else if (dice < 0.93) {
    body_ = server::RenewOp{name, epoch_};
  } else {
    // From the moment of sending the holder is no longer entitled.
    context_.history->EndEntitlement(number_, context_.events->now());
    body_ = server::ReleaseOp{name, epoch_};
  }
}

void SimClient::Try() {
  ++tries_;
  tried_at_ = context_.events->now();
  const uint64_t token = ++token_;
  context_.send(target_, body_, kTryTimeoutUs, {this, token});
  context_.events->After(kTryTimeoutUs, [this, token] { OnTimeout(token); });
}

void SimClient::OnReply(uint64_t token, server::Reply reply) {
  context_.events->After(context_.delay(),
                         [this, token, reply = std::move(reply)] { Receive(token, reply); });
}

void SimClient::Receive(uint64_t token, const server::Reply& reply) {
  if (token != token_ || !handle_) return;  // An answer to a try that was given up.
  ++token_;
  if (const auto* rejection = std::get_if<server::Rejection>(&reply)) {
    OnRejection(*rejection);
  } else {
    OnDone(reply);
  }
}

bool SimClient::Retryable() const {
  return way_ == Way::kProducer || way_ == Way::kReader ||
         std::holds_alternative<server::RenewOp>(body_);
}

void SimClient::OnTimeout(uint64_t token) {
  if (token != token_ || !handle_) return;
  ++token_;
  target_ = NodeId(1 + context_.random->Below(context_.nodes));
  if (Retryable() && tries_ < kMaxTries && !stopping_) return Try();
  if (way_ == Way::kHolder) epoch_ = Epoch();
  // A producer that gives up can never use its id again: the sequence is in doubt.
  producer_id_ = 0;
  Finish(Operation::Outcome::kUnknown);
}

void SimClient::OnRejection(const server::Rejection& rejection) {
  Operation& operation = context_.history->at(*handle_);
  switch (rejection.info.reason()) {
    case cairn::v1::REASON_NOT_LEADER:
    case cairn::v1::REASON_OVERLOADED:
    case cairn::v1::REASON_STORAGE_FULL:
    case cairn::v1::REASON_SHUTTING_DOWN: {
      // Certainly not done by this try; an earlier try of a producer may have been.
      const NodeId leader(rejection.info.actual());
      target_ = leader && leader.value() <= static_cast<uint64_t>(context_.nodes)
                    ? leader
                    : NodeId(1 + context_.random->Below(context_.nodes));
      if (tries_ < kMaxTries && !stopping_) {
        context_.events->After(context_.random->Between(1000, 20'000), [this, token = token_] {
          if (token == token_ && handle_) Try();
        });
        return;
      }
      if (way_ == Way::kProducer) {
        producer_id_ = 0;
        return Finish(tries_ == 1 ? Operation::Outcome::kRefused : Operation::Outcome::kUnknown);
      }
      return Finish(Operation::Outcome::kRefused);
    }
    case cairn::v1::REASON_OUTCOME_UNKNOWN:
      producer_id_ = 0;
      epoch_ = Epoch();
      return Finish(Operation::Outcome::kUnknown);
    case cairn::v1::REASON_CONDITION_FAILED:
      last_known_ = Seq(rejection.info.last_seq());
      operation.shown_last_seq = last_known_;
      return Finish(Operation::Outcome::kRefused);
    case cairn::v1::REASON_LEASE_HELD:
      return Finish(Operation::Outcome::kRefused);
    case cairn::v1::REASON_LEASE_LOST:
      epoch_ = Epoch();
      return Finish(Operation::Outcome::kRefused);
    default:
      producer_id_ = 0;
      return Finish(Operation::Outcome::kUnknown);
  }
}

void SimClient::OnDone(const server::Reply& reply) {
  Operation& operation = context_.history->at(*handle_);
  const auto entitle = [&](Epoch epoch) {
    // Counted from before the send, by this client's clock, less the margin.
    const auto ttl = static_cast<double>(kLeaseTtlMs * kMicrosPerMilli);
    const SimTime until = tried_at_ + static_cast<SimTime>(ttl * (1 - kDriftMargin) / clock_rate_);
    if (until <= context_.events->now()) return;
    context_.history->Entitle({number_, epoch, context_.events->now(), until});
  };
  std::visit(Overloaded{
                 [&](const server::AppendDone& done) {
                   operation.first_seq = done.first_seq;
                   operation.last_seq = done.last_seq;
                   operation.chain = done.chain;
                   last_known_ = done.last_seq;
                 },
                 [&](const server::RegisterProducerDone& done) {
                   producer_id_ = done.producer_id;
                   producer_sequence_ = 0;
                 },
                 [&](const server::LeaseGranted& granted) {
                   epoch_ = granted.epoch;
                   operation.last_seq = granted.last_seq;
                   entitle(epoch_);
                 },
                 [&](const server::LeaseRenewed&) { entitle(epoch_); },
                 [&](const server::LeaseReleased& released) {
                   epoch_ = Epoch();
                   operation.last_seq = released.last_seq;
                 },
                 [&](const server::Described& described) {
                   operation.last_seq = Seq(described.response.last_seq());
                   operation.chain = described.response.chain();
                 },
                 [](const auto&) { CHECK_UNREACHABLE(); },
             },
             reply);
  Finish(Operation::Outcome::kDone);
}

void SimClient::Finish(Operation::Outcome outcome) {
  Operation& operation = context_.history->at(*handle_);
  operation.outcome = outcome;
  operation.ended = context_.events->now();
  handle_.reset();
  context_.events->After(context_.random->Between(0, 10'000), [this] { Next(); });
}

}  // namespace cairn::sim
