// SimClient: one client of a simulated log that speaks to the state machine directly, without
// the client library, so that what it asks is exactly what is judged. Sends one request at a time
// to the node that it believes leads, follows redirections, gives up after a timeout (unknown),
// and tells its LogWatch everything.
//
// Each client has a way of its own:
//   kPlain      unconditional appends, never retried;
//   kRacer      appends conditional on the last seq that it knows;
//   kHolder     acquires a lease, renews it, appends under its epoch, releases or transfers it;
//   kReader     linearizable describes.
// Those that use the library are in sim_user.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/random.h"
#include "server/group_events.h"
#include "server/lease_table.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/log_watch.h"

namespace cairn::sim {

class SimClient : private server::ReplySink {
 public:
  enum class Way : uint8_t { kPlain, kRacer, kHolder, kReader };
  struct Context {
    EventQueue* events;
    Random* random;
    LogWatch* watch;
    // Sends to a node; the sink's answer comes back through the same links, or never.
    std::function<void(NodeId to, server::RequestBody body, SimTime deadline_us,
                       server::ReplyTo reply_to)>
        send;
    std::function<SimTime()> delay;
    SimTime think_us;
    int nodes;
  };
  SimClient(int number, Way way, double clock_rate, Context context);

  void Start();
  // Asks that node from now on; what it waits for elsewhere it asks there again, or gives it up.
  void TurnTo(NodeId node);
  // No new operations after the present one.
  void Stop() { stopping_ = true; }
  [[nodiscard]] bool idle() const { return !handle_ && stopping_; }

 private:
  // Replies come from whatever node; stale ones are told by their token.
  void OnReply(uint64_t token, server::Reply reply) override;

  void Next();
  void Try();
  void Receive(uint64_t token, const server::Reply& reply);
  void OnTimeout(uint64_t token);
  void OnRejection(const server::Rejection& rejection);
  void OnNotHere(const cairn::v1::ErrorInfo& info);
  void OnDone(const server::Reply& reply);
  void OnGranted(Epoch epoch);
  void Finish(history::Outcome outcome);
  [[nodiscard]] bool Retryable() const;

  history::Operation MakeOperation();
  history::Operation MakeAppend();
  history::Operation MakeHolderOperation();
  [[nodiscard]] NodeId AnyNode() { return NodeId(1 + context_.random->Below(context_.nodes)); }
  [[nodiscard]] std::string name() const;

  const int number_;
  const Way way_;
  const double clock_rate_;
  Context context_;
  bool stopping_ = false;

  NodeId target_;
  uint64_t token_ = 0;  // Of the latest try.
  std::optional<size_t> handle_;
  server::RequestBody body_;
  uint64_t appended_ = 0;
  SimTime tried_at_ = 0;
  int tries_ = 0;

  Seq last_known_;
  Epoch epoch_;
};

}  // namespace cairn::sim
