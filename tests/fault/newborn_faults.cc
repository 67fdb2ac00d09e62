// A log that is struck right behind its creation: it is made, one record is appended, and in the
// same moment nodes are killed: all of them, a majority, or its leader. When they are back the log
// must be there under its id, with the record if that was acknowledged; in the end on each node.
//
// As many rounds as fit into kTime, or as many as LabOptions::newborn_rounds says.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/log.h"
#include "tests/fault/fault.h"

namespace cairn::fault {
namespace {

constexpr absl::Duration kTime = absl::Seconds(20);
constexpr absl::Duration kCallTimeout = absl::Seconds(30);
constexpr const char* kPayload = "the first record";
constexpr int kKilled = 128 + SIGKILL;

struct Newborn {
  std::string name;
  LogId id;
  bool acknowledged = false;  // Its record; otherwise that may be there or not.
};

absl::Status Missing(const Newborn& log, std::string_view where, std::string_view what) {
  return absl::DataLossError(
      ToAbsl(fmt::format("log {} ({}), {}: {}", log.name, log.id, where, what)));
}

// The node that leads the log; the size of the cluster when nobody says so.
size_t LeaderOf(Lab& lab, const std::string& name) {
  const auto log = lab.client().admin().DescribeLog(name, {absl::Seconds(1)});
  const auto endpoints = lab.cluster().Endpoints();
  if (!log.ok()) return endpoints.size();
  const auto leader = std::find(endpoints.begin(), endpoints.end(), log->leader_address);
  return static_cast<size_t>(leader - endpoints.begin());
}

std::vector<size_t> Victims(Lab& lab, const std::string& name) {
  std::vector<size_t> nodes(lab.size());
  for (size_t node = 0; node < nodes.size(); ++node) nodes[node] = node;
  const uint64_t die = lab.random().Below(4);
  if (die < 2) return nodes;  // All of them.
  if (die == 2) {
    const size_t leader = LeaderOf(lab, name);
    if (leader < nodes.size()) return {leader};
  }
  for (size_t i = nodes.size(); i > 1; --i) std::swap(nodes[i - 1], nodes[lab.random().Below(i)]);
  nodes.resize(nodes.size() / 2 + 1);
  return nodes;
}

absl::Status KillAndStart(Lab& lab, const std::vector<size_t>& victims) {
  for (const size_t node : victims) lab.cluster().Signal(node, SIGKILL);
  absl::Status killed;
  for (const size_t node : victims) {
    const std::optional<int> status = lab.cluster().AwaitExit(node);
    if (status != kKilled) {
      killed = NoEffect(
          fmt::format("{} had ended with {} by itself", Lab::Name(node), status.value_or(-1)));
    }
  }
  for (const size_t node : victims) lab.cluster().Start(node);
  return killed;
}

absl::StatusOr<Newborn> Make(Lab& lab, const std::string& name) {
  Newborn log;
  log.name = name;
  CreateLogOptions create;
  create.call.timeout = kCallTimeout;
  create.if_not_exists = true;
  ASSIGN_OR_RETURN(const CreatedLog made, lab.client().admin().CreateLog(name, create));
  log.id = made.log_id;
  // Now and then not even the record is waited for.
  if (lab.random().Chance(0.2)) return log;
  AppendOptions append;
  append.call.timeout = kCallTimeout;
  log.acknowledged = lab.client().LogWithId(name, log.id).Append(kPayload, append).ok();
  return log;
}

// That `client` finds the log as it was left.
absl::Status Look(Client& client, const Newborn& log, bool linearizable, std::string_view where) {
  ReadOptions read;
  read.linearizable = linearizable;
  read.call.timeout = kCallTimeout;
  const auto batches = client.LogWithId(log.name, log.id).ReadAll(read);
  if (!batches.ok()) return Missing(log, where, ToStd(batches.status().message()));
  size_t records = 0;
  for (const RecordBatch& batch : *batches) {
    for (const Record& record : batch.records) {
      if (record.payload != kPayload) return Missing(log, where, "its record was changed");
      ++records;
    }
  }
  if (records > 1) return Missing(log, where, "its record stands there twice");
  if (records == 0 && log.acknowledged) return Missing(log, where, "its record is gone");
  return absl::OkStatus();
}

// Every node alone; then the logs go, so that a long drill does not gather them.
absl::Status LookEverywhere(Lab& lab, const std::vector<Newborn>& logs) {
  RETURN_IF_ERROR(lab.AwaitWhole(absl::Minutes(1)));
  for (const Newborn& log : logs) {
    const std::vector<size_t> holders = lab.HoldersOf(log.name);
    if (holders.size() < lab.replicas()) return Missing(log, "on each node", "a replica is gone");
    for (const size_t node : holders) {
      ClientOptions options;
      options.endpoints = {lab.cluster().Endpoint(node)};
      ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Connect(std::move(options)));
      // A follower may not have heard yet that the record is committed.
      absl::Status found;
      const bool there = integration::Eventually(
          [&] { return (found = Look(*client, log, false, Lab::Name(node))).ok(); }, 10);
      if (!there) return found;
    }
  }
  for (const Newborn& log : logs) {
    RETURN_IF_ERROR(lab.client().admin().DeleteLog(log.name, log.id, {kCallTimeout}));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> NewbornLog(Lab& lab) {
  const uint64_t wanted = lab.options().newborn_rounds;
  const absl::Time end = absl::Now() + kTime;
  std::vector<Newborn> logs;
  uint64_t acknowledged = 0;
  uint64_t killed = 0;
  const uint64_t family = lab.random().Next();  // Logs of an earlier time may have been left.
  while (wanted > 0 ? logs.size() < wanted : absl::Now() < end) {
    ASSIGN_OR_RETURN(Newborn log,
                     Make(lab, fmt::format("newborn-{:x}-{}", family, logs.size() + 1)));
    const std::vector<size_t> victims = Victims(lab, log.name);
    RETURN_IF_ERROR(KillAndStart(lab, victims));
    RETURN_IF_ERROR(Look(lab.client(), log, true, "after the kill"));
    acknowledged += log.acknowledged ? 1 : 0;
    killed += victims.size();
    logs.push_back(std::move(log));
    if (!lab.Wait(absl::ZeroDuration())) return absl::CancelledError("interrupted");
  }
  RETURN_IF_ERROR(LookEverywhere(lab, logs));
  return fmt::format(
      "{} logs, {} of them with an acknowledged record, {} kills right behind; all "
      "there on each node",
      logs.size(), acknowledged, killed);
}

constexpr Fault kFaults[] = {{"newborn-log", kNothing, NewbornLog}};

}  // namespace

std::span<const Fault> NewbornFaults() { return kFaults; }

}  // namespace cairn::fault
