#include "tests/history/naive_checker.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "cairn/v1/log.pb.h"
#include "storage/entry_codec.h"

namespace cairn::history {
namespace {

using Kind = CommittedRecord::Kind;

struct Entry {
  Kind kind;
  std::string text;  // Payload, or the new holder.
  uint64_t ended = 0;
  std::string old_holder;
};

struct World {
  std::vector<Entry> log;
  std::optional<uint64_t> chain;
  uint64_t epoch = 0;
  std::string holder;
};

class Naive {
 public:
  explicit Naive(const History& history) : history_(history), done_(history.operations.size()) {}

  bool Try(const World& world) {
    if (AllAnsweredDone() && MatchesCommitted(world)) return true;
    for (size_t i = 0; i < done_.size(); ++i) {
      if (done_[i] || !MayComeNext(i)) continue;
      World next = world;
      if (!Happen(history_.operations[i], next)) continue;
      done_[i] = true;
      const bool found = Try(next);
      done_[i] = false;
      if (found) return true;
    }
    if (world.epoch == 0) return false;
    World expired = world;
    AddLease(expired, Kind::kExpired, "");
    return Try(expired);
  }

 private:
  [[nodiscard]] bool Answered(size_t i) const {
    return history_.operations[i].outcome != Outcome::kUnknown;
  }
  [[nodiscard]] bool AllAnsweredDone() const {
    for (size_t i = 0; i < done_.size(); ++i) {
      if (Answered(i) && !done_[i]) return false;
    }
    return true;
  }
  [[nodiscard]] bool MayComeNext(size_t i) const {
    for (size_t j = 0; j < done_.size(); ++j) {
      const bool earlier = history_.operations[j].end_us < history_.operations[i].begin_us;
      if (!done_[j] && Answered(j) && earlier) return false;
    }
    return true;
  }

  bool MatchesCommitted(const World& world) const {
    if (!history_.committed) return true;
    const auto& records = history_.committed->records;
    if (records.size() != world.log.size()) return false;
    for (size_t i = 0; i < records.size(); ++i) {
      const Entry& entry = world.log[i];
      const bool grants = entry.kind == Kind::kAcquired || entry.kind == Kind::kTransferred;
      if (records[i].kind != entry.kind) return false;
      if (entry.kind == Kind::kData && records[i].payload != entry.text) return false;
      if (entry.kind == Kind::kData) continue;
      const std::string& holder = grants ? entry.text : entry.old_holder;
      if (!records[i].holder.empty() && records[i].holder != holder) return false;
      const uint64_t ended = records[i].ended_epoch.value();
      if (entry.kind != Kind::kAcquired && ended != 0 && ended != entry.ended) return false;
    }
    return true;
  }

  static void AddData(World& world, const std::string& payload) {
    cairn::v1::Record record;
    record.set_payload(payload);
    world.log.push_back({Kind::kData, payload});
    if (world.chain) world.chain = storage::ChainNext(*world.chain, record.SerializeAsString());
  }

  void AddLease(World& world, Kind kind, const std::string& holder) const {
    world.log.push_back({kind, holder, world.epoch, world.holder});
    world.epoch = holder.empty() ? 0 : world.log.size();
    world.holder = holder;
    world.chain.reset();
    if (history_.committed && world.log.size() <= history_.committed->records.size()) {
      world.chain = history_.committed->records[world.log.size() - 1].chain;
    }
  }

  bool Happen(const Operation& op, World& world) const {
    const bool current = op.epoch && op.epoch->value() != 0 && op.epoch->value() == world.epoch;
    const bool at_seq = !op.if_last_seq || op.if_last_seq->value() == world.log.size();
    const bool fenced_off = history_.fenced && op.call == Call::kAppend && !op.epoch;
    switch (op.outcome) {
      case Outcome::kRefused:
        return true;
      case Outcome::kConditionFailed:
        return !fenced_off && (!op.epoch || current) && !at_seq && Shows(op, world);
      case Outcome::kLeaseHeld:
        return world.epoch != 0 && Shows(op, world);
      case Outcome::kLeaseLost:
        return op.epoch && !current && Shows(op, world);
      case Outcome::kFenceRequired:
        return fenced_off && Shows(op, world);
      case Outcome::kDone:
      case Outcome::kUnknown:
        break;
    }
    if (fenced_off || !at_seq || (op.epoch && !current)) return false;
    TakeEffect(op, world);
    return op.outcome == Outcome::kUnknown || Shows(op, world);
  }

  void TakeEffect(const Operation& op, World& world) const {
    if (op.call == Call::kAcquire && world.epoch != 0) AddLease(world, Kind::kExpired, "");
    if (op.call == Call::kAcquire) AddLease(world, Kind::kAcquired, op.holder);
    if (op.call == Call::kTransfer) AddLease(world, Kind::kTransferred, op.holder);
    if (op.call == Call::kRelease) AddLease(world, Kind::kReleased, "");
    for (const std::string& payload : op.payloads) AddData(world, payload);
  }

  // Whether the world is the one that the answer tells of; an open chain becomes the one shown.
  static bool Shows(const Operation& op, World& world) {
    const uint64_t last_seq = world.log.size();
    if (op.last_seq && op.last_seq->value() != last_seq) return false;
    if (op.first_seq && op.first_seq->value() + op.payloads.size() != last_seq + 1) return false;
    if (op.granted && op.granted->value() != last_seq) return false;
    if (op.lease && op.lease->epoch.value() != world.epoch) return false;
    if (op.lease && !op.lease->holder.empty() && op.lease->holder != world.holder) return false;
    if (!op.chain || !op.last_seq) return true;
    if (!world.chain) world.chain = op.chain;
    return world.chain == op.chain;
  }

  const History& history_;
  std::vector<bool> done_;
};

}  // namespace

bool NaiveLinearizable(const History& history) {
  World world;
  world.chain = storage::ChainSeed(history.log_id);
  return Naive(history).Try(world);
}

}  // namespace cairn::history
