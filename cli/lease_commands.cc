// `cairn lease …`: single lease calls, and the table of the family. `keep`, which holds a lease
// for as long as it runs, is in lease_keep.cc.
#include "cli/lease_commands.h"

#include <unistd.h>

#include <random>

#include "base/status_macros.h"
#include "cli/log_views.h"

namespace cairn::cli {
namespace {

struct GrantView {
  std::string lease;
  std::string holder;
  Epoch epoch;
  template <class F>
  void Fields(F&& field) const {
    field("lease", lease);
    field("holder", holder);
    field("epoch", epoch);
  }
};

struct RenewedView {
  std::string lease;
  Epoch epoch;
  DurationMs ttl_ms;
  template <class F>
  void Fields(F&& field) const {
    field("lease", lease);
    field("epoch", epoch);
    field("ttl_ms", ttl_ms);
  }
};

struct LeaseListView {
  std::vector<LeaseView> leases;
  template <class F>
  void Fields(F&& field) const {
    field("leases", leases);
  }
};

struct EpochOptions {
  LeaseTarget target;
  uint64_t epoch = 0;
};

void AddEpoch(CLI::App& app, EpochOptions& options) {
  AddLeaseTarget(app, options.target);
  AddNumber(app, "--epoch", options.epoch, "Epoch that the grant gave")
      ->required()
      ->type_name("EPOCH");
}

Runner DeclareAcquire(CLI::App& app) {
  struct Options {
    LeaseTarget target;
    std::string holder;
    uint64_t ttl_ms = 10'000;
    std::optional<uint64_t> if_last_seq;
  };
  auto options = std::make_shared<Options>();
  AddLeaseTarget(app, options->target);
  AddHolder(app, options->holder);
  AddDuration(app, "--ttl", options->ttl_ms, "Time to live: 100ms … 1h (default: 10s)");
  AddNumber(app, "--if-last-seq", options->if_last_seq,
            "Acquire only if this is the log's last seq")
      ->type_name("SEQ");
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    const std::string holder = options->holder.empty() ? MakeHolder() : options->holder;
    std::optional<Seq> if_last_seq;
    if (options->if_last_seq) if_last_seq = Seq{*options->if_last_seq};
    ASSIGN_OR_RETURN(Log log, session.OpenLog(options->target.log));
    ASSIGN_OR_RETURN(
        const Epoch epoch,
        log.AcquireLease(options->target.lease, holder,
                         absl::Milliseconds(static_cast<int64_t>(options->ttl_ms)), if_last_seq));
    session.out().Show(GrantView{options->target.lease, holder, epoch});
    return ExitCode::kOk;
  };
}

Runner DeclareRenew(CLI::App& app) {
  auto options = std::make_shared<EpochOptions>();
  AddEpoch(app, *options);
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Log log, session.OpenLog(options->target.log));
    ASSIGN_OR_RETURN(const absl::Duration ttl,
                     log.RenewLease(options->target.lease, Epoch{options->epoch}));
    session.out().Show(RenewedView{options->target.lease,
                                   Epoch{options->epoch},
                                   {static_cast<uint64_t>(absl::ToInt64Milliseconds(ttl))}});
    return ExitCode::kOk;
  };
}

Runner DeclareRelease(CLI::App& app) {
  auto options = std::make_shared<EpochOptions>();
  AddEpoch(app, *options);
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Log log, session.OpenLog(options->target.log));
    RETURN_IF_ERROR(log.ReleaseLease(options->target.lease, Epoch{options->epoch}));
    session.out().Show(
        GrantView{options->target.lease, "", Epoch{options->epoch}},
        fmt::format("released epoch {} of lease {}", options->epoch, options->target.lease));
    return ExitCode::kOk;
  };
}

Runner DeclareTransfer(CLI::App& app) {
  struct Options {
    EpochOptions base;
    std::string to;
    uint64_t ttl_ms = 0;
    std::optional<uint64_t> if_last_seq;
  };
  auto options = std::make_shared<Options>();
  AddEpoch(app, options->base);
  app.add_option("--to", options->to, "The heir, by the name that it will hold under")->required();
  AddDuration(app, "--ttl", options->ttl_ms, "New time to live; default: the present one");
  AddNumber(app, "--if-last-seq", options->if_last_seq,
            "Hand over only if this is the log's last seq, up to which the heir has read")
      ->type_name("SEQ");
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    const LeaseTarget& target = options->base.target;
    std::optional<Seq> if_last_seq;
    if (options->if_last_seq) if_last_seq = Seq{*options->if_last_seq};
    ASSIGN_OR_RETURN(Log log, session.OpenLog(target.log));
    ASSIGN_OR_RETURN(
        const Epoch epoch,
        log.TransferLease(target.lease, Epoch{options->base.epoch}, options->to,
                          absl::Milliseconds(static_cast<int64_t>(options->ttl_ms)), if_last_seq));
    session.out().Show(GrantView{target.lease, options->to, epoch});
    return ExitCode::kOk;
  };
}

Runner DeclareGet(CLI::App& app) {
  auto target = std::make_shared<LeaseTarget>();
  AddLeaseTarget(app, *target);
  return [target](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Log log, session.OpenLog(target->log));
    ASSIGN_OR_RETURN(const LeaseInfo lease, log.GetLease(target->lease));
    session.out().Show(LeaseView::From(lease));
    return lease.epoch ? ExitCode::kOk : ExitCode::kNotFound;
  };
}

Runner DeclareList(CLI::App& app) {
  auto name = std::make_shared<std::string>();
  AddLogName(app, *name);
  return [name](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(Log log, session.OpenLog(*name));
    ASSIGN_OR_RETURN(const LogDescription description, log.Describe({.linearizable = true}));
    LeaseListView view;
    for (const LeaseInfo& lease : description.leases) view.leases.push_back(LeaseView::From(lease));
    session.out().Show(view);
    return ExitCode::kOk;
  };
}

constexpr CommandSpec kCommands[] = {
    {"acquire", "take a free or expired lease",
     "Takes the lease and prints its epoch, the fencing token that appends then name. Exit code 3 "
     "while somebody else holds it. Nothing renews it afterwards: scripts that hold a lease for "
     "longer use `lease keep`.",
     "cairn lease acquire cache --holder worker-7f3a --ttl 30s\n"
     "cairn lease acquire cache --lease compactor --if-last-seq 1200",
     DeclareAcquire},
    {"renew", "restart a lease's time to live", "Exit code 3 when the epoch is no longer current.",
     "cairn lease renew cache --epoch 17", DeclareRenew},
    {"release", "free a lease at once", "Exit code 3 when the epoch is no longer current.",
     "cairn lease release cache --epoch 17", DeclareRelease},
    {"transfer", "hand a lease over without a gap",
     "The heir's epoch is printed; the heir holds the lease from that record on.",
     "cairn lease transfer cache --epoch 17 --to worker-99 --if-last-seq 1200", DeclareTransfer},
    {"get", "show a lease as its leader knows it", "Exit code 4 when nobody holds it.",
     "cairn lease get cache", DeclareGet},
    {"ls", "list the leases of a log", "Lists all leases of a log, as its leader knows them.",
     "cairn lease ls cache -o json", DeclareList},
    {"keep", "hold a lease, and run a command while it is held",
     "Acquires the lease, renews it in the background and prints what happens: held, at_risk, "
     "lost, released. With a command after `--`, runs it with CAIRN_LEASE_EPOCH, CAIRN_LEASE_NAME "
     "and CAIRN_LEASE_LOG in its environment, and kills its process group the moment the lease is "
     "no longer safe (exit code 3). When the command ends the lease is released and its exit "
     "status becomes ours. --wait waits while somebody else holds the lease.\n"
     "A process that is stopped as a whole cannot kill in time: what the command appends must "
     "carry the epoch (`append --lease`), which the log checks.",
     "cairn lease keep cache --ttl 5s\n"
     "cairn lease keep cache --wait -- sh -c 'cairn append cache --lease "
     "primary:$CAIRN_LEASE_EPOCH'",
     DeclareLeaseKeep},
};

}  // namespace

void AddLeaseTarget(CLI::App& app, LeaseTarget& target) {
  AddLogName(app, target.log);
  app.add_option("--lease", target.lease, "Name of the lease")
      ->type_name("LEASE")
      ->capture_default_str();
}

void AddHolder(CLI::App& app, std::string& holder) {
  app.add_option("--holder", holder,
                 "Who holds it; must be unique to this run (default: host, pid, random number)");
}

std::string MakeHolder() {
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  std::random_device random;
  return fmt::format("{}-{}-{:08x}", host, ::getpid(), random());
}

std::span<const CommandSpec> LeaseCommands() { return kCommands; }

}  // namespace cairn::cli
