#include "server/runtime/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <utility>

#include "base/option_table.h"
#include "base/status_macros.h"
#include "storage/objects/store_url.h"

namespace cairn::server {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr uint64_t kGiB = 1024 * kMiB;
constexpr uint64_t kMillisPerDay = 24ull * 3600 * 1000;

std::string CheckName(std::string_view name) {
  const auto legal = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (name.empty() || name.size() > 64 || !std::all_of(name.begin(), name.end(), legal)) {
    return "expected 1 … 64 letters, digits or any of . _ -";
  }
  return "";
}

std::string CheckZone(std::string_view zone) { return zone.empty() ? "" : CheckName(zone); }

std::string CheckPath(std::string_view path) {
  return path.empty() ? "expected a path" : std::string();
}

std::string CheckStoreUrl(std::string_view url) {
  if (url.empty()) return "";
  const auto parsed = objects::ParseStoreUrl(
      url, [](const char* name) -> const char* { return std::getenv(name); });
  return parsed.ok() ? "" : std::string(parsed.status().message());
}

std::string CheckArchiveLogs(std::string_view which) {
  return which == "all" || which == "chosen" ? "" : "expected all or chosen";
}

std::string CheckLevel(std::string_view level) {
  for (const char* known : {"trace", "debug", "info", "warn", "error"}) {
    if (level == known) return "";
  }
  return "expected trace, debug, info, warn or error";
}

std::string CheckFormat(std::string_view format) {
  return format == "text" || format == "json" ? "" : "expected text or json";
}

std::string CheckHostName(std::string_view name) {
  const bool sound =
      !name.empty() && name.size() <= 253 && name.find_first_of(": /\t") == std::string_view::npos;
  return sound ? "" : "expected a DNS name, without a port";
}

std::string CheckClientAuth(std::string_view policy) {
  for (const char* known : {"none", "request", "require"}) {
    if (policy == known) return "";
  }
  return "expected none, request or require";
}

std::string SetMembers(std::string_view value, std::vector<InitialMember>* target) {
  std::vector<InitialMember> members;
  while (!value.empty()) {
    const std::string_view item = value.substr(0, value.find(','));
    value.remove_prefix(std::min(value.size(), item.size() + 1));
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      return fmt::format("expected name=host:port with commas between; \"{}\" has no =", item);
    }
    InitialMember member{std::string(item.substr(0, equals)), std::string(item.substr(equals + 1))};
    std::string wrong = CheckName(member.name);
    if (wrong.empty()) wrong = CheckHostPort(member.address);
    if (!wrong.empty()) return fmt::format("in \"{}\": {}", item, wrong);
    members.push_back(std::move(member));
  }
  *target = std::move(members);
  return "";
}

std::string SetAddresses(std::string_view value, std::vector<std::string>* target) {
  std::vector<std::string> addresses;
  while (!value.empty()) {
    const std::string_view address = value.substr(0, value.find(','));
    value.remove_prefix(std::min(value.size(), address.size() + 1));
    if (std::string wrong = CheckHostPort(address); !wrong.empty()) return wrong;
    addresses.emplace_back(address);
  }
  *target = std::move(addresses);
  return "";
}

// Names of hosts, without ports; a name of DNS has no others than these characters.
std::string SetHosts(std::string_view value, std::vector<std::string>* target) {
  std::vector<std::string> hosts;
  while (!value.empty()) {
    const std::string_view host = value.substr(0, value.find(','));
    value.remove_prefix(std::min(value.size(), host.size() + 1));
    const bool legal = !host.empty() && std::all_of(host.begin(), host.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
    });
    if (!legal)
      return fmt::format("expected names with commas between, no ports; got \"{}\"", host);
    hosts.emplace_back(host);
  }
  *target = std::move(hosts);
  return "";
}

// The one place that knows each option: name, kind, range, and why it is there. Defaults are
// those of NodeConfig.
void AddIdentityOptions(OptionTable& table, NodeConfig& c) {
  table.Text("name", &c.name, CheckName,
             "This node's name; the same for ever, since its data belongs to it. Required.");
  table.Text("data-dir", &c.data_dir, CheckPath,
             "Directory of everything that must survive. Made (mode 0700) when missing. Required.");
  table.Text("listen", &c.listen, CheckHostPort,
             "host:port that clients and peers connect to. Default: --advertise.");
  table.Text("advertise", &c.advertise, CheckHostPort,
             "host:port that others are told. Default: this node's own in --initial-cluster, else "
             "--listen.");
  table.Text("http-listen", &c.http_listen, CheckHostPort,
             "host:port of the console, /metrics, /healthz and /readyz. Default: none, since nodes "
             "that share a host must not collide.");
  table.Custom(
      "console-hosts", [&c](std::string_view text) { return SetHosts(text, &c.console_hosts); },
      "Names under which browsers may open the console, with commas. Addresses, localhost and the "
      "hosts of the options above need not be named.");
  table.Custom(
      "initial-cluster",
      [&c](std::string_view text) { return SetMembers(text, &c.initial_cluster); },
      "name=host:port of all members, with commas; the same list on each. Default: this node "
      "alone.");
  table.Custom(
      "join", [&c](std::string_view text) { return SetAddresses(text, &c.join); },
      "host:port of members of a running cluster, with commas: this node becomes one too, once "
      "`cairn cluster add` has made room for its name. For an empty data directory; without "
      "meaning "
      "later, and for nodes that --initial-cluster lists.");
  table.Text("zone", &c.zone, CheckZone,
             "Failure domain; replicas of a log go to different zones first.");
  table.Text("log-level", &c.log_level, CheckLevel,
             "Least severe lines that are logged: trace, debug, info, warn or error.");
  table.Text("log-format", &c.log_format, CheckFormat,
             "text for people, json for collectors (one object a line).");
}

void AddMonitoringOptions(OptionTable& table, NodeConfig& c) {
  table.Number("slow-append-ms", &c.slow_append_ms, OptionUnit::kMillis, 0, 3'600'000,
               "Appends that take this long get a line in the log that says where they waited; at "
               "most ten a second. 0: none.");
  table.Number("metrics-per-log", &c.metrics_per_log, OptionUnit::kCount, 0, 1000,
               "Logs that have metrics of their own, those with most records first: each costs "
               "series in whatever scrapes this node.");
}

void AddTlsOptions(OptionTable& table, NodeConfig& c) {
  table.Text("tls-cert-file", &c.tls_cert_file, CheckPath,
             "PEM file with this node's certificate and its chain; turns TLS on for clients and "
             "peers. Files are read again when they change.");
  table.Text("tls-key-file", &c.tls_key_file, CheckPath, "PEM file with its key.");
  table.Text("tls-ca-file", &c.tls_ca_file, CheckPath,
             "PEM file with the authorities of clients' certificates, and of peers'.");
  table.Text(
      "tls-client-auth", &c.tls_client_auth, CheckClientAuth,
      "Whether clients show a certificate: require, request (those that have one), or none.");
  table.Text("peer-tls-ca-file", &c.peer_tls_ca_file, CheckPath,
             "PEM file with the authorities of peers' certificates. Default: --tls-ca-file.");
  table.Text("peer-tls-name", &c.peer_tls_name, CheckHostName,
             "DNS name that all members' certificates bear. Default: the host of each member's "
             "address.");
  table.Switch("http-tls", &c.http_tls, "Serve the pages of --http-listen with TLS too.");
  table.Text("http-tls-ca-file", &c.http_tls_ca_file, CheckPath,
             "PEM file with the authorities of visitors' certificates: with it, pages other than "
             "/healthz and /readyz are only for who shows one. Default: none.");
}

void AddAccessOptions(OptionTable& table, NodeConfig& c) {
  table.Text("root-token-file", &c.root_token_file, CheckPath,
             "File of mode 0600 with one line of 32 to 255 bytes: the token whose bearer may do "
             "everything here, for when no other lets anybody in. Read again when it changes. "
             "Default: none.");
  table.Text(
      "audit-file", &c.audit_file, CheckPath,
      "File that gets a JSON line for each administrative call and each refused login; opened "
      "anew when it was rotated. Default: the process's log.");
}

void AddTimeOptions(OptionTable& table, NodeConfig& c) {
  table.Number("tick-ms", &c.tick_ms, OptionUnit::kMillis, 5, 1000,
               "Unit of the two options below; shorter finds dead leaders sooner and costs CPU.");
  table.Number("election-ticks", &c.election_ticks, OptionUnit::kCount, 3, 1000,
               "Ticks without a leader after which a replica campaigns (up to twice as many).");
  table.Number("heartbeat-ticks", &c.heartbeat_ticks, OptionUnit::kCount, 1, 100,
               "Ticks between heartbeats; at most a third of --election-ticks.");
  table.Number("drain-timeout-ms", &c.drain_timeout_ms, OptionUnit::kMillis, 0, 600'000,
               "How long SIGTERM waits for leaderships to be handed over.");
  table.Switch(
      "lease-reads", &c.lease_reads,
      "Serve linearizable reads under a leader lease instead of a round to a quorum: faster, "
      "but trusts clock rates; turns off early elections on a dead connection.");
}

void AddRestOptions(OptionTable& table, NodeConfig& c) {
  table.Number("hibernate-after-ms", &c.hibernate_after_ms, OptionUnit::kMillis, 0,
               24 * 3600 * 1000,
               "A log of which nothing was asked for this long costs its nodes no heartbeats until "
               "it is asked again; the same on all nodes. 0: never. Without effect with "
               "--lease-reads.");
}

void AddQueueOptions(OptionTable& table, NodeConfig& c) {
  table.Number("workers", &c.workers, OptionUnit::kCount, 0, 64,
               "Threads that own the logs. 0: one per core, at most 4.");
  table.Number("cache-bytes", &c.cache_bytes, OptionUnit::kBytes, kMiB, 64 * kGiB,
               "Recent entries in memory, for tails and followers, over all logs.");
  table.Number("mailbox-events", &c.mailbox_events, OptionUnit::kCount, 64, 16 * kMiB,
               "Requests and peer messages that may wait for one worker; OVERLOADED beyond.");
  table.Number(
      "request-bytes", &c.request_bytes, OptionUnit::kBytes, kMiB, 64 * kGiB,
      "Appends that may be under way in this node, received and not answered; beyond it unary "
      "ones get OVERLOADED and streams wait.");
  table.Number(
      "reader-bytes", &c.reader_bytes, OptionUnit::kBytes, 4 * kMiB, 64 * kGiB,
      "What reads and tails may hold that their readers have not taken; beyond it they get "
      "64 KiB at a time.");
  table.Number(
      "connection-calls", &c.connection_calls, OptionUnit::kCount, 16, 1'000'000,
      "Calls under way that one connection may have, open tails among them; the client's gRPC "
      "holds back the next ones. What they send meanwhile is in this node's memory.");
  table.Number(
      "peer-queue-bytes", &c.peer_queue_bytes, OptionUnit::kBytes, kMiB, 4 * kGiB,
      "What may wait to be sent to one peer; more is dropped and sent again later. At least "
      "the 32 MiB that one log keeps in flight, or a full pipe looks like a lossy one.");
  table.Number(
      "peer-message-bytes", &c.peer_message_bytes, OptionUnit::kBytes, 64 * kKiB, 64 * kMiB,
      "Entries that are sent to a peer in one piece: large ones cost fewer calls, small ones "
      "let heartbeats through sooner.");
  table.Number(
      "fill-bytes-per-second", &c.fill_bytes_per_second, OptionUnit::kBytes, 0, 64 * kGiB,
      "What this node sends a second, over all logs, to replicas that are new or far behind and "
      "that nobody waits for; twice what their logs grow by comes on top. 0: as fast as it goes, "
      "at the expense of everything else.");
  table.Switch("fill-by-runs", &c.fill_by_runs,
               "Replicas that are new or far behind fetch whole stretches of a log in bulk. Off: "
               "they are sent entry by entry, which takes longer.");
}

void AddStorageOptions(OptionTable& table, NodeConfig& c) {
  table.Number("memtable-bytes", &c.memtable_bytes, OptionUnit::kBytes, kMiB, 4 * kGiB,
               "Writes that gather in memory before they are sorted into files.");
  table.Number(
      "segment-bytes", &c.segment_bytes, OptionUnit::kBytes, 64 * kKiB, kGiB,
      "Size at which a log's segment is sealed, unless the log says otherwise: what trimming "
      "frees at a time.");
  table.Number(
      "storage-watermark-bytes", &c.storage_watermark_bytes, OptionUnit::kBytes, 0, 1024 * kGiB,
      "Free space below which appends are refused with STORAGE_FULL. 0: the larger of 512 MiB "
      "and twice memtables and write-ahead log.");
  table.Number("trash-keep-ms", &c.trash_keep_ms, OptionUnit::kMillis, 0, 365 * kMillisPerDay,
               "How long the data of a deleted log stays on the disk.");
}

void AddArchiveOptions(OptionTable& table, NodeConfig& c) {
  table.Text("archive-url", &c.archive_url, CheckStoreUrl,
             "Where logs are archived: file:///directory or s3://bucket/prefix?option=value; the "
             "same on all nodes. Credentials come from the environment or AWS's files, never from "
             "here. Default: none.");
  table.Text("archive-logs", &c.archive_logs, CheckArchiveLogs,
             "Which logs are archived if their settings do not say: all, or only those that were "
             "chosen; the same on all nodes.");
  table.Number("archive-object-bytes", &c.archive_object_bytes, OptionUnit::kBytes, 64 * kKiB,
               256 * kMiB,
               "Size of an object of the archive; what has gathered that much is archived at once. "
               "Readers of old records keep whole objects in memory.");
  table.Number("archive-age-ms", &c.archive_age_ms, OptionUnit::kMillis, 100, kMillisPerDay,
               "Records are archived when they have waited this long, however few they are.");
  table.Number("archive-uploads", &c.archive_uploads, OptionUnit::kCount, 1, 16,
               "Logs that this node archives at the same time; each takes an object's memory.");
  table.Number("archive-bytes-per-second", &c.archive_bytes_per_second, OptionUnit::kBytes, 0,
               1024 * kGiB, "Most that this node archives in a second. 0: no limit.");
  table.Number("archive-cache-bytes", &c.archive_cache_bytes, OptionUnit::kBytes, 0, 64 * kGiB,
               "Objects of the archive that stay in memory for the readers to come.");
}

void AddLimitOptions(OptionTable& table, NodeConfig& c) {
  table.Number("max-record-bytes", &c.max_record_bytes, OptionUnit::kBytes, kKiB, 64 * kMiB,
               "Largest record that an append may carry.");
  table.Number("max-batch-bytes", &c.max_batch_bytes, OptionUnit::kBytes, kKiB, 128 * kMiB,
               "Largest sum of records that an append may carry.");
  table.Number("max-batch-records", &c.max_batch_records, OptionUnit::kCount, 1, 1'000'000,
               "Most records that an append may carry.");
  table.Number("max-logs", &c.max_logs, OptionUnit::kCount, 1, 1'000'000,
               "Most logs in the cluster: each costs memory on its replicas.");
  table.Number("max-leases-per-log", &c.max_leases_per_log, OptionUnit::kCount, 1, 100'000,
               "Most lease names that a log remembers.");
  table.Number("max-producers-per-log", &c.max_producers_per_log, OptionUnit::kCount, 1, 100'000,
               "Most exactly-once producers that a log remembers.");
  table.Number("producer-expiry-ms", &c.producer_expiry_ms, OptionUnit::kMillis, 60'000,
               365 * kMillisPerDay,
               "Silence after which a producer is forgotten, and its retries can no longer be told "
               "from new appends.");
}

constexpr char kFooter[] =
    "Each option --some-name can also be given as CAIRND_SOME_NAME in the environment or as\n"
    "some-name in the TOML file; flags win over the environment, which wins over the file.\n"
    "`cairnd --check-data DIR`, without other options, is what `cairn check` starts: it reads a\n"
    "directory on which no node runs and says what is damaged, as lines of JSON.\n"
    "Exit codes: 0 stopped as asked; 1 could not start or go on; 2 wrong configuration; 130 a "
    "second "
    "signal while stopping.";

}  // namespace

absl::StatusOr<Invocation> ParseInvocation(int argc, const char* const* argv,
                                           EnvironmentLookup environment) {
  Invocation invocation;
  if (argc == 3 && std::string_view(argv[1]) == "--check-data") {
    invocation.action = Invocation::Action::kCheckData;
    invocation.text = argv[2];
    return invocation;
  }
  OptionTable table({
      .name = "cairnd",
      .about = "cairnd: one node of a Cairn cluster, a replicated transaction log.",
      .environment = "CAIRND_",
      .version = CAIRN_VERSION,
      .footer = kFooter,
  });
  AddIdentityOptions(table, invocation.config);
  AddTlsOptions(table, invocation.config);
  AddMonitoringOptions(table, invocation.config);
  AddAccessOptions(table, invocation.config);
  AddTimeOptions(table, invocation.config);
  AddRestOptions(table, invocation.config);
  AddQueueOptions(table, invocation.config);
  AddStorageOptions(table, invocation.config);
  AddArchiveOptions(table, invocation.config);
  AddLimitOptions(table, invocation.config);
  ASSIGN_OR_RETURN(OptionTable::Asked asked, table.Parse({argv + 1, argv + argc}, environment));
  if (!asked.print.empty()) {
    invocation.action = Invocation::Action::kPrint;
    invocation.text = std::move(asked.print);
    return invocation;
  }
  if (asked.check_config) invocation.action = Invocation::Action::kCheckConfig;
  RETURN_IF_ERROR(FinishConfig(invocation.config));
  return invocation;
}

}  // namespace cairn::server
