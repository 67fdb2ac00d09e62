// RoleWorld: the log with its lease, and the publishers that append to it.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tests/adapter/role_world.h"

namespace cairn::adapter {
namespace {

constexpr int64_t kTtlUs = 2 * kMicrosPerSecond;
constexpr int64_t kSafeUs = kTtlUs * 9 / 10;
constexpr int64_t kCallTimeoutUs = kMicrosPerSecond;

}  // namespace

// A call arrives, or is lost: then the caller does not know, and it may arrive all the same.
void RoleWorld::ToLog(int i, std::function<void()> call, std::function<void()> lost) {
  const bool faulty = agent(i).cut || (now_us_ < faults_until_us_ && random_.Chance(0.05));
  if (!faulty) return At(Delay(), std::move(call));
  ForAgent(i, kCallTimeoutUs, std::move(lost));
  // Its answer is nobody's: the call runs for what it does to the log.
  if (!random_.Chance(0.5)) return;
  At(random_.Between(1'000, 3'000'000), [this, call = std::move(call)] {
    nobody_hears_ = true;
    call();
    nobody_hears_ = false;
  });
}

bool RoleWorld::Hears(int i, uint64_t incarnation) const {
  const Agent& a = agents_[static_cast<size_t>(i)];
  return !nobody_hears_ && a.alive && a.incarnation == incarnation;
}

void RoleWorld::Push(Record record) {
  record.effects_through = EffectsThrough(last_seq()) + record.effects.size();
  log_.push_back(std::move(record));
}

void RoleWorld::ExpireLease() {
  if (log_.empty() || log_.back().holder.agent < 0 || now_us_ < lease_until_us_) return;
  Record end;
  end.epoch = log_.back().epoch;
  Push(std::move(end));
}

Epoch RoleWorld::Grant(Holder holder, bool transferred) {
  Record grant;
  grant.holder = holder;
  grant.epoch = Epoch(log_.size() + 1);
  grant.transferred = transferred;
  Push(grant);
  lease_until_us_ = now_us_ + kTtlUs;
  return grant.epoch;
}

void RoleWorld::Acquire(int i, Holder holder, uint64_t attempt, Seq condition, int64_t sent_us) {
  const bool held = !log_.empty() && log_.back().holder.agent >= 0 && now_us_ < lease_until_us_;
  const bool hears = Hears(i, holder.incarnation);
  if (held || condition != last_seq()) {
    const auto why = held ? Refusal::kHeld : Refusal::kConditionFailed;
    const int64_t after_us = held ? lease_until_us_ - now_us_ : 0;
    if (hears) TellLater(i, RefusedEvent{attempt, why, after_us});
    return;
  }
  ExpireLease();
  const Epoch epoch = Grant(holder, false);
  if (hears) Hold(i, attempt, epoch, sent_us);
}

void RoleWorld::TakeOver(int i, Holder holder, const TakeOverOrder& order, int64_t sent_us) {
  ExpireLease();
  const bool hears = Hears(i, holder.incarnation);
  const bool current =
      !log_.empty() && log_.back().holder.agent >= 0 && log_.back().epoch == order.epoch;
  const bool passes = !order.if_last_seq || *order.if_last_seq == last_seq();
  if (!current || !passes) {
    const auto why = current ? Refusal::kConditionFailed : Refusal::kLeaseLost;
    if (hears) TellLater(i, RefusedEvent{order.attempt, why, 0});
    return;
  }
  const Epoch epoch = Grant(holder, true);
  if (hears) Hold(i, order.attempt, epoch, sent_us);
}

void RoleWorld::AdoptLease(int i, const AdoptLeaseOrder& order) {
  const int64_t sent_us = LocalUs(agent(i));
  const uint64_t incarnation = agent(i).incarnation;
  ToLog(
      i,
      [=, this] {
        ExpireLease();
        const bool hears = Hears(i, incarnation);
        if (log_.back().holder.agent < 0 || log_.back().epoch != order.epoch) {
          if (hears) TellLater(i, RefusedEvent{order.attempt, Refusal::kLeaseLost, 0});
          return;
        }
        lease_until_us_ = now_us_ + kTtlUs;
        if (hears) Hold(i, order.attempt, order.epoch, sent_us);
      },
      [=, this] { Tell(i, AttemptUnknownEvent{order.attempt}); });
}

// The keeper of a lease that was granted to a call sent at `sent_us`.
void RoleWorld::Hold(int i, uint64_t attempt, Epoch epoch, int64_t sent_us) {
  ForAgent(i, Delay(), [=, this] {
    Agent& a = agent(i);
    a.keeper = {true, epoch, sent_us + kSafeUs};
    Tell(i, GrantedEvent{attempt, epoch, a.keeper.safe_until_us});
    Renew(i, epoch);
  });
}

void RoleWorld::Renew(int i, Epoch epoch) {
  ForAgent(i, kTtlUs / 3, [=, this] {
    if (!agent(i).keeper.on || agent(i).keeper.epoch != epoch) return;
    Renew(i, epoch);
    const int64_t sent_us = LocalUs(agent(i));
    const uint64_t incarnation = agent(i).incarnation;
    ToLog(
        i,
        [=, this] {
          ExpireLease();
          const bool hears = Hears(i, incarnation);
          if (log_.back().epoch != epoch || log_.back().holder.agent < 0) {
            if (hears) TellLater(i, LeaseLostEvent{epoch});
            return;
          }
          lease_until_us_ = now_us_ + kTtlUs;
          if (!hears) return;
          ForAgent(i, Delay(), [=, this] {
            Keeper& keeper = agent(i).keeper;
            if (!keeper.on || keeper.epoch != epoch) return;
            if (LocalUs(agent(i)) >= keeper.safe_until_us) return;
            keeper.safe_until_us = std::max(keeper.safe_until_us, sent_us + kSafeUs);
            Tell(i, LeaseSafeEvent{epoch, keeper.safe_until_us});
          });
        },
        [] {});
  });
}

void RoleWorld::Release(int, Epoch epoch) {
  ExpireLease();
  if (log_.empty() || log_.back().holder.agent < 0 || log_.back().epoch != epoch) return;
  Record end;
  end.epoch = epoch;
  Push(std::move(end));
}

void RoleWorld::Transfer(int i, const TransferOrder& order) {
  // From now on the keeper says no, until the log has certainly refused.
  agent(i).keeper.on = false;
  const uint64_t incarnation = agent(i).incarnation;
  const size_t slash = order.heir.find('/');
  const Holder heir{std::stoi(order.heir.substr(0, slash)),
                    std::stoull(order.heir.substr(slash + 1))};
  ToLog(
      i,
      [=, this] {
        ExpireLease();
        const bool hears = Hears(i, incarnation);
        const bool current = log_.back().holder.agent >= 0 && log_.back().epoch == order.epoch;
        if (current && order.if_last_seq == last_seq() && !random_.Chance(0.2)) {
          const Epoch epoch = Grant(heir, true);
          if (hears) TellLater(i, TransferredEvent{epoch});
          return;
        }
        const Refusal why = !current                          ? Refusal::kLeaseLost
                            : order.if_last_seq == last_seq() ? Refusal::kNotCaughtUp
                                                              : Refusal::kConditionFailed;
        if (!hears) return;
        ForAgent(i, Delay(), [=, this] {
          Keeper& keeper = agent(i).keeper;
          const bool waits = agent(i).role->state() == RoleState::kLeaving &&
                             agent(i).role->front() == FrontMode::kHolding;
          if (!waits || keeper.epoch != order.epoch) return;
          keeper.on = why != Refusal::kLeaseLost;
          Tell(i, NotTransferredEvent{why});
          if (keeper.on) Renew(i, order.epoch);
        });
      },
      [=, this] { Tell(i, TransferUnknownEvent{}); });
}

// Publishers.

void RoleWorld::Attach(int i, const AttachOrder& order) {
  Agent& a = agent(i);
  Publisher& p = a.publisher;
  const uint64_t generation = ++p.generation;
  if (order.kind == AttachKind::kOpen) {
    p = {};
    p.generation = generation;
    p.epoch = order.epoch;
    p.history = order.from.history;
    p.read = p.appended = p.committed = order.from.offset.value();
  }
  ForAgent(i, Delay(), [=, this] {
    const Engine& engine = agent(i).engine;
    Publisher& publisher = agent(i).publisher;
    if (publisher.generation != generation || !engine.alive) return;
    if (now_us_ < faults_until_us_ && random_.Chance(0.1)) {
      return Tell(i, AttachedEvent{Attachment::kFailed});
    }
    const bool gap = !engine.leads || engine.history != publisher.history ||
                     publisher.read > engine.offset ||
                     (now_us_ < faults_until_us_ && random_.Chance(0.02));
    if (gap) return Tell(i, AttachedEvent{Attachment::kGap});
    publisher.on = true;
    if (order.kind == AttachKind::kAgain) return Tell(i, AttachedEvent{Attachment::kContinued});
    Append(i, {{publisher.history, StreamOffset(publisher.read)}, {}}, {}, true);
  });
}

// Reads on in the engine's stream, and hands a record over.
void RoleWorld::Publish(int i) {
  Agent& a = agent(i);
  Publisher& p = a.publisher;
  TellDrained(i);
  if (!p.on || p.producer_failed) return;
  if (!a.engine.alive || a.engine.history != p.history) return;
  if (a.engine.offset == p.read || p.in_flight >= 16) return;
  const uint64_t through = p.read + static_cast<uint64_t>(random_.Between(
                                        1, static_cast<int64_t>(a.engine.offset - p.read)));
  std::vector<Effect> effects;
  uint64_t end = p.appended;
  for (; p.read < through; ++p.read) {
    const Effect effect = a.engine.stream[p.read - a.engine.first_offset];
    if (effect == 0) continue;
    effects.push_back(effect);
    end = p.read + 1;
  }
  if (effects.empty()) return;
  p.appended = end;
  Append(i, {{p.history, StreamOffset(end)}, {}}, std::move(effects), false);
}

// In order, and exactly once or not at all; when the outcome is unknown everything behind it is.
void RoleWorld::Append(int i, Meeting meeting, std::vector<Effect> effects, bool opens) {
  Publisher& p = agent(i).publisher;
  const uint64_t incarnation = agent(i).incarnation;
  const Epoch epoch = p.epoch;
  const bool unknown = now_us_ < faults_until_us_ && random_.Chance(0.004);
  const bool lost = unknown && random_.Chance(0.5);
  int64_t delay_us = unknown ? random_.Between(1'000, 4'000'000) : Delay();
  if (agent(i).cut) delay_us += 500'000;
  p.last_arrival_us = std::max(p.last_arrival_us, now_us_ + delay_us);
  ++p.in_flight;
  if (unknown) {
    ForAgent(i, kCallTimeoutUs, [=, this] {
      if (agent(i).publisher.epoch != epoch) return;
      agent(i).publisher.on = false;
      Tell(i, PublisherFailedEvent{PublisherTrouble::kUnknown});
    });
    p.producer_failed = true;
  }
  if (lost) return;
  At(p.last_arrival_us - now_us_, [=, this] {
    ExpireLease();
    const bool hears = Hears(i, incarnation) && !unknown;
    if (log_.back().holder.agent < 0 || log_.back().epoch != epoch) {
      if (!hears) return;
      return TellLater(i, PublisherFailedEvent{PublisherTrouble::kFenced});
    }
    Record record = log_.back();
    record.data = true;
    record.meeting = meeting;
    record.meeting.seq = Seq(log_.size() + 1);
    record.effects = effects;
    Push(record);
    for (const Effect effect : effects) {
      if (!logged_.insert(effect).second) Fail(fmt::format("effect {} is logged twice", effect));
    }
    if (!hears) return;
    ForAgent(i, Delay(), [=, this] {
      Publisher& publisher = agent(i).publisher;
      if (publisher.epoch != epoch || publisher.history != meeting.place.history) return;
      --publisher.in_flight;
      publisher.committed = std::max(publisher.committed, meeting.place.offset.value());
      publisher.committed_seq = std::max(publisher.committed_seq, record.meeting.seq);
      if (opens) return Tell(i, AttachedEvent{Attachment::kContinued});
      for (const Effect effect : effects) {
        if (logged_.count(effect) == 0) Fail("told done, and not in the log");
      }
      if (Answers(agent(i))) acknowledged_ += effects.size();
    });
  });
}

void RoleWorld::TellDrained(int i) {
  Agent& a = agent(i);
  Publisher& p = a.publisher;
  if (!p.draining || !p.on || !a.engine.alive) return;
  if (p.read != a.engine.offset || p.appended != p.committed) return;
  Tell(i, DrainedEvent{*std::exchange(p.draining, std::nullopt), p.committed_seq});
}

void RoleWorld::StopPublisher(int i) {
  Publisher& p = agent(i).publisher;
  p.on = false;
  p.draining.reset();
  const uint64_t generation = ++p.generation;
  PublisherStoppedEvent stopped{p.history, StreamOffset(p.appended), StreamOffset(p.read)};
  ForAgent(i, Delay(), [this, i, stopped, generation] {
    if (agent(i).publisher.generation == generation) Tell(i, stopped);
  });
}

}  // namespace cairn::adapter
