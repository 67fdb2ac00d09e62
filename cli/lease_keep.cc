// `cairn lease keep`: holds a lease while it runs, and a command while it is held.
#include <atomic>

#include "base/status_macros.h"
#include "cairn/lease_keeper.h"
#include "cli/child_process.h"
#include "cli/lease_commands.h"

namespace cairn::cli {
namespace {

// How often Ctrl-C and the end of the command are looked for; a loss wakes us at once.
constexpr absl::Duration kPollInterval = absl::Milliseconds(50);
// What the command gets to end by itself after Ctrl-C.
constexpr absl::Duration kTerminationGrace = absl::Seconds(10);

struct KeepOptions {
  LeaseTarget target;
  std::string holder;
  uint64_t ttl_ms = 10'000;
  bool wait = false;
  std::vector<std::string> command;
};

struct EventView {
  std::string event;  // "waiting", "held", "at_risk", "lost", "released".
  std::string lease;
  std::string holder;
  Epoch epoch;
  std::string detail;
  template <class F>
  void Fields(F&& field) const {
    field("event", event);
    field("lease", lease);
    field("holder", holder);
    field("epoch", epoch);
    field("detail", detail);
  }
};

class Keep {
 public:
  Keep(Session& session, const KeepOptions& options)
      : session_(session),
        options_(options),
        holder_(options.holder.empty() ? MakeHolder() : options.holder) {}

  absl::StatusOr<ExitCode> Run() {
    ASSIGN_OR_RETURN(const Log log, session_.OpenLog(options_.target.log));
    ASSIGN_OR_RETURN(keeper_, Acquire(log));
    if (!keeper_) return ExitCode::kInterrupted;
    Tell("held", fmt::format("for {}", FormatDurationMs(options_.ttl_ms)));
    std::optional<ChildProcess> child;
    if (!options_.command.empty()) {
      ASSIGN_OR_RETURN(child, ChildProcess::Start(options_.command, Environment()));
    }
    return Hold(child);
  }

 private:
  // Null when interrupted while waiting.
  absl::StatusOr<std::unique_ptr<LeaseKeeper>> Acquire(const Log& log) {
    bool told = false;
    while (true) {
      LeaseOptions lease;
      lease.lease_name = options_.target.lease;
      lease.holder = holder_;
      lease.ttl = absl::Milliseconds(static_cast<int64_t>(options_.ttl_ms));
      lease.on_at_risk = [this] { at_risk_ = true; };
      auto keeper = LeaseKeeper::Acquire(log, std::move(lease));
      if (keeper.ok() || !options_.wait || GetReason(keeper.status()) != Reason::kLeaseHeld) {
        return keeper;
      }
      const LeaseInfo held = GetErrorInfo(keeper.status())->lease;
      if (!told) Tell("waiting", fmt::format("{} holds epoch {}", held.holder, held.epoch));
      told = true;
      // A release frees it earlier than the remaining time says, so look again soon.
      const auto remaining = absl::Milliseconds(static_cast<int64_t>(held.remaining_ms) + 1);
      if (session_.interrupt().Wait(std::min(remaining, absl::Seconds(1)))) {
        return std::unique_ptr<LeaseKeeper>();
      }
    }
  }

  [[nodiscard]] std::vector<std::string> Environment() const {
    return {fmt::format("CAIRN_LEASE_EPOCH={}", keeper_->epoch()),
            "CAIRN_LEASE_NAME=" + options_.target.lease, "CAIRN_LEASE_LOG=" + options_.target.log};
  }

  absl::StatusOr<ExitCode> Hold(std::optional<ChildProcess>& child) {
    while (!keeper_->WaitLost(kPollInterval)) {
      if (at_risk_.exchange(false)) Tell("at_risk", "no renewal has succeeded for a while");
      if (session_.interrupt().Requested()) {
        if (child) child->Terminate(kTerminationGrace);
        return Finish(ExitCode::kInterrupted);
      }
      if (child) {
        if (const std::optional<int> status = child->Poll()) {
          return Finish(static_cast<ExitCode>(*status));
        }
      }
    }
    if (child) child->Kill();  // Not a moment later: somebody else may hold the lease soon.
    Tell("lost", std::string(keeper_->status().message()));
    return ExitCode::kConditionFailed;
  }

  absl::StatusOr<ExitCode> Finish(ExitCode exit_code) {
    RETURN_IF_ERROR(keeper_->Release());
    Tell("released", "");
    return exit_code;
  }

  void Tell(std::string event, std::string detail) {
    const EventView view{std::move(event), options_.target.lease, holder_,
                         keeper_ ? keeper_->epoch() : Epoch{}, std::move(detail)};
    std::string sentence = fmt::format("{} lease {} epoch {}", view.event, view.lease, view.epoch);
    if (!view.detail.empty()) sentence += ": " + view.detail;
    session_.out().Show(view, sentence);
    static_cast<void>(session_.out().Flush());  // Reported once, at the end, by main().
  }

  Session& session_;
  const KeepOptions& options_;
  const std::string holder_;
  std::atomic<bool> at_risk_{false};  // Set by the client thread.
  std::unique_ptr<LeaseKeeper> keeper_;
};

}  // namespace

Runner DeclareLeaseKeep(CLI::App& app) {
  auto options = std::make_shared<KeepOptions>();
  AddLeaseTarget(app, options->target);
  AddHolder(app, options->holder);
  AddDuration(app, "--ttl", options->ttl_ms, "Time to live: 100ms … 1h (default: 10s)");
  app.add_flag("--wait", options->wait, "Wait while somebody else holds the lease");
  app.add_option("COMMAND", options->command, "Command to run while the lease is held, after --")
      ->type_name("");
  return [options](Session& session) { return Keep(session, *options).Run(); };
}

}  // namespace cairn::cli
