#include "adapter/memcache/invalidate_command.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "adapter/agent_process.h"
#include "adapter/memcache/effect.h"
#include "adapter/memcache/invalidator.h"
#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

const char* Environment(const char* name) { return std::getenv(name); }

struct InvalidateConfig : AgentBaseConfig {
  InvalidateConfig() { data_dir = "cairn-invalidator"; }

  std::string targets;
  std::string on_gap = "flush";
  std::string marker_prefix;
  uint64_t backlog_bytes = uint64_t{64} << 20;
};

std::string CheckTargets(std::string_view text) {
  for (const std::string& target : SplitNames(text)) {
    if (std::string wrong = CheckEngine(target); !wrong.empty()) return wrong;
  }
  return CheckNames(text);
}

std::string CheckPrefix(std::string_view text) {
  const bool plain =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
  return plain && !text.empty() && text.size() <= kMaxKeyBytes / 2
             ? ""
             : "expected 1 to 125 characters that may stand in a key";
}

void AddOptions(OptionTable& table, InvalidateConfig& c) {
  table.Text("log", &c.log, CheckNames,
             "Logs of memcached caches, with commas; they exist. Required.");
  table.Text("endpoints", &c.endpoints, CheckNotEmpty,
             "host:port of some nodes of the cluster, with commas. Default: CAIRN_ENDPOINTS.");
  table.Text("targets", &c.targets, CheckTargets,
             "ADDRESS:PORT of memcacheds (1.6 or newer) or of agents, with commas. Each is told of "
             "every key. Required.");
  table.Text("state-dir", &c.data_dir, CheckNotEmpty,
             "Directory of the positions, this process's alone; made (mode 0700) when missing.");
  table.Number("backlog-bytes", &c.backlog_bytes, OptionUnit::kBytes, 4096, uint64_t{16} << 30,
               "Memory of what a target has still to be told of a log; past it there is a gap.");
  table.Text("on-gap", &c.on_gap, OneOf({"flush", "report"}),
             "What becomes of a target that could not be told everything. flush: it is told "
             "flush_all. report: /metrics says what it was not told, and that is all.");
  table.Text("marker-prefix", &c.marker_prefix, CheckPrefix,
             "With each key, this and the key is deleted, too: markers of writes that another "
             "region has not seen yet.");
  AddWatchingOptions(table, c);
}

absl::StatusOr<AgentVerdict> ParseInvocation(const std::vector<std::string>& argv,
                                             InvalidateConfig& config) {
  OptionTable table(
      {.name = "cairn-agent invalidate",
       .about = "cairn-agent invalidate: deletes in other pools what changes in memcached caches.",
       .environment = "CAIRN_INVALIDATE_",
       .version = CAIRN_VERSION,
       .footer = "Exit codes: 0 stopped as asked; 1 could not start or go on; 2 wrong "
                 "configuration; 130 a second signal."});
  AddOptions(table, config);
  ASSIGN_OR_RETURN(OptionTable::Asked asked, table.Parse(argv, Environment));
  AgentVerdict verdict = VerdictOn(std::move(asked));
  if (verdict.action == AgentVerdict::Action::kPrint) return verdict;
  if (config.log.empty() || config.targets.empty()) {
    return absl::InvalidArgumentError("options log and targets are required");
  }
  return verdict;
}

InvalidatorOptions OptionsOf(const InvalidateConfig& config) {
  InvalidatorOptions options;
  options.cluster = ClusterOptions(config.endpoints);
  options.logs = SplitNames(config.log);
  options.targets = SplitNames(config.targets);
  options.directory = config.data_dir;
  options.marker_prefix = config.marker_prefix;
  options.lane.max_bytes = config.backlog_bytes;
  options.lane.on_gap = config.on_gap == "flush" ? OnGap::kFlush : OnGap::kReport;
  return options;
}

class HostedInvalidator : public HostedAgent {
 public:
  explicit HostedInvalidator(InvalidatorOptions options) : invalidator_(std::move(options)) {}

  absl::Status Start() override { return absl::OkStatus(); }
  absl::Status Run() override { return invalidator_.Run(); }
  void RequestStop() override { invalidator_.RequestStop(); }
  std::string Metrics() const override { return invalidator_.Status().Metrics(); }
  std::string NotReady() const override { return invalidator_.Status().NotReady(); }

 private:
  Invalidator invalidator_;
};

}  // namespace

int RunInvalidateCommand(const std::vector<std::string>& argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  InvalidateConfig config;
  const absl::StatusOr<AgentVerdict> verdict = ParseInvocation(argv, config);
  if (const auto settled =
          SettleInvocation(verdict.status(), verdict.value_or(AgentVerdict()), config.log)) {
    return *settled;
  }
  return RunAgent(config,
                  [&](const AgentIdentity&,
                      const Agent::OnState&) -> absl::StatusOr<std::unique_ptr<HostedAgent>> {
                    return std::make_unique<HostedInvalidator>(OptionsOf(config));
                  });
}

}  // namespace cairn::adapter::memcache
