// Moves of slots to and fro between two logs, in random interleavings of everything that can happen
// to their primaries: reigns that end at any moment and go on without knowing it, records of the
// slot log that arrive late, conditional appends that are made long after they were thought of.
//
// The slots have one counter. What is checked: no acknowledged increment is lost or counted twice,
// and a reign that serves reads shows all of them. Each story has a temper of its own: what is rare
// in the one, as a move in which nothing has to be copied, is common in another.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "adapter/redis/resharding/move_rules.h"

namespace cairn::adapter::redis {
namespace {

constexpr SlotRange kRange{10, 19};
constexpr uint64_t kStories = 2'000;

using Random = std::mt19937_64;

// Of a story, drawn with its seed.
struct Temper {
  explicit Temper(Random& random)
      : draws(uint64_t{20} << random() % 3),
        recent(1 + random() % 4),
        pairs(random() % 4 != 0),
        nap(uint64_t{1} << random() % 7),
        burst(uint64_t{1} << random() % 6),
        write_in(random() % 3 == 0 ? 1 : 50) {}

  uint64_t draws;     // Of so many steps two begin a reign, and three are an operator's.
  uint64_t recent;    // So many reigns of each log do something still.
  bool pairs;         // For a while only two: the newest of a log, and one of the other.
  uint64_t nap;       // And then others, after so many steps or so.
  uint64_t burst;     // A reign does up to so many steps while the others do none.
  uint64_t write_in;  // One call of a client in so many is a write.
};

struct Effect {
  enum class Kind { kIncrement, kSet, kDelete };
  Kind kind;
  int64_t value = 0;
};

int64_t Apply(const Effect& effect, int64_t value) {
  switch (effect.kind) {
    case Effect::Kind::kIncrement:
      return value + 1;
    case Effect::Kind::kSet:
      return effect.value;
    case Effect::Kind::kDelete:
      return 0;
  }
  return value;
}

// A cache's log: data, fenced by the epoch in force.
struct DataLog {
  std::string name;
  uint64_t epoch = 0;
  std::vector<Effect> effects;

  [[nodiscard]] int64_t ValueAt(size_t through) const {
    int64_t value = 0;
    for (size_t i = 0; i < through; ++i) value = Apply(effects[i], value);
    return value;
  }
};

struct World {
  std::vector<SlotState> slot_log;  // The last one counts.
  DataLog logs[2];
  int64_t acknowledged = 0;

  [[nodiscard]] DataLog& OtherThan(const DataLog* log) {
    return log == &logs[0] ? logs[1] : logs[0];
  }
  bool Append(size_t base, const std::optional<SlotState>& next) {
    if (!next || base != slot_log.size()) return false;
    // What is written is read by others from its text.
    slot_log.push_back(*ReadSlotState(EncodeSlotState(*next)));
    return true;
  }
};

// One reign over one log, from its grant on; it may be over without knowing it.
class Reign {
 public:
  Reign(World* world, DataLog* log, uint64_t write_in)
      : world_(world), log_(log), me_{log->name, Epoch(log->epoch)}, write_in_(write_in) {
    memory_ = log_->ValueAt(log_->effects.size());
  }

  [[nodiscard]] bool current() const { return log_->epoch == me_.epoch.value(); }

  // One step of whatever it does.
  void Step(Random& random) {
    switch (random() % 6) {
      case 0:
        return random() % write_in_ == 0 ? Write() : CheckRead();
      case 1:
        return Flush();
      case 2:
        return Look();
      case 3:
        return CheckRead();
      default:
        return Duty(random);
    }
  }

  [[nodiscard]] bool Serves() const {
    if (!settled_ || holding_) return false;
    const SlotState& state = world_->slot_log[seen_ - 1];
    return OwnerOf(state.shares, kRange) == log_->name && HeldBack(state, log_->name).empty();
  }

 private:
  const SlotState& Seen() const { return world_->slot_log[seen_ - 1]; }

  void Write() {
    if (Serves()) Do({Effect::Kind::kIncrement});
  }
  void Do(const Effect& effect) {
    memory_ = Apply(effect, memory_);
    pending_.push_back(effect);
  }
  // The log takes what waits, or refuses it for ever.
  void Flush() {
    if (pending_.empty() || !current()) return;
    log_->effects.push_back(pending_.front());
    if (pending_.front().kind == Effect::Kind::kIncrement) ++world_->acknowledged;
    pending_.pop_front();
  }

  // Linearizably behind the grant at first, then record by record.
  void Look() {
    if (!settled_) return Settle();
    if (seen_ == world_->slot_log.size()) return;
    ++seen_;
    holding_ = false;
    Replan();
  }
  void Settle() {
    seen_ = world_->slot_log.size();
    if (DutyOf(Seen(), me_) != MoveDuty::kConfirm) {
      settled_ = true;
      return Replan();
    }
    Introduce();
  }
  // The lease is looked at behind the record, and some time before the answer to it.
  void Introduce() {
    if (looked_behind_ != seen_) {
      looked_behind_ = seen_;
      in_force_ = Epoch(log_->epoch);
      return;
    }
    looked_behind_ = 0;
    const bool source = DutyOf(Seen(), me_) == MoveDuty::kConfirm;
    world_->Append(seen_, source ? Confirm(Seen(), me_, in_force_) : Claim(Seen(), me_, in_force_));
  }
  void Replan() {
    copied_through_.reset();
    cleaned_ = false;
    through_.reset();
  }

  // Reads show what is committed, and only while the lease is one's own.
  void CheckRead() const {
    if (!current() || !Serves()) return;
    ASSERT_EQ(log_->ValueAt(log_->effects.size()), world_->acknowledged)
        << log_->name << " serves something else";
  }

  void Duty(Random& random) {
    if (!settled_) return;
    switch (DutyOf(Seen(), me_)) {
      case MoveDuty::kNothing:
        return;
      case MoveDuty::kConfirm:
      case MoveDuty::kClaim:
        return Introduce();
      case MoveDuty::kCopy:
        Copy();
        if (random() % 4 == 0) world_->Append(seen_, Announce(Seen(), me_));
        return;
      case MoveDuty::kPrepare:
        return PrepareSome();
      case MoveDuty::kAwait:
        if (random() % 8 == 0) world_->Append(seen_, Withdraw(Seen(), me_));
        return;
      case MoveDuty::kCommit:
        return CommitSome();
      case MoveDuty::kCleanSource:
      case MoveDuty::kCleanTarget:
        return CleanSome();
    }
  }

  void Copy() {
    if (pending_.size() > 1) return;  // Or the log would never catch up.
    const DataLog& source = world_->OtherThan(log_);
    copied_through_ = source.effects.size();
    if (Seen().move->through) copied_through_ = Seen().move->through.value();
    const int64_t value = source.ValueAt(*copied_through_);
    if (memory_ != value) Do({Effect::Kind::kSet, value});
  }
  void PrepareSome() {
    holding_ = true;
    if (!pending_.empty()) return;
    if (!through_) {
      through_ = log_->effects.size();
      return;
    }
    world_->Append(seen_, Prepare(Seen(), me_, Seq(*through_)));
  }
  void CommitSome() {
    if (!copied_through_ || *copied_through_ < Seen().move->through.value()) return Copy();
    if (pending_.empty()) world_->Append(seen_, Commit(Seen(), me_));
  }
  void CleanSome() {
    if (!cleaned_) {
      cleaned_ = true;
      return Do({Effect::Kind::kDelete});
    }
    if (pending_.empty()) world_->Append(seen_, Clean(Seen(), me_));
  }

  World* const world_;
  DataLog* const log_;
  const SlotReign me_;
  const uint64_t write_in_;  // See Temper.
  int64_t memory_ = 0;
  std::deque<Effect> pending_;  // Not in the log yet.
  size_t seen_ = 0;             // Of the slot log.
  bool settled_ = false;
  bool holding_ = false;
  size_t looked_behind_ = 0;  // The lease was looked at behind that record, and was in_force_.
  Epoch in_force_;
  std::optional<size_t> copied_through_;
  std::optional<size_t> through_;
  bool cleaned_ = false;
};

class Story {
 public:
  explicit Story(uint64_t seed) : random_(seed), temper_(random_) {
    world_.slot_log.push_back(FirstSlots("c", 2));
    world_.logs[0].name = "c/1";
    world_.logs[1].name = "c/2";
    NewReign(0);
    NewReign(1);
    WakeOthers();
  }

  void Run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) {
      const uint64_t draw = random_() % temper_.draws;
      if (draw < 2) {
        NewReign(draw);
      } else if (draw < 5) {
        Operate();
      } else {
        if (random_() % temper_.nap == 0) WakeOthers();
        Reign& one = *awake_[random_() % awake_.size()];
        const uint64_t burst = 1 + random_() % temper_.burst;
        for (uint64_t step = 0; step < burst; ++step) one.Step(random_);
      }
      CheckOneOwner();
    }
  }

  // Nothing fails any more: the move, if there is one, ends, and the counter is where it belongs.
  void Settle() {
    NewReign(0);
    NewReign(1);
    for (int i = 0; i < 20'000; ++i) {
      reigns_[random_() % 2].back()->Step(random_);
      const bool over = !world_.slot_log.back().move &&
                        reigns_[0].back()->Serves() != reigns_[1].back()->Serves();
      if (over && i > 1'000) break;
    }
    const SlotState& last = world_.slot_log.back();
    ASSERT_FALSE(last.move.has_value()) << EncodeSlotState(last);
    moves_ = last.last_move;
  }
  [[nodiscard]] uint64_t moves() const { return moves_; }

 private:
  void NewReign(size_t log) {
    ++world_.logs[log].epoch;
    reigns_[log].push_back(std::make_unique<Reign>(&world_, &world_.logs[log], temper_.write_in));
  }
  void WakeOthers() {
    awake_.clear();
    const uint64_t newest = random_() % 2;
    for (uint64_t log = 0; log < 2; ++log) {
      const uint64_t recent = std::min<uint64_t>(reigns_[log].size(), temper_.recent);
      const uint64_t one = log == newest ? 0 : random_() % recent;
      for (uint64_t age = 0; age < recent; ++age) {
        if (temper_.pairs && age != one) continue;
        awake_.push_back(reigns_[log][reigns_[log].size() - 1 - age].get());
      }
    }
  }
  void Operate() {
    const SlotState& state = world_.slot_log.back();
    const std::optional<std::string> owner = OwnerOf(state.shares, kRange);
    const auto next = state.move ? AbortMove(state, "")
                                 : BeginMove(state, kRange, *owner == "c/1" ? "c/2" : "c/1", 0);
    if (next.ok()) world_.Append(world_.slot_log.size(), *next);
  }
  void CheckOneOwner() const {
    int serving = 0;
    for (const auto& log : reigns_) {
      for (const auto& reign : log) serving += reign->current() && reign->Serves() ? 1 : 0;
    }
    ASSERT_LE(serving, 1);
  }

  Random random_;
  const Temper temper_;
  World world_;
  std::vector<std::unique_ptr<Reign>> reigns_[2];  // Of each log, the newest one last.
  std::vector<Reign*> awake_;
  uint64_t moves_ = 0;
};

TEST(MoveRandomTest, NoIncrementIsLostOrCountedTwice) {
  uint64_t moves = 0;
  for (uint64_t seed = 1; seed <= kStories; ++seed) {
    SCOPED_TRACE(seed);
    Story story(seed);
    story.Run(2'000);
    if (!HasFatalFailure()) story.Settle();
    ASSERT_FALSE(HasFatalFailure());
    moves += story.moves();
  }
  EXPECT_GT(moves, kStories) << "the stories have to be about something";
}

}  // namespace
}  // namespace cairn::adapter::redis
