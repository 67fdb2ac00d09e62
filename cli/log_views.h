// Views of logs, segments, leases and snapshots: what the log commands print.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cairn/types.h"
#include "cli/view.h"

namespace cairn::cli {

struct CreatedLogView {
  std::string log;
  LogId log_id;
  bool created = false;
  template <class F>
  void Fields(F&& field) const {
    field("log", log);
    field("log_id", log_id);
    field("created", created);
  }
};

struct DeletedLogView {
  std::string log;
  LogId log_id;
  template <class F>
  void Fields(F&& field) const {
    field("log", log);
    field("log_id", log_id);
  }
};

struct TrimmedView {
  std::string log;
  Seq first_seq;
  template <class F>
  void Fields(F&& field) const {
    field("log", log);
    field("first_seq", first_seq);
  }
};

// "inherit", "on", "off", and what they mean.
const std::map<std::string, ArchivePolicy>& ArchivePolicies();
std::string ArchivePolicyName(ArchivePolicy policy);

struct SettingsView {
  std::string log;
  bool fenced = false;
  ByteCount retention_bytes;
  DurationMs retention_ms;
  std::string trim_guard;
  ByteCount segment_bytes;
  ByteCount append_bytes_per_second;
  uint64_t appends_per_second = 0;
  std::string archive;

  static SettingsView From(const std::string& log, const LogSettings& settings);
  template <class F>
  void Fields(F&& field) const {
    field("log", log);
    field("fenced", fenced);
    field("retention_bytes", retention_bytes);
    field("retention_ms", retention_ms);
    field("trim_guard", trim_guard);
    field("segment_bytes", segment_bytes);
    field("append_bytes_per_second", append_bytes_per_second);
    field("appends_per_second", appends_per_second);
    field("archive", archive);
  }
};

struct LogRowView {
  std::string name;
  LogId log_id;
  bool fenced = false;
  ByteCount retention_bytes;
  DurationMs retention_ms;
  std::string trim_guard;
  std::vector<NodeId> replicas;

  static LogRowView From(const LogSummary& log);
  template <class F>
  void Fields(F&& field) const {
    field("name", name);
    field("log_id", log_id);
    field("fenced", fenced);
    field("retention_bytes", retention_bytes);
    field("retention_ms", retention_ms);
    field("trim_guard", trim_guard);
    field("replicas", replicas);
  }
};

struct LogListView {
  std::vector<LogRowView> logs;
  template <class F>
  void Fields(F&& field) const {
    field("logs", logs);
  }
};

struct ReplicaRowView {
  NodeId node_id;
  std::string node;
  std::string role;
  Index match_index;
  template <class F>
  void Fields(F&& field) const {
    field("node_id", node_id);
    field("node", node);
    field("role", role);
    field("match_index", match_index);
  }
};

struct LeaseView {
  std::string name;
  std::string holder;
  Epoch epoch;
  uint64_t ttl_ms = 0;
  uint64_t remaining_ms = 0;

  static LeaseView From(const LeaseInfo& lease);
  template <class F>
  void Fields(F&& field) const {
    field("name", name);
    field("holder", holder);
    field("epoch", epoch);
    field("ttl_ms", ttl_ms);
    field("remaining_ms", remaining_ms);
  }
};

struct SnapshotRowView {
  std::string name;
  Seq seq;
  Hash chain;
  LogTime timestamp_us;
  std::string location;

  static SnapshotRowView From(const SnapshotInfo& snapshot);
  template <class F>
  void Fields(F&& field) const {
    field("name", name);
    field("seq", seq);
    field("chain", chain);
    field("timestamp_us", timestamp_us);
    field("location", location);
  }
};

struct ArchivedLogView {
  bool on = false;
  Seq first_seq;
  Seq archived_seq;
  uint64_t lag_records = 0;
  LogTime timestamp_us;
  std::string location;
  std::string trouble;

  static ArchivedLogView From(const LogDescription& log);
  template <class F>
  void Fields(F&& field) const {
    field("on", on);
    field("first_seq", first_seq);
    field("archived_seq", archived_seq);
    field("lag_records", lag_records);
    field("timestamp_us", timestamp_us);
    field("location", location);
    field("trouble", trouble);
  }
};

struct LogView {
  SettingsView settings;
  LogId log_id;
  Seq first_seq;
  Seq last_seq;
  Hash chain;
  LogTime timestamp_us;
  ByteCount bytes;
  std::string leader;
  NodeId leader_node_id;
  Term term;
  uint64_t producers = 0;
  bool stale = false;
  std::optional<bool> importing;  // Nullopt: its leader was not there to say so.
  std::vector<ReplicaRowView> replicas;
  std::vector<LeaseView> leases;
  std::vector<SnapshotRowView> snapshots;
  std::vector<ArchivedLogView> archived;  // One at most.

  static LogView From(const LogDescription& log, std::optional<bool> importing);
  template <class F>
  void Fields(F&& field) const {
    settings.Fields(field);
    field("log_id", log_id);
    field("first_seq", first_seq);
    field("last_seq", last_seq);
    field("chain", chain);
    field("timestamp_us", timestamp_us);
    field("bytes", bytes);
    field("leader", leader);
    field("leader_node_id", leader_node_id);
    field("term", term);
    field("producers", producers);
    field("stale", stale);
    field("importing", importing);
    field("replicas", replicas);
    field("leases", leases);
    field("snapshots", snapshots);
    field("archived", archived);
  }
};

}  // namespace cairn::cli
