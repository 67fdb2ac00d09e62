// SimUser: a process of a simulated world that uses a log through the real client library:
// its routes, retries, batches and timers over a simulated network (sim_stub.h) and clock.
//
//   producer   many records in flight, exactly once, at times as the log's only writer
//              (sim_producer.h)
//   writer     single appends, with and without a condition (cairn/log.h)
//   keeper     holds the lease, appends under its epoch, singly and by a producer, gives it up
//              (cairn/lease_keeper.h)
//   tailer     follows the log: dense, in order, one chain, and caught up when it says so
//              (cairn/tailer.h)
//
// Each tells its LogWatch what it asked for, what it heard, and when it believes to hold the
// lease. The world may stop one for a while, as SIGSTOP does.
//
// Threads: the simulator's only. Lifetime: the world's queue of events, service and watch outlive
//   it; it must not be destroyed from one of its own callbacks.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/random.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/log_watch.h"
#include "tests/sim/sim_service.h"
#include "tests/sim/sim_stub.h"

namespace cairn::sim {

class SimUser {
 public:
  struct Context {
    EventQueue* events;
    Random* random;
    SimService* service;
    LogWatch* watch;
    const SimLog* log;
    std::function<SimTime()> delay;
    std::function<bool(NodeId)> reaches;
    std::function<bool()> loses;
    std::function<void(std::string)> violation;
    int nodes;
  };
  virtual ~SimUser();
  SimUser(const SimUser&) = delete;
  SimUser& operator=(const SimUser&) = delete;

  void Start();
  // Nothing new from now on.
  void Stop() { stopping_ = true; }
  void Pause(SimTime until) { process_->paused_until = until; }
  [[nodiscard]] SimClock& clock() { return process_->clock; }
  [[nodiscard]] int number() const { return number_; }
  // Stopped, and nothing is under way.
  [[nodiscard]] virtual bool idle() const = 0;

  // ---- For what a user is made of -------------------------------------------------------
  [[nodiscard]] history::Operation NewOperation(history::Call call) const;
  // The outcome and the end of an operation, by how the library's call ended.
  void Settle(size_t handle, const absl::Status& status);
  [[nodiscard]] SimTime now() const { return context_.events->now(); }
  [[nodiscard]] Random& random() { return *context_.random; }
  [[nodiscard]] LogWatch& watch() { return *context_.watch; }
  [[nodiscard]] Log log() const;
  [[nodiscard]] std::string NewPayload();
  void Violation(const std::string& line);

 protected:
  SimUser(int number, Context context);
  // One step of what this user does, on the client's thread; again after at most `pause()`.
  virtual void Step() = 0;
  [[nodiscard]] virtual SimTime pause_us() = 0;
  [[nodiscard]] bool stopping() const { return stopping_; }

 private:
  void Again();

  const int number_;
  const Context context_;
  const std::unique_ptr<SimProcess> process_;
  bool stopping_ = false;
  uint64_t appended_ = 0;
  // Events of the queue hold it weakly.
  std::shared_ptr<SimUser*> self_;

 protected:
  // Last: the base ends before it. Derived classes let go of what they opened first.
  std::unique_ptr<Client> client_;
};

std::unique_ptr<SimUser> MakeProducerUser(int number, SimUser::Context context);
std::unique_ptr<SimUser> MakeWriterUser(int number, SimUser::Context context);
std::unique_ptr<SimUser> MakeKeeperUser(int number, SimUser::Context context);
std::unique_ptr<SimUser> MakeTailerUser(int number, SimUser::Context context);

}  // namespace cairn::sim
