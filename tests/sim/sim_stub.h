// SimStub and SimExecutor: the two ports under the real client library, in a simulated world.
//
// The executor is the client's one thread on the client's own clock; the world can stop it
// (SIGSTOP) while its clock goes on. The stub is its network: calls are delayed, lost or
// stranded in a partition; a stream keeps its order, stalls while its nodes cannot reach each
// other, and breaks now and then.
//
// Lifetime: both are owned by the client's Core and may end with events under way, which then
//   find nobody.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/random.h"
#include "client/src/stub.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_service.h"

namespace cairn::sim {

// What the process of one client shares with the world that may stop it.
struct SimProcess {
  explicit SimProcess(const SimTime* now) : clock(now) {}
  SimClock clock;
  SimTime paused_until = 0;
};

class SimExecutor : public client::Executor {
 public:
  // Both outlive it.
  SimExecutor(EventQueue* events, const SimProcess* process);
  ~SimExecutor() override;

  void Post(Task task) override;
  void PostAfter(int64_t delay_us, Task task) override;
  void RunAndWait(Task task) override;
  void Shutdown() override;

 private:
  void Schedule();
  void Run();
  void RunPosted();
  void OnTimer(uint64_t timer);

  EventQueue* const events_;
  const SimProcess* const process_;
  std::deque<Task> tasks_;
  uint64_t next_timer_ = 1;
  std::map<uint64_t, Task> timers_;
  bool scheduled_ = false;
  bool stopped_ = false;
  // Events hold it weakly: they do nothing once the executor is gone.
  std::shared_ptr<SimExecutor*> self_;
};

class SimStub : public client::Stub {
 public:
  struct Context {
    EventQueue* events;
    Random* random;
    SimService* service;
    const SimProcess* process;
    client::Executor* executor;
    std::function<SimTime()> delay;
    // Whether packets between this client and the node get through now.
    std::function<bool(NodeId)> reaches;
    // Whether one that was just sent is lost on the way.
    std::function<bool()> loses;
  };
  explicit SimStub(Context context);
  ~SimStub() override;

  void Call(const std::string& endpoint, client::Method method,
            const client::EncodedMessage& request, int64_t timeout_us, UnaryDone done) override;
  std::unique_ptr<client::Stream> Open(const std::string& endpoint, client::Method method,
                                       client::StreamHandler handler) override;
  void Shutdown() override;

 private:
  class Wire;
  class Handle;
  const std::shared_ptr<Wire> wire_;
};

}  // namespace cairn::sim
