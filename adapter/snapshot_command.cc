#include "adapter/snapshot_command.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "adapter/log_tool.h"
#include "adapter/memcache/view_snapshotter.h"
#include "adapter/redis/snapshotter.h"
#include "adapter/snapshot_fetch.h"
#include "adapter/snapshot_maker.h"
#include "base/clock.h"
#include "base/strings.h"

namespace cairn::adapter {
namespace {

using Json = nlohmann::ordered_json;

constexpr Millis kLook{5'000};
constexpr Millis kFirstRetry{5'000};
constexpr Millis kLastRetry{300'000};

struct SnapshotConfig {
  LogToolConfig tool;
  TrimPolicy trim;
  uint64_t keep_snapshots = 2;
  absl::Duration keep_snapshots_for;
  absl::Duration every;
  uint64_t max_log_records = 0;
  bool force = false;

  [[nodiscard]] bool schedules() const {
    return every > absl::ZeroDuration() || max_log_records > 0;
  }
};

TextCheck SetDuration(absl::Duration* target) {
  return [target](std::string_view text) -> std::string {
    const bool parsed = absl::ParseDuration(ToAbsl(text), target);
    return parsed && *target > absl::ZeroDuration() ? "" : "expected a duration: 30s, 10m, 1h30m";
  };
}

void AddOptions(OptionTable& table, SnapshotConfig& config) {
  AddLogToolOptions(table, config.tool);
  const auto set_trim = [&config](std::string_view text) -> std::string {
    const absl::StatusOr<TrimPolicy> policy = ParseTrimPolicy(text);
    if (!policy.ok()) return std::string(ToStd(policy.status().message()));
    config.trim = *policy;
    return "";
  };
  table.Custom("trim", set_trim,
               "What of the log is kept behind the snapshot: none trims nothing (default); "
               "keep-records=N; keep-time=10m. Nothing goes that no registered snapshot covers.");
  table.Number("keep-snapshots", &config.keep_snapshots, OptionUnit::kCount, 1, 100'000,
               "Older ones are removed from the store, but for");
  table.Custom("keep-snapshots-for", SetDuration(&config.keep_snapshots_for),
               "those that are younger than that. Default: none.");
  table.Custom("every", SetDuration(&config.every),
               "Goes on, and takes one when the newest is that old.");
  table.Number("max-log-records", &config.max_log_records, OptionUnit::kCount, 0, UINT64_MAX,
               "Goes on, and takes one when so many records stand behind the newest. 0: off.");
  table.Switch("force", &config.force, "Even if the log has nothing new.");
}

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  return gethostname(name, HOST_NAME_MAX) == 0 ? name : "unknown";
}

SnapshotMakerOptions OptionsOf(const SnapshotConfig& config, const std::string& directory) {
  SnapshotMakerOptions options;
  options.work_dir = directory;
  options.trim = config.trim;
  options.retention.keep_newest = config.keep_snapshots;
  options.retention.keep_younger_us = absl::ToInt64Microseconds(config.keep_snapshots_for);
  options.created_by = fmt::format("cairn-agent on {}", HostName());
  options.force = config.force;
  return options;
}

std::string ToText(const SnapshotResult& result) {
  const SnapshotManifest& manifest = result.manifest;
  if (result.unchanged) {
    return fmt::format("nothing new: the snapshot of {} as of record {} is the newest: {}",
                       manifest.log_name, manifest.seq, result.location);
  }
  uint64_t keys = 0;
  for (const SnapshotDatabase& database : manifest.databases) keys += database.keys;
  return fmt::format(
      "snapshot of {} as of record {}: {} keys, {:.1f} MiB, digest {}\n"
      "  replayed  {} records from {}\n"
      "  stored    {}\n"
      "  log       begins with record {}; {} older snapshots removed; took {:.1f} s",
      manifest.log_name, manifest.seq, keys,
      static_cast<double>(result.stored_bytes) / double{1 << 20},
      result.digest.empty() ? "not told" : result.digest,
      manifest.seq.value() - result.loaded_seq.value(), result.loaded_seq + 1, result.location,
      result.log_first_seq, result.removed_snapshots,
      static_cast<double>(result.took_us) / kMicrosPerSecond);
}

Json ToJson(const SnapshotResult& result) {
  const SnapshotManifest& manifest = result.manifest;
  Json databases = Json::array();
  for (const SnapshotDatabase& database : manifest.databases) {
    databases.push_back({{"number", database.number}, {"keys", database.keys}});
  }
  return {{"log", manifest.log_name},
          {"unchanged", result.unchanged},
          {"seq", manifest.seq.value()},
          {"chain", fmt::format("{:016x}", manifest.chain)},
          {"loaded_seq", result.loaded_seq.value()},
          {"databases", databases},
          {"digest", result.digest},
          {"location", result.location},
          {"stored_bytes", result.stored_bytes},
          {"log_first_seq", result.log_first_seq.value()},
          {"removed_snapshots", result.removed_snapshots},
          {"took_ms", result.took_us / kMicrosPerMilli}};
}

std::unique_ptr<SnapshotMaker> MakerFor(CacheKind kind, LogTool* tool,
                                        SnapshotMakerOptions options) {
  if (kind == CacheKind::kMemcached) {
    return std::make_unique<memcache::ViewSnapshotter>(tool->host(), tool->client(), tool->log(),
                                                       std::move(options), &SystemClock());
  }
  return std::make_unique<redis::Snapshotter>(tool->host(), tool->client(), tool->log(),
                                              std::move(options), &SystemClock());
}

asio::awaitable<absl::Status> TakeOne(LogTool* tool, const SnapshotConfig& config) {
  const absl::StatusOr<CacheKind> kind = co_await tool->Kind();
  if (!kind.ok()) co_return kind.status();
  const std::unique_ptr<SnapshotMaker> maker =
      MakerFor(*kind, tool, OptionsOf(config, tool->directory()));
  tool->OnStop([&maker] { maker->Cancel(); });
  const absl::StatusOr<SnapshotResult> result = co_await maker->Run();
  tool->OnStop(nullptr);
  if (!result.ok()) co_return result.status();
  tool->Print(ToText(*result), ToJson(*result));
  co_return absl::OkStatus();
}

// By what the log says of the newest snapshot and of its own end.
bool IsDue(const SnapshotConfig& config, const LogDescription& log_now, WallMicros now_us) {
  SnapshotInfo newest;
  for (const SnapshotInfo& snapshot : log_now.snapshots) {
    if (snapshot.name == kSnapshotName) newest = snapshot;
  }
  if (newest.seq >= log_now.last_seq) return false;
  const uint64_t behind = log_now.last_seq.value() - newest.seq.value();
  if (config.max_log_records > 0 && behind >= config.max_log_records) return true;
  if (config.every == absl::ZeroDuration()) return false;
  return now_us - newest.timestamp_us >= absl::ToInt64Microseconds(config.every);
}

asio::awaitable<absl::Status> Schedule(LogTool* tool, const SnapshotConfig& config) {
  Millis retry = kFirstRetry;
  while (!tool->stopping()) {
    auto describe = [log = tool->log()] { return DescribeNow(log); };
    const absl::StatusOr<LogDescription> log_now =
        co_await tool->host().background->Run(std::move(describe));
    absl::Status status = log_now.status();
    if (status.ok() && IsDue(config, *log_now, SystemClock().Wall())) {
      status = co_await TakeOne(tool, config);
    }
    if (tool->stopping()) break;
    if (!status.ok()) {
      spdlog::error("no snapshot this time, the next try is in {} s: {}", retry.count() / 1000,
                    ToStd(status.message()));
    }
    co_await tool->Pause(status.ok() ? kLook : retry);
    retry = status.ok() ? kFirstRetry : std::min(2 * retry, kLastRetry);
  }
  co_return absl::OkStatus();
}

}  // namespace

int RunSnapshotCommand(const std::vector<std::string>& argv) {
  SnapshotConfig config;
  OptionTable table(
      {.name = "cairn-agent snapshot",
       .about = "cairn-agent snapshot: takes a snapshot of a cache, off the machines that serve.",
       .environment = "CAIRN_SNAPSHOT_",
       .version = CAIRN_VERSION,
       .footer =
           "Exit codes: 0 done; 1 not done; 2 wrong configuration; 130 stopped by a signal."});
  AddOptions(table, config);
  const auto finish = [&config] {
    if (!config.tool.store.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("option store is required: expected file:///DIR or s3://…");
  };
  return RunLogToolProcess(table, argv, config.tool, finish, [&config] {
    LogTool tool(config.tool);
    return tool.Run([&config](LogTool* running) {
      return config.schedules() ? Schedule(running, config) : TakeOne(running, config);
    });
  });
}

}  // namespace cairn::adapter
