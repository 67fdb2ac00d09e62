#include "tests/sim/sim_client.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/overloaded.h"
#include "storage/entry_codec.h"

namespace cairn::sim {
namespace {

using history::Call;
using history::Outcome;

constexpr SimTime kTryTimeoutUs = 400'000;
constexpr uint64_t kLeaseTtlMs = 500;
// The holder trusts its lease for the TTL less this part of it (design section 6).
constexpr double kDriftMargin = 0.1;
constexpr int kMaxTries = 50;
constexpr double kForgets = 0.05;

server::AppendOp OneRecord(const std::string& payload) {
  cairn::v1::Record record;
  record.set_payload(payload);
  server::AppendOp op;
  storage::AppendRecordTo(op.records, record.SerializeAsString());
  op.count = 1;
  op.lease_name = server::kDefaultLease;
  return op;
}

history::LeaseSeen SeenIn(const cairn::v1::ErrorInfo& info) {
  return {Epoch(info.lease().epoch()), info.lease().holder()};
}

}  // namespace

SimClient::SimClient(int number, Way way, double clock_rate, Context context)
    : number_(number), way_(way), clock_rate_(clock_rate), context_(std::move(context)) {
  target_ = AnyNode();
}

std::string SimClient::name() const { return fmt::format("client-{}", number_); }

void SimClient::Start() {
  context_.events->After(context_.random->Between(0, 100'000), [this] { Next(); });
}

void SimClient::Next() {
  if (stopping_) return;
  history::Operation operation = MakeOperation();
  operation.client = static_cast<uint64_t>(number_);
  operation.begin_us = context_.events->now();
  handle_ = context_.watch->Begin(std::move(operation));
  tries_ = 0;
  // What it knows of the leader may be old: it asks whoever it met once.
  if (context_.random->Chance(kForgets)) target_ = AnyNode();
  Try();
}

// ---- What is asked ----------------------------------------------------------------------

history::Operation SimClient::MakeOperation() {
  switch (way_) {
    case Way::kPlain:
    case Way::kRacer:
      return MakeAppend();
    case Way::kHolder:
      return MakeHolderOperation();
    case Way::kReader:
      body_ = server::DescribeOp{.linearizable = true, .with_segments = false};
      return {.call = Call::kRead};
  }
  CHECK_UNREACHABLE();
}

history::Operation SimClient::MakeAppend() {
  history::Operation operation{.call = Call::kAppend};
  operation.payloads = {fmt::format("c{}-{}", number_, ++appended_)};
  server::AppendOp op = OneRecord(operation.payloads.front());
  if (way_ == Way::kRacer) {
    op.if_last_seq = last_known_ + (context_.random->Chance(0.02) ? 1 : 0);
    operation.if_last_seq = op.if_last_seq;
  }
  if (way_ == Way::kHolder) operation.epoch = op.if_lease_epoch = epoch_;
  body_ = std::move(op);
  return operation;
}

history::Operation SimClient::MakeHolderOperation() {
  const std::string lease = server::kDefaultLease;
  if (!epoch_) {
    server::AcquireOp op;
    op.name = lease;
    op.holder = name();
    op.ttl_ms = kLeaseTtlMs;
    if (context_.random->Chance(0.3)) op.if_last_seq = last_known_;
    history::Operation operation{.call = Call::kAcquire, .if_last_seq = op.if_last_seq};
    operation.holder = op.holder;
    body_ = std::move(op);
    return operation;
  }
  const double dice = context_.random->Fraction();
  if (dice < 0.5) return MakeAppend();
  if (dice < 0.93) {
    body_ = server::RenewOp{lease, epoch_};
    return {.call = Call::kRenew, .epoch = epoch_};
  }
  // From the moment of sending the holder is no longer entitled.
  context_.watch->EndEntitlement(number_, context_.events->now());
  if (dice < 0.97) {
    body_ = server::ReleaseOp{lease, epoch_};
    return {.call = Call::kRelease, .epoch = epoch_};
  }
  server::TransferLeaseOp op;
  op.name = lease;
  op.epoch = epoch_;
  op.to = fmt::format("heir-{}", number_);
  history::Operation operation{.call = Call::kTransfer, .epoch = epoch_};
  operation.holder = op.to;
  body_ = std::move(op);
  return operation;
}

// ---- Tries --------------------------------------------------------------------------------

void SimClient::Try() {
  ++tries_;
  tried_at_ = context_.events->now();
  const uint64_t token = ++token_;
  context_.send(target_, body_, kTryTimeoutUs, {this, token});
  context_.events->After(kTryTimeoutUs, [this, token] { OnTimeout(token); });
}

void SimClient::TurnTo(NodeId node) {
  if (std::exchange(target_, node) == node || !handle_) return;
  if (Retryable()) return Try();
  ++token_;
  epoch_ = Epoch();
  Finish(Outcome::kUnknown);
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
  return way_ == Way::kReader || std::holds_alternative<server::RenewOp>(body_);
}

void SimClient::OnTimeout(uint64_t token) {
  if (token != token_ || !handle_) return;
  ++token_;
  target_ = AnyNode();
  if (Retryable() && tries_ < kMaxTries && !stopping_) return Try();
  epoch_ = Epoch();
  Finish(Outcome::kUnknown);
}

void SimClient::OnRejection(const server::Rejection& rejection) {
  const cairn::v1::ErrorInfo& info = rejection.info;
  history::Operation& operation = context_.watch->at(*handle_);
  switch (info.reason()) {
    case cairn::v1::REASON_NOT_LEADER:
    case cairn::v1::REASON_OVERLOADED:
    case cairn::v1::REASON_STORAGE_FULL:
    case cairn::v1::REASON_NOT_READY:
    case cairn::v1::REASON_SHUTTING_DOWN:
      return OnNotHere(info);
    case cairn::v1::REASON_CONDITION_FAILED:
      last_known_ = Seq(info.last_seq());
      operation.last_seq = last_known_;
      return Finish(Outcome::kConditionFailed);
    case cairn::v1::REASON_LEASE_HELD:
      operation.lease = SeenIn(info);
      return Finish(Outcome::kLeaseHeld);
    case cairn::v1::REASON_LEASE_LOST:
      context_.watch->EndEntitlement(number_, context_.events->now());
      epoch_ = Epoch();
      operation.lease = SeenIn(info);
      return Finish(Outcome::kLeaseLost);
    case cairn::v1::REASON_FENCE_REQUIRED:
      return Finish(Outcome::kFenceRequired);
    default:
      epoch_ = Epoch();
      return Finish(Outcome::kUnknown);
  }
}

// Certainly not done by this try, nor by an earlier one: none of them is unknown.
void SimClient::OnNotHere(const cairn::v1::ErrorInfo& info) {
  const NodeId leader(info.actual());
  target_ = leader && leader.value() <= static_cast<uint64_t>(context_.nodes) ? leader : AnyNode();
  if (tries_ >= kMaxTries || stopping_) return Finish(Outcome::kRefused);
  context_.events->After(context_.random->Between(1000, 20'000), [this, token = token_] {
    if (token == token_ && handle_) Try();
  });
}

void SimClient::OnGranted(Epoch epoch) {
  // Counted from before the send, by this client's clock, less the margin.
  const auto ttl = static_cast<double>(kLeaseTtlMs * kMicrosPerMilli);
  const SimTime until = tried_at_ + static_cast<SimTime>(ttl * (1 - kDriftMargin) / clock_rate_);
  context_.watch->Entitle({number_, epoch, context_.events->now(), until});
}

void SimClient::OnDone(const server::Reply& reply) {
  history::Operation& operation = context_.watch->at(*handle_);
  std::visit(Overloaded{
                 [&](const server::AppendDone& done) {
                   operation.first_seq = done.first_seq;
                   operation.last_seq = last_known_ = done.last_seq;
                   operation.chain = done.chain;
                 },
                 [&](const server::LeaseGranted& granted) {
                   operation.granted = granted.epoch;
                   operation.last_seq = last_known_ = granted.last_seq;
                   operation.chain = granted.chain;
                   if (operation.call == Call::kTransfer) {
                     epoch_ = Epoch();
                   } else {
                     epoch_ = granted.epoch;
                     OnGranted(epoch_);
                   }
                 },
                 [&](const server::LeaseRenewed&) { OnGranted(epoch_); },
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
  if (operation.last_seq) context_.watch->Acknowledged(*operation.last_seq);
  Finish(Outcome::kDone);
}

void SimClient::Finish(Outcome outcome) {
  history::Operation& operation = context_.watch->at(*handle_);
  operation.outcome = outcome;
  operation.end_us = context_.events->now();
  handle_.reset();
  context_.events->After(context_.random->Between(0, context_.think_us), [this] { Next(); });
}

}  // namespace cairn::sim
