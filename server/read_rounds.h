// ReadRounds: what waits for a read-index round, and then for its index to be applied.
//
// Everything that was added before a round begins shares it (thesis 6.4). A round that got no
// answer in time, or was told that nobody could confirm it, is asked again with whatever has
// gathered since, until the waiting ones' deadlines pass: a lost message costs a delay, not
// an answer.
//
// Item: what to do with the confirmed read; the group decides what that is.
// Threads: the group's. Bound: the group's (max_waiters).
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "consensus/raft_core.h"
#include "server/group_events.h"

namespace cairn::server {

template <class Item>
class ReadRounds {
 public:
  // Contexts are `first`, `first + stride`, …: no two users in a group may meet, nor an answer
  // to a round of before a restart (hence a random `first`).
  ReadRounds(uint64_t first, uint64_t stride) : next_context_(first), stride_(stride) {}

  // Joins the next round. `deadline`: past it the item comes out of Expire.
  void Add(Item item, MonoMicros deadline) { gathering_.push_back({std::move(item), deadline}); }

  // Begins a round for what has gathered, and again for rounds older than `timeout_us`.
  void Begin(MonoMicros now, MonoMicros timeout_us, consensus::RaftCore& core) {
    for (auto it = rounds_.begin(); it != rounds_.end() && it->second.asked + timeout_us <= now;) {
      Regather(it->second);
      it = rounds_.erase(it);
    }
    if (gathering_.empty()) return;
    const uint64_t context = next_context_;
    next_context_ += stride_;
    rounds_[context] = {.asked = now, .items = std::exchange(gathering_, {})};
    core.ReadIndex(context);
  }

  // The core's answer. Confirmed items wait for their index; the others join the next round.
  // False: the round is not one of this object's (or was given up).
  bool OnReadState(const consensus::ReadState& state) {
    const auto it = rounds_.find(state.context);
    if (it == rounds_.end()) return false;
    if (!state.confirmed) {
      retry_.insert(retry_.end(), std::make_move_iterator(it->second.items.begin()),
                    std::make_move_iterator(it->second.items.end()));
    } else {
      for (Waiting& waiting : it->second.items) {
        confirmed_.emplace(state.index, std::move(waiting));
      }
    }
    rounds_.erase(it);
    return true;
  }

  // Items whose read index is applied now, in order.
  std::vector<Item> TakeApplied(Index applied) {
    std::vector<Item> out;
    const auto end = confirmed_.upper_bound(applied);
    for (auto it = confirmed_.begin(); it != end; ++it) out.push_back(std::move(it->second.item));
    confirmed_.erase(confirmed_.begin(), end);
    return out;
  }

  // Called each tick: unconfirmed items may try again; those whose time is over come out.
  std::vector<Item> Expire(MonoMicros now) {
    gathering_.insert(gathering_.end(), std::make_move_iterator(retry_.begin()),
                      std::make_move_iterator(retry_.end()));
    retry_.clear();
    std::vector<Item> out;
    ExpireFrom(gathering_, now, out);
    for (auto& [context, round] : rounds_) ExpireFrom(round.items, now, out);
    for (auto it = confirmed_.begin(); it != confirmed_.end();) {
      if (it->second.deadline > now) {
        ++it;
        continue;
      }
      out.push_back(std::move(it->second.item));
      it = confirmed_.erase(it);
    }
    return out;
  }

  // Everything, whatever its state.
  std::vector<Item> TakeAll() {
    for (auto& [context, round] : rounds_) Regather(round);
    rounds_.clear();
    for (auto& [index, waiting] : confirmed_) gathering_.push_back(std::move(waiting));
    confirmed_.clear();
    std::vector<Item> out;
    for (Waiting& waiting : retry_) out.push_back(std::move(waiting.item));
    for (Waiting& waiting : gathering_) out.push_back(std::move(waiting.item));
    retry_.clear();
    gathering_.clear();
    return out;
  }

  [[nodiscard]] size_t size() const {
    size_t sum = gathering_.size() + retry_.size() + confirmed_.size();
    for (const auto& [context, round] : rounds_) sum += round.items.size();
    return sum;
  }

 private:
  struct Waiting {
    Item item;
    MonoMicros deadline;
  };
  struct Round {
    MonoMicros asked = 0;
    std::vector<Waiting> items;
  };

  void Regather(Round& round) {
    gathering_.insert(gathering_.end(), std::make_move_iterator(round.items.begin()),
                      std::make_move_iterator(round.items.end()));
  }

  static void ExpireFrom(std::vector<Waiting>& items, MonoMicros now, std::vector<Item>& out) {
    auto kept = std::stable_partition(items.begin(), items.end(),
                                      [now](const Waiting& w) { return w.deadline > now; });
    for (auto it = kept; it != items.end(); ++it) out.push_back(std::move(it->item));
    items.erase(kept, items.end());
  }

  uint64_t next_context_;
  uint64_t stride_;
  std::vector<Waiting> gathering_;
  std::vector<Waiting> retry_;
  std::map<uint64_t, Round> rounds_;
  std::multimap<Index, Waiting> confirmed_;
};

}  // namespace cairn::server
