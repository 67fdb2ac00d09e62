// TickSchedule: which groups of a worker want a tick, and when. Those that are awake want every
// one; those that hibernate name a moment (Group::NextTick). A tick costs nothing for the others.
//
// A plain value. Threads: who holds the worker's turn.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"

namespace cairn::server {

class TickSchedule {
 public:
  // Files `group` under its next tick; 0: every one.
  void Set(GroupId group, MonoMicros next) {
    const auto [it, is_new] = next_.try_emplace(group, next);
    if (!is_new) {
      if (it->second == next) return;
      Unfile(group, it->second);
      it->second = next;
    }
    if (next == 0) {
      every_.insert(group);
    } else {
      resting_.emplace(next, group);
    }
  }

  void Remove(GroupId group) {
    const auto it = next_.find(group);
    if (it == next_.end()) return;
    Unfile(group, it->second);
    next_.erase(it);
  }

  // Whom a tick at `now` is for, each once.
  [[nodiscard]] std::vector<GroupId> Due(MonoMicros now) const {
    std::vector<GroupId> due(every_.begin(), every_.end());
    for (auto it = resting_.begin(); it != resting_.end() && it->first <= now; ++it) {
      due.push_back(it->second);
    }
    return due;
  }

 private:
  void Unfile(GroupId group, MonoMicros next) {
    if (next == 0) {
      every_.erase(group);
    } else {
      resting_.erase({next, group});
    }
  }

  std::map<GroupId, MonoMicros> next_;
  std::set<GroupId> every_;
  std::set<std::pair<MonoMicros, GroupId>> resting_;
};

}  // namespace cairn::server
