#include "tests/adapter/role_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/overloaded.h"

namespace cairn::adapter {
namespace {

constexpr int64_t kTtlUs = 2 * kMicrosPerSecond;
constexpr double kMaxDrift = 0.04;

}  // namespace

RoleWorld::RoleWorld(uint64_t seed, int agents) : random_(seed), agents_(agents) {
  for (int i = 0; i < agents; ++i) {
    Agent& a = agent(i);
    a.rate = 1 + kMaxDrift * (2 * random_.Fraction() - 1);
    a.clock_offset_us = static_cast<int64_t>(random_.Below(kMicrosPerSecond));
    a.engine.run = ++names_;
    a.engine.history = fmt::format("E{}", ++names_);
    StartAgent(i);
    At(0, [this, i] { Heartbeat(i); });
  }
}

// Time and chance.

void RoleWorld::At(int64_t delay_us, std::function<void()> run) {
  queue_.push(Event{now_us_ + delay_us, ++events_, std::move(run)});
}

void RoleWorld::ForAgent(int i, int64_t delay_us, std::function<void()> run) {
  const uint64_t incarnation = agent(i).incarnation;
  At(delay_us, [this, i, incarnation, run = std::move(run)] {
    const Agent& a = agent(i);
    if (!a.alive || a.incarnation != incarnation) return;
    if (a.paused_until_us > now_us_) return ForAgent(i, a.paused_until_us - now_us_, run);
    run();
  });
}

int64_t RoleWorld::Delay() {
  const bool slow = now_us_ < faults_until_us_ && random_.Chance(0.03);
  return slow ? random_.Between(10'000, 600'000) : random_.Between(200, 3'000);
}

int64_t RoleWorld::LocalUs(const Agent& a) const {
  return a.clock_offset_us + static_cast<int64_t>(static_cast<double>(now_us_) * a.rate);
}

bool RoleWorld::Answers(const Agent& a) const {
  if (!a.alive || a.paused_until_us > now_us_) return false;
  const FrontMode front = a.role->front();
  if (front != FrontMode::kPrimary && front != FrontMode::kPausing) return false;
  return a.keeper.on && LocalUs(a) < a.keeper.safe_until_us;
}

int RoleWorld::primaries() const {
  return static_cast<int>(
      std::count_if(agents_.begin(), agents_.end(), [this](const Agent& a) { return Answers(a); }));
}

void RoleWorld::Fail(const std::string& what) {
  if (trouble_.empty()) trouble_ = fmt::format("at {} us: {}\n{}", now_us_, what, Show());
}

void RoleWorld::Run(int64_t for_us, bool faults) {
  const int64_t end_us = now_us_ + for_us;
  faults_until_us_ = faults ? end_us : now_us_;
  if (faults) At(0, [this] { Fault(); });
  while (!queue_.empty() && queue_.top().at_us <= end_us && !Broken()) {
    const Event event = queue_.top();
    queue_.pop();
    now_us_ = event.at_us;
    event.run();
    if (primaries() > 1) Fail("two fronts answer as primary");
  }
  now_us_ = end_us;
}

void RoleWorld::Heal() {
  for (int i = 0; i < static_cast<int>(agents_.size()); ++i) {
    Agent& a = agent(i);
    a.paused_until_us = 0;
    if (std::exchange(a.cut, false)) TellReach(i);
    if (!a.engine.alive) RestartEngine(i);
    if (!a.alive) StartAgent(i);
  }
}

void RoleWorld::Fault() {
  if (now_us_ >= faults_until_us_) return;
  At(random_.Between(20'000, 1'500'000), [this] { Fault(); });
  const int i = static_cast<int>(random_.Below(agents_.size()));
  Agent& a = agent(i);
  switch (random_.Below(8)) {
    case 0:
      if (!a.alive) return;
      StopAgent(i);
      return At(random_.Between(1'000, 4'000'000), [this, i] {
        if (!agent(i).alive) StartAgent(i);
      });
    case 1:
      return RestartEngine(i);
    case 2:
      a.paused_until_us = now_us_ + random_.Between(1'000, 5'000'000);
      return;
    case 3: {
      a.cut = true;
      TellReach(i);
      return At(random_.Between(100'000, 6'000'000), [this, i] {
        if (std::exchange(agent(i).cut, false)) TellReach(i);
      });
    }
    case 4:
    case 5: {
      const int heir = static_cast<int>(random_.Below(agents_.size()));
      if (heir == i) return TellLater(i, StepDownEvent{});
      return TellLater(i, HandOverEvent{fmt::format("{}/{}", heir, agent(heir).incarnation)});
    }
    case 6:
      if (a.publisher.on) TellLater(i, PublisherFailedEvent{PublisherTrouble::kConnection});
      return;
    default:  // The engine expires a key, whoever is asked.
      if (a.engine.alive && a.engine.leads && !a.engine.history.starts_with("E")) {
        a.engine.applied.push_back(++effects_);
        a.engine.stream.push_back(effects_);
        ++a.engine.offset;
      }
      return;
  }
}

// Agents.

void RoleWorld::StartAgent(int i) {
  Agent& a = agent(i);
  ++a.incarnation;
  a.alive = true;
  a.paused_until_us = 0;
  a.role.emplace(RoleOptions{});
  a.keeper = {};
  a.publisher = {};
  a.feed_through.reset();
  a.fed_on = false;
  a.seen = {};
  a.read_seq = last_seq();
  Tell(i, TickEvent{random_.Fraction()});
  if (!a.cut) Tell(i, LogReachEvent{true});
  ForAgent(i, Delay(), [this, i] {
    const Engine& engine = agent(i).engine;
    if (!engine.alive) return Tell(i, EngineDownEvent{});
    EngineClaim claim = KnowsNothing{};
    if (engine.leads && !engine.history.starts_with("E")) {
      claim = LeadsItself{{engine.history, StreamOffset(engine.offset)}};
    } else if (!engine.leads && engine.applied_seq <= agent(i).read_seq && random_.Chance(0.5)) {
      claim = FollowsLog{engine.applied_seq, StreamOffset(engine.offset)};
      agent(i).fed_seq = engine.applied_seq;
      agent(i).fed_on = true;
    }
    Tell(i, EngineReadyEvent{fmt::format("{}", engine.run), claim});
  });
  ForAgent(i, Delay(), [this, i] { ReadLog(i); });
}

void RoleWorld::StopAgent(int i) {
  agent(i).alive = false;
  agent(i).keeper = {};
  agent(i).publisher.on = false;
}

// What an agent does by itself, every few milliseconds.
void RoleWorld::Heartbeat(int i) {
  At(random_.Between(5'000, 25'000), [this, i] { Heartbeat(i); });
  Agent& a = agent(i);
  if (!a.alive || a.paused_until_us > now_us_) return;
  Tell(i, TickEvent{random_.Fraction()});
  if (!a.cut) ReadLog(i);
  Feed(i);
  if (Answers(a) && a.role->front() == FrontMode::kPrimary) Write(i);
  Publish(i);
}

void RoleWorld::Tell(int i, const RoleEvent& event) {
  Agent& a = agent(i);
  if (!a.alive || Broken()) return;
  for (const RoleOrder& order : a.role->Handle(event, LocalUs(a))) Obey(i, order);
}

void RoleWorld::TellReach(int i) {
  ForAgent(i, Delay(), [this, i] { Tell(i, LogReachEvent{!agent(i).cut}); });
}

void RoleWorld::Obey(int i, const RoleOrder& order) {
  Agent& a = agent(i);
  const Holder self{i, a.incarnation};
  const int64_t sent_us = LocalUs(a);
  std::visit(Overloaded{
                 [&](const CampaignOrder& o) {
                   ToLog(
                       i, [=, this] { Acquire(i, self, o.attempt, o.if_last_seq, sent_us); },
                       [=, this] { Tell(i, AttemptUnknownEvent{o.attempt}); });
                 },
                 [&](const TakeOverOrder& o) {
                   ToLog(
                       i, [=, this] { TakeOver(i, self, o, sent_us); },
                       [=, this] { Tell(i, AttemptUnknownEvent{o.attempt}); });
                 },
                 [&](const AdoptLeaseOrder& o) { AdoptLease(i, o); },
                 [&](const ReleaseOrder& o) {
                   a.keeper.on = false;
                   ToLog(
                       i, [=, this] { Release(i, o.epoch); }, [] {});
                 },
                 [&](const DropLeaseOrder&) { a.keeper.on = false; },
                 [&](const TransferOrder& o) { Transfer(i, o); },
                 [&](const FeedOrder& o) { a.feed_through = o.through; },
                 [&](const PromoteOrder& o) { Promote(i, o); },
                 [&](const AttachOrder& o) { Attach(i, o); },
                 [&](const StopPublisherOrder&) { StopPublisher(i); },
                 [&](const ResyncOrder& o) { Resync(i, o); },
                 [&](const FrontOrder& o) {
                   if (o.mode == FrontMode::kPrimary) CheckOpening(i);
                   if (o.mode == FrontMode::kReplica) CheckFollowing(i);
                 },
                 [&](const DrainOrder& o) { a.publisher.draining = o.drain; },
                 [&](const ReportOrder& o) { handed_over_ += o.what == "handed over" ? 1 : 0; },
                 [&](const ExitOrder&) { Fail("nobody asked for an exit"); },
             },
             order);
}

// Reads some records, each told by itself.
void RoleWorld::ReadLog(int i) {
  ExpireLease();
  Agent& a = agent(i);
  for (uint64_t n = random_.Below(6); n > 0 && a.read_seq < last_seq(); --n) {
    ++a.read_seq;
    LogSeenEvent seen = Seen(i);
    seen.lease_alive = !log_[a.read_seq.value() - 1].data;
    Tell(i, seen);
  }
  if (a.read_seq < last_seq()) return;
  LogSeenEvent seen = Seen(i);
  seen.caught_up = true;
  // A renewal shows as a mark.
  seen.lease_alive = lease_until_us_ > now_us_ + kTtlUs - 2 * 25'000;
  Tell(i, seen);
}

LogSeenEvent RoleWorld::Seen(int i) {
  Agent& a = agent(i);
  LogSeenEvent& seen = a.seen;
  while (seen.read_seq < a.read_seq) {
    ++seen.read_seq;
    const Record& record = log_[seen.read_seq.value() - 1];
    if (record.data) {
      seen.published = record.meeting;
      continue;
    }
    seen.lease = {LeaseOwner::kNobody, record.epoch, kTtlUs, record.transferred};
    if (record.holder.agent == i) {
      const bool now = record.holder.incarnation == a.incarnation;
      seen.lease.owner = now ? LeaseOwner::kMine : LeaseOwner::kMyPast;
    } else if (record.holder.agent >= 0) {
      seen.lease.owner = LeaseOwner::kOther;
      seen.others_epoch = record.epoch;
    }
  }
  return seen;
}

// Engines.

void RoleWorld::Write(int i) {
  Engine& engine = agent(i).engine;
  if (!engine.alive || !engine.leads) return;  // The client gets an error.
  for (uint64_t n = random_.Below(3); n > 0; --n) {
    engine.applied.push_back(++effects_);
    engine.stream.push_back(effects_);
    ++engine.offset;
  }
  if (random_.Chance(0.1)) {
    engine.stream.push_back(0);
    ++engine.offset;
  }
}

// The sink sends some records; the engine applies and acknowledges them in its own time.
void RoleWorld::Feed(int i) {
  Agent& a = agent(i);
  if (!a.fed_on || !a.engine.alive || a.engine.leads) return;
  const Seq through = a.feed_through ? std::min(*a.feed_through, a.read_seq) : a.read_seq;
  if (a.fed_seq < through)
    a.fed_seq += random_.Between(0, static_cast<int64_t>(through - a.fed_seq));
  for (uint64_t n = random_.Below(5); n > 0 && a.engine.applied_seq < a.fed_seq; --n) {
    ++a.engine.applied_seq;
    for (const Effect effect : log_[a.engine.applied_seq.value() - 1].effects) {
      a.engine.applied.push_back(effect);
      ++a.engine.offset;
    }
  }
  const uint64_t unapplied = EffectsThrough(a.fed_seq) - a.engine.applied.size();
  const EngineFedEvent fed{a.fed_seq, a.engine.applied_seq,
                           StreamOffset(a.engine.offset + unapplied),
                           StreamOffset(a.engine.offset)};
  ForAgent(i, Delay(), [this, i, fed, run = a.engine.run] {
    const Agent& now = agent(i);
    if (now.fed_on && now.engine.run == run) Tell(i, fed);
  });
}

void RoleWorld::Resync(int i, const ResyncOrder& order) {
  const uint64_t run = agent(i).engine.run;
  agent(i).fed_on = false;
  agent(i).feed_through.reset();
  const uint64_t resync = ++agent(i).resync;
  ForAgent(i, 10 * Delay(), [this, i, order, run, resync] {
    Agent& a = agent(i);
    Engine& engine = a.engine;
    if (!engine.alive || engine.run != run || a.resync != resync) return;
    const bool goes_on = order.meeting && engine.leads &&
                         order.meeting->place.history == engine.history &&
                         order.meeting->place.offset.value() == engine.offset;
    const bool fails = now_us_ < faults_until_us_ && random_.Chance(0.1);
    if (!goes_on && fails) return Tell(i, ResyncFailedEvent{});
    engine.leads = false;
    engine.history = "follows";
    engine.stream.clear();
    if (goes_on) {
      engine.applied_seq = order.meeting->seq;
      ++continued_;
    } else {
      engine.applied = LogEffects(a.read_seq);
      engine.applied_seq = a.read_seq;
      engine.offset = random_.Below(1000);
    }
    a.fed_seq = engine.applied_seq;
    a.fed_on = true;
    CheckFollowing(i);
    Tell(i, ResyncedEvent{engine.applied_seq, StreamOffset(engine.offset)});
  });
}

void RoleWorld::Promote(int i, const PromoteOrder&) {
  const uint64_t run = agent(i).engine.run;
  ForAgent(i, Delay(), [this, i, run] {
    Agent& a = agent(i);
    Engine& engine = a.engine;
    if (!engine.alive || engine.run != run) return;
    const bool fails = now_us_ < faults_until_us_ && random_.Chance(0.1);
    const bool done = !fails || random_.Chance(0.5);
    if (done) {
      engine.leads = true;
      engine.history = fmt::format("H{}", ++names_);
      engine.first_offset = engine.offset;
      a.fed_on = false;
    }
    if (fails) return TellLater(i, PromotionFailedEvent{});
    const StreamOffset offset(engine.offset);
    TellLater(i, PromotedEvent{offset, {engine.history, offset}});
  });
}

void RoleWorld::RestartEngine(int i) {
  Agent& a = agent(i);
  const bool told_down = random_.Chance(0.7);
  a.engine = {};
  a.engine.alive = false;
  a.fed_on = false;
  if (told_down) {
    ForAgent(i, Delay(), [this, i] {
      if (!agent(i).engine.alive) Tell(i, EngineDownEvent{});
    });
  }
  At(random_.Between(5'000, 1'000'000), [this, i] {
    Engine& engine = agent(i).engine;
    if (engine.alive) return;
    engine.alive = true;
    engine.run = ++names_;
    engine.history = fmt::format("E{}", ++names_);
    // After the news that it was down.
    ForAgent(i, 700'000, [this, i, run = engine.run] {
      if (agent(i).engine.alive && agent(i).engine.run == run) {
        Tell(i, EngineReadyEvent{fmt::format("{}", run), KnowsNothing{}});
      }
    });
  });
}

std::vector<RoleWorld::Effect> RoleWorld::LogEffects(Seq through) const {
  std::vector<Effect> effects;
  for (size_t n = 0; n < through.value(); ++n) {
    effects.insert(effects.end(), log_[n].effects.begin(), log_[n].effects.end());
  }
  return effects;
}

void RoleWorld::CheckFollowing(int i) {
  const Engine& engine = agent(i).engine;
  if (!engine.alive || engine.history.starts_with("E")) return;  // Restarted; not yet heard.
  if (engine.leads) return Fail(fmt::format("agent {} takes a leading memory for a replica", i));
  if (engine.applied != LogEffects(engine.applied_seq)) {
    Fail(fmt::format("agent {} follows with a memory that is not the log", i));
  }
}

void RoleWorld::CheckOpening(int i) {
  const Engine& engine = agent(i).engine;
  ++reigns_;
  if (!engine.alive || engine.history.starts_with("E")) return;  // Restarted; not yet heard.
  if (!engine.leads) return Fail(fmt::format("agent {} opens over a replica", i));
  std::vector<Effect> expected = LogEffects(last_seq());
  uint64_t published = engine.first_offset;
  for (const Record& record : log_) {
    if (record.data && record.meeting.place.history == engine.history) {
      published = record.meeting.place.offset.value();
    }
  }
  for (uint64_t at = published; at < engine.offset; ++at) {
    const Effect effect = engine.stream[at - engine.first_offset];
    if (effect != 0) expected.push_back(effect);
  }
  if (engine.applied != expected) Fail(fmt::format("agent {} opens over another memory", i));
}

std::string RoleWorld::Show() const {
  std::string text = fmt::format("log ends with {}, epoch {}\n", last_seq(),
                                 log_.empty() ? Epoch{} : log_.back().epoch);
  for (size_t i = 0; i < agents_.size(); ++i) {
    const Agent& a = agents_[i];
    text += fmt::format(
        "agent {}/{}: {}, {}, front {}, epoch {}, read {}, engine {} {} offset {} seq {}\n", i,
        a.incarnation, a.alive ? "alive" : "dead", Name(a.role->state()),
        static_cast<int>(a.role->front()), a.role->epoch(), a.read_seq,
        a.engine.alive ? "alive" : "dead", a.engine.history, a.engine.offset, a.engine.applied_seq);
  }
  return text;
}

}  // namespace cairn::adapter
