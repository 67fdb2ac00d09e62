// EventQueue: what will happen in a simulated world, in order of virtual time.
//
// Events of the same moment happen in the order in which they were added, so a run depends on
// nothing but its seed.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "tests/sim/sim_clock.h"

namespace cairn::sim {

class EventQueue {
 public:
  [[nodiscard]] SimTime now() const { return now_; }
  [[nodiscard]] const SimTime* now_address() const { return &now_; }
  [[nodiscard]] bool empty() const { return heap_.empty(); }

  // Runs `action` `delay_us` from now (at least 0).
  void After(SimTime delay_us, std::function<void()> action) {
    heap_.push({now_ + (delay_us > 0 ? delay_us : 0), next_++, std::move(action)});
  }

  // Moves to the next event and runs it. Requires: !empty().
  void Step() {
    Event event = std::move(const_cast<Event&>(heap_.top()));
    heap_.pop();
    now_ = event.at;
    event.action();
  }

 private:
  struct Event {
    SimTime at;
    uint64_t order;
    std::function<void()> action;
    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  SimTime now_ = 0;
  uint64_t next_ = 0;
  std::priority_queue<Event> heap_;
};

}  // namespace cairn::sim
