// RoleWorld: several agents with their engines over one log, decided by a seed.
//
// The role machines are the product's; everything else is the simplest model that can do what the
// real thing can: a log with one lease, epochs, a TTL and conditions (design section 6), engines
// whose memory is the list of effects that they have applied, a sink, a publisher, a keeper. Calls
// are delayed and lost, agents are killed, paused and cut off from the log, engines are
// restarted, clocks drift within the margin, operators hand over.
//
// After each event the world checks that
// - at most one front answers as primary;
// - a front that opens as primary does so over a memory that is exactly the log, and behind it
//   nothing but effects of its own history that were not published yet;
// - a memory that follows is exactly the log through the seq that the agent was told;
// - nothing is in the log twice, and what a client was told to be done is in it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "adapter/role.h"
#include "base/random.h"

namespace cairn::adapter {

class RoleWorld {
 public:
  RoleWorld(uint64_t seed, int agents);

  // Lets time pass, with faults or without.
  void Run(int64_t for_us, bool faults);
  // Ends what faults have begun.
  void Heal();

  // The first promise that was broken; empty: none.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  [[nodiscard]] int primaries() const;
  [[nodiscard]] uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] uint64_t reigns() const { return reigns_; }
  [[nodiscard]] uint64_t continued() const { return continued_; }
  [[nodiscard]] uint64_t handed_over() const { return handed_over_; }
  [[nodiscard]] std::string Show() const;

 private:
  using Effect = uint64_t;

  struct Holder {
    int agent = -1;
    uint64_t incarnation = 0;
    bool operator==(const Holder&) const = default;
  };

  struct Record {
    bool data = false;
    // Data.
    Meeting meeting;
    std::vector<Effect> effects;
    uint64_t effects_through = 0;  // In the log with this record.
    // The lease behind this record.
    Holder holder;
    Epoch epoch;
    bool transferred = false;
  };

  struct Engine {
    uint64_t run = 0;
    bool alive = true;
    bool leads = true;  // Else it follows.
    std::string history;
    uint64_t offset = 0;
    std::vector<Effect> applied;
    // What its own history has said: an effect, or 0 for a ping, from first_offset + 1 on.
    std::vector<Effect> stream;
    uint64_t first_offset = 0;
    Seq applied_seq;  // While it follows.
  };

  struct Publisher {
    bool on = false;
    uint64_t generation = 0;
    Epoch epoch;
    std::string history;
    uint64_t read = 0;       // Handed over or dropped through here.
    uint64_t appended = 0;   // Behind the last record handed to the producer.
    uint64_t committed = 0;  // Told by the log.
    Seq committed_seq;
    int64_t last_arrival_us = 0;
    std::optional<uint64_t> draining;
    uint64_t in_flight = 0;
    bool producer_failed = false;  // Nothing is taken any more.
  };

  struct Keeper {
    bool on = false;
    Epoch epoch;
    int64_t safe_until_us = 0;  // By the agent's clock.
  };

  struct Agent {
    uint64_t incarnation = 0;
    bool alive = false;
    int64_t paused_until_us = 0;
    bool cut = false;  // From the log.
    double rate = 1;
    int64_t clock_offset_us = 0;
    std::optional<Role> role;
    Seq read_seq;
    LogSeenEvent seen;  // Through seen.read_seq.
    std::optional<Seq> feed_through;
    Seq fed_seq;
    bool fed_on = false;
    uint64_t resync = 0;  // The order that is under way: a new one replaces it.
    Keeper keeper;
    Publisher publisher;
    Engine engine;
  };

  struct Event {
    int64_t at_us;
    uint64_t order;
    std::function<void()> run;
    bool operator<(const Event& other) const {
      return at_us != other.at_us ? at_us > other.at_us : order > other.order;
    }
  };

  // Time and chance.
  void At(int64_t delay_us, std::function<void()> run);
  // The same for what a certain incarnation hears or does: waits while it is paused.
  void ForAgent(int i, int64_t delay_us, std::function<void()> run);
  int64_t Delay();
  [[nodiscard]] int64_t LocalUs(const Agent& a) const;
  [[nodiscard]] Agent& agent(int i) { return agents_[static_cast<size_t>(i)]; }
  [[nodiscard]] bool Answers(const Agent& a) const;
  [[nodiscard]] bool Broken() const { return !trouble_.empty(); }
  void Fail(const std::string& what);

  // Agents.
  void StartAgent(int i);
  void StopAgent(int i);
  void Heartbeat(int i);
  void Tell(int i, const RoleEvent& event);
  void TellLater(int i, const RoleEvent& event) {
    ForAgent(i, Delay(), [this, i, event] { Tell(i, event); });
  }
  void TellReach(int i);
  void Obey(int i, const RoleOrder& order);
  void ReadLog(int i);
  LogSeenEvent Seen(int i);

  // The log.
  void ToLog(int i, std::function<void()> call, std::function<void()> lost);
  // Does that incarnation hear the answer to the call that has arrived?
  [[nodiscard]] bool Hears(int i, uint64_t incarnation) const;
  [[nodiscard]] Seq last_seq() const { return Seq(log_.size()); }
  void Push(Record record);
  void ExpireLease();
  Epoch Grant(Holder holder, bool transferred);
  void Acquire(int i, Holder holder, uint64_t attempt, Seq condition, int64_t sent_us);
  void TakeOver(int i, Holder holder, const TakeOverOrder& order, int64_t sent_us);
  void AdoptLease(int i, const AdoptLeaseOrder& order);
  void Hold(int i, uint64_t attempt, Epoch epoch, int64_t sent_us);
  void Renew(int i, Epoch epoch);
  void Release(int i, Epoch epoch);
  void Transfer(int i, const TransferOrder& order);

  // Engines.
  void Write(int i);
  void Feed(int i);
  void Resync(int i, const ResyncOrder& order);
  void Promote(int i, const PromoteOrder& order);
  void RestartEngine(int i);
  [[nodiscard]] std::vector<Effect> LogEffects(Seq through) const;
  [[nodiscard]] uint64_t EffectsThrough(Seq seq) const {
    return seq ? log_[seq.value() - 1].effects_through : 0;
  }
  void CheckOpening(int i);
  void CheckFollowing(int i);

  // Publishers.
  void Attach(int i, const AttachOrder& order);
  void Publish(int i);
  void Append(int i, Meeting meeting, std::vector<Effect> effects, bool opens);
  void StopPublisher(int i);
  void TellDrained(int i);

  void Fault();

  Random random_;
  int64_t now_us_ = 0;
  int64_t faults_until_us_ = 0;
  uint64_t events_ = 0;
  uint64_t names_ = 0;
  Effect effects_ = 0;
  std::priority_queue<Event> queue_;
  std::vector<Agent> agents_;
  std::vector<Record> log_;
  int64_t lease_until_us_ = 0;
  bool nobody_hears_ = false;
  std::set<Effect> logged_;
  std::string trouble_;
  uint64_t acknowledged_ = 0;
  uint64_t reigns_ = 0;
  uint64_t continued_ = 0;
  uint64_t handed_over_ = 0;
};

}  // namespace cairn::adapter
