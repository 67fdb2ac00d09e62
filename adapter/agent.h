// Agent: what the agents of all engines do alike: one role machine, one log, one lease.
//
//   LogHead ── LeaseDesk ── AgentPresence           engine, publisher, front: the derived class
//        └──────────┴─ events ─►  Role  ─ orders ──────────────┘
//
// It decides nothing: each order becomes calls of the parts, and what they say becomes events, in
// their order. Orders about the lease are done here; those that touch the engine or the clients
// are the derived class's, which may need coroutines of the engine thread for them. role.h tells
// what is owed to the machine.
//
// Threads: RunUntilStopped() makes its caller the engine thread; Request… from any thread.
// Lifetime: the derived class's hooks are called on the engine thread within RunUntilStopped().
// Bounds: constant; those of the parts.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "adapter/agent_presence.h"
#include "adapter/agent_status.h"
#include "adapter/background.h"
#include "adapter/engine_socket.h"
#include "adapter/holder_names.h"
#include "adapter/lease_desk.h"
#include "adapter/log_head.h"
#include "adapter/role.h"
#include "cairn/client.h"

namespace cairn::adapter {

struct AgentOptions {
  ClientOptions cluster;
  std::string log;  // Created, fenced, when there is none.
  std::string lease_name = "primary";
  absl::Duration lease_ttl = absl::Seconds(2);

  std::string agent_id;     // Of the data directory, which is locked.
  std::string incarnation;  // Of this life.
  std::string address;      // "host:port" where clients reach it.
  std::string sentinel;     // The same for its Sentinel's port; empty: it has none.

  RoleOptions role;
};

class Agent : public LogHeadOwner {
 public:
  // Told when the role changes, on the engine thread; the first kFollower is told when the front
  // opens for the first time.
  using OnState = std::function<void(RoleState, Epoch)>;

  Agent(AgentOptions options, const Clock* clock, OnState on_state);
  ~Agent() override;
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Hands the lease over, if there is an heir, and ends. Any thread.
  void RequestStop();
  // To the agent with this name or address; empty: to whoever comes first. Any thread.
  void AskForHandOver(std::string heir);

 protected:
  // ---- What the engine's side does ----------------------------------------------------------

  // Before the log is opened. An error ends the agent; kCancelled: it was asked to stop meanwhile.
  virtual asio::awaitable<absl::Status> Prepare() { co_return absl::OkStatus(); }
  // The log is open; before anything is told.
  virtual void MakeParts() = 0;
  // An error ends the agent.
  virtual absl::Status StartParts() = 0;
  // Those of MakeParts. The lease and the head of the log still work.
  virtual asio::awaitable<void> StopParts() = 0;
  // At the very end, whatever came before.
  virtual asio::awaitable<void> StopEngine() = 0;
  // No client is served any more.
  virtual void StopFront() = 0;

  // See PlaceReader.
  virtual absl::StatusOr<std::optional<StreamPlace>> ReadPlace(Record* record) = 0;

  virtual void Do(const FeedOrder& order) = 0;
  virtual void Do(const PromoteOrder& order) = 0;
  virtual void Do(const AttachOrder& order) = 0;
  virtual void Do(const StopPublisherOrder& order) = 0;
  virtual void Do(const ResyncOrder& order) = 0;
  virtual void Do(const FrontOrder& order) = 0;
  virtual void Do(const DrainOrder& order) = 0;

  virtual void OnLogReachable(bool reachable) = 0;
  // The lease's holder or who else there is may have changed.
  virtual void RefreshView() = 0;
  // To fill in what Status() wants to know; a few times a second.
  virtual void RefreshStatus() = 0;

  // ---- For the engine's side ----------------------------------------------------------------

  // Until the agent was asked to stop (OK), or cannot go on.
  absl::Status RunUntilStopped();
  void Tell(RoleEvent event);
  // The agent ends with this error.
  void Fail(const absl::Status& why);
  void Start(asio::awaitable<void> coroutine) { Spawn(executor(), std::move(coroutine)); }

  [[nodiscard]] asio::any_io_executor executor() { return io_.get_executor(); }
  [[nodiscard]] asio::io_context& io() { return io_; }
  [[nodiscard]] Background& background() { return background_; }
  [[nodiscard]] Client* client() { return client_.get(); }
  // Requires: MakeParts was called, of all below.
  [[nodiscard]] Log& log() { return *log_; }
  [[nodiscard]] const LogHead& head() const { return *head_; }
  [[nodiscard]] const LeaseDesk& desk() const { return *desk_; }
  [[nodiscard]] const AgentPresence& presence() const { return *presence_; }
  [[nodiscard]] const Role& role() const { return role_; }
  [[nodiscard]] const Clock* clock() const { return clock_; }
  [[nodiscard]] bool reachable() const { return reachable_; }
  // It was asked to stop; it has stopped, but for what Shutdown waits for.
  [[nodiscard]] bool stopping() const { return stopping_; }
  [[nodiscard]] bool ended() const { return ended_; }
  // That vote on what is committed.
  [[nodiscard]] uint32_t log_replicas() const { return log_replicas_; }

  AgentStatus counted_;  // What is counted; the rest is looked at.
  // The part of a status that is looked at here.
  [[nodiscard]] AgentStatus LookAtStatus() const;

 private:
  asio::awaitable<void> Begin();
  asio::awaitable<absl::Status> OpenLog();
  void MakeLogParts(const Log& log);
  asio::awaitable<void> Pulse();
  asio::awaitable<void> CountReplicas();
  asio::awaitable<void> Shutdown();
  void ArmTick();
  void NoteState();
  [[nodiscard]] double Draw();
  [[nodiscard]] std::string FindHeir(const std::string& wanted) const;

  void Order(const RoleOrder& order);
  void Do(const CampaignOrder& order) { desk_->Do(order); }
  void Do(const TakeOverOrder& order) { desk_->Do(order); }
  void Do(const AdoptLeaseOrder& order) { desk_->Do(order); }
  void Do(const ReleaseOrder& order) { desk_->Do(order); }
  void Do(const DropLeaseOrder& order) { desk_->Do(order); }
  void Do(const TransferOrder& order) {
    ++counted_.hand_overs;
    desk_->Do(order);
  }
  void Do(const ReportOrder& order);
  void Do(const ExitOrder&) { Start(Shutdown()); }

  void OnSeen(const LogSeenEvent& seen) override { Tell(seen); }
  void OnHeadFailed(const absl::Status& why) override { Fail(why); }

  const AgentOptions options_;
  const Clock* const clock_;
  const OnState on_state_;
  const HolderNames names_;

  asio::io_context io_;
  Background background_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<LogHead> head_;
  std::unique_ptr<LeaseDesk> desk_;
  std::unique_ptr<AgentPresence> presence_;

  Role role_;
  std::deque<RoleEvent> events_;
  bool handling_ = false;
  asio::steady_timer tick_;
  std::optional<MonoMicros> tick_at_us_;
  std::mt19937_64 random_;
  RoleState told_state_ = RoleState::kStopped;
  bool reachable_ = false;
  uint32_t log_replicas_ = 1;
  bool counting_ = false;
  WakeUp count_;
  bool stopping_ = false;
  bool ended_ = false;
  absl::Status status_;
};

}  // namespace cairn::adapter
