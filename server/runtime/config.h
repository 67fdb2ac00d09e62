// NodeConfig: everything that can be set about a node, from flags, environment and file.
//
// Sources, precedence and errors are those of base/option_table.h; the table is in config.cc.
//
// Threads: none; plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cairn::server {

struct InitialMember {
  std::string name;
  std::string address;  // "host:port"
  bool operator==(const InitialMember&) const = default;
};

struct NodeConfig {
  // ---- Who and where -----------------------------------------------------------------
  std::string name;
  std::string data_dir;
  // Where clients and peers connect to. Empty: `advertise`.
  std::string listen;
  // What others are told to connect to. Empty: this node's address in `initial_cluster`,
  // else `listen`.
  std::string advertise;
  // Metrics and health pages, and the console. Empty: none.
  std::string http_listen;
  // Names, besides those of the cluster's addresses, under which browsers may open the console.
  std::vector<std::string> console_hosts;
  // Sorted by name. Empty: a cluster of this node alone.
  std::vector<InitialMember> initial_cluster;
  // Members of the cluster that this node joins, "host:port"; then `initial_cluster` is empty, and
  // the other way round.
  std::vector<std::string> join;
  std::string zone;

  // ---- TLS (decision 020); all empty: everything is in clear -------------------------------
  std::string tls_cert_file;  // PEM with the chain; turns TLS on for `listen`.
  std::string tls_key_file;
  std::string tls_ca_file;                  // Who signs clients, and peers if the next is empty.
  std::string tls_client_auth = "request";  // none, request or require.
  std::string peer_tls_ca_file;
  // What the certificates of all members name. Empty: the host of the member's address.
  std::string peer_tls_name;
  bool http_tls = false;  // The pages, too.
  // Who signs those who may see them, but for the pages of probes. Empty: whoever asks.
  std::string http_tls_ca_file;

  // ---- Who may do what --------------------------------------------------------------------
  // File that holds the token whose bearer may do everything on this node. Empty: there is none.
  std::string root_token_file;
  // File of the audit log. Empty: its lines go to the process's log.
  std::string audit_file;

  // ---- Logs of the process -------------------------------------------------------------
  std::string log_level = "info";
  std::string log_format = "text";

  // ---- What is told of appends and logs ---------------------------------------------------
  // As long as a client waits before it tries again: what is logged is what clients repeat.
  uint64_t slow_append_ms = 1000;  // 0: no append is slow.
  uint32_t metrics_per_log = 0;    // Logs with metrics of their own.

  // ---- Time ----------------------------------------------------------------------------
  uint32_t tick_ms = 50;
  uint32_t election_ticks = 10;
  uint32_t heartbeat_ticks = 1;
  uint32_t drain_timeout_ms = 5000;
  bool lease_reads = false;
  uint64_t hibernate_after_ms = 2000;  // 0: never.

  // ---- Threads, memory and queues --------------------------------------------------------
  uint32_t workers = 0;  // 0: min(cores, 4).
  uint64_t cache_bytes = 64ull << 20;
  uint64_t mailbox_events = 65536;
  uint64_t request_bytes = 128ull << 20;
  // What reads and tails may hold that their readers have not taken, beyond 64 KiB each. One uses
  // up to 4 MiB.
  uint64_t reader_bytes = 256ull << 20;
  uint64_t connection_calls = 256;
  uint64_t peer_queue_bytes = 64ull << 20;
  uint64_t peer_message_bytes = 4ull << 20;
  uint64_t fill_bytes_per_second = 16ull << 20;  // 0: as fast as it goes.
  bool fill_by_runs = true;

  // ---- Storage ---------------------------------------------------------------------------
  uint64_t memtable_bytes = 64ull << 20;
  uint64_t segment_bytes = 64ull << 20;
  uint64_t storage_watermark_bytes = 0;  // 0: the larger of 512 MiB and twice memtables + WAL.
  uint64_t trash_keep_ms = 24ull * 3600 * 1000;

  // ---- Archive (docs/archive.md) -----------------------------------------------------------
  std::string archive_url;              // file:// or s3://; empty: there is none.
  std::string archive_logs = "chosen";  // Of those whose settings do not say: all, or none.
  uint64_t archive_object_bytes = 8ull << 20;
  uint64_t archive_age_ms = 60'000;
  uint32_t archive_uploads = 2;
  uint64_t archive_bytes_per_second = 0;  // 0: no limit.
  uint64_t archive_cache_bytes = 64ull << 20;

  // ---- Limits ------------------------------------------------------------------------------
  uint64_t max_record_bytes = 8ull << 20;
  uint64_t max_batch_bytes = 16ull << 20;
  uint32_t max_batch_records = 65536;
  uint32_t max_logs = 100'000;
  uint32_t max_leases_per_log = 1024;
  uint32_t max_producers_per_log = 4096;
  uint64_t producer_expiry_ms = 24ull * 3600 * 1000;

  [[nodiscard]] bool tls() const { return !tls_cert_file.empty(); }
  [[nodiscard]] int64_t tick_us() const { return int64_t{tick_ms} * 1000; }
  // 0: never.
  [[nodiscard]] uint32_t hibernate_ticks() const {
    return static_cast<uint32_t>((hibernate_after_ms + tick_ms - 1) / tick_ms);
  }
};

// What the command line asked for.
struct Invocation {
  enum class Action : uint8_t {
    kRun,
    kCheckConfig,  // Say that the configuration is fine and exit 0.
    kPrint,        // Print `text` (help or version) and exit 0.
    kCheckData,    // Look at the data directory `text` (check_data.h) and exit.
  };
  Action action = Action::kRun;
  NodeConfig config;  // Complete and validated, for the first two.
  std::string text;
};

// Reads an environment variable; null when unset. `std::getenv` outside of tests.
using EnvironmentLookup = const char* (*)(const char* name);

// Puts flags, environment and file (--config PATH) together, fills in what follows from
// other options, and validates. Errors: kInvalidArgument, worded for the operator.
absl::StatusOr<Invocation> ParseInvocation(int argc, const char* const* argv,
                                           EnvironmentLookup environment);

// Fills in derived values (initial_cluster of one, listen, advertise, workers) and checks
// how options fit together. For callers that set fields by hand.
absl::Status FinishConfig(NodeConfig& config);

// The same on all nodes that were given the same names and addresses.
uint64_t InitialClusterHash(const NodeConfig& config);

}  // namespace cairn::server
