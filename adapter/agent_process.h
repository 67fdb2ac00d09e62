// An agent as a process: its identity, its signals, its pages, its exit code.
//
//   main ──RunAgent──► AgentIdentity ─► make ─► HostedAgent::Start ─► Run (engine thread)
//        ◄─exit code── SIGTERM, SIGINT ─► RequestStop; a second one ends it at once
//
// Threads: the caller waits for signals; Run gets a thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/agent.h"
#include "adapter/agent_identity.h"
#include "adapter/agent_options.h"

namespace cairn::adapter {

// One engine's agent with its front.
class HostedAgent {
 public:
  virtual ~HostedAgent() = default;
  // Begins to listen. Errors end the process.
  virtual absl::Status Start() = 0;
  // Until it was asked to stop (OK), or cannot go on. Ends what Start began.
  virtual absl::Status Run() = 0;
  // Any thread, of all below.
  virtual void RequestStop() = 0;
  [[nodiscard]] virtual std::string Metrics() const = 0;
  // See AgentStatus::NotReady.
  [[nodiscard]] virtual std::string NotReady() const = 0;
};

using MakeAgent = std::function<absl::StatusOr<std::unique_ptr<HostedAgent>>(
    const AgentIdentity&, Agent::OnState on_state)>;

// The exit code: 0 stopped as asked; 1 could not start or go on; 130 a second signal.
int RunAgent(const AgentBaseConfig& config, const MakeAgent& make);

// What a command line comes to that is not to run an agent: its exit code, after it was done or the
// error was told. nullopt: run.
std::optional<int> SettleInvocation(const absl::Status& read, const AgentVerdict& verdict,
                                    std::string_view log);

}  // namespace cairn::adapter
