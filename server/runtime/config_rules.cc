// What follows from several options of a node together: what was left out, and what does not go
// together.

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <thread>

#include "base/option_table.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "server/runtime/config.h"
#include "server/runtime/node_tls.h"

namespace cairn::server {
namespace {

// A slower sender would look like one that hangs.
constexpr uint64_t kMinFillBytes = 1 << 20;
constexpr size_t kMaxMembers = 64;

absl::Status Invalid(const std::string& message) {
  return absl::InvalidArgumentError(ToAbsl(message));
}

// With both options, those that initial-cluster lists form the cluster, and others join it: so all
// nodes may be started with the same words.
void ChooseFounding(NodeConfig& config) {
  if (config.join.empty()) return;
  const bool founds = std::any_of(config.initial_cluster.begin(), config.initial_cluster.end(),
                                  [&](const InitialMember& m) { return m.name == config.name; });
  founds ? config.join.clear() : config.initial_cluster.clear();
}

absl::Status FillAddresses(NodeConfig& config) {
  ChooseFounding(config);
  const auto self = std::find_if(config.initial_cluster.begin(), config.initial_cluster.end(),
                                 [&](const InitialMember& m) { return m.name == config.name; });
  if (!config.initial_cluster.empty() && self == config.initial_cluster.end()) {
    return Invalid(fmt::format(
        "option initial-cluster does not list this node: expected {}=host:port among the members",
        config.name));
  }
  if (config.advertise.empty()) {
    config.advertise = self != config.initial_cluster.end() ? self->address : config.listen;
  }
  if (config.listen.empty()) config.listen = config.advertise;
  if (config.listen.empty()) {
    return Invalid(
        "option listen (or advertise, or initial-cluster) is required: expected the "
        "host:port of this node");
  }
  if (const std::string wrong = CheckNoWildcard(config.advertise); !wrong.empty()) {
    return Invalid(fmt::format("option advertise is \"{}\": {}", config.advertise, wrong));
  }
  if (config.initial_cluster.empty() && config.join.empty()) {
    config.initial_cluster.push_back({config.name, config.advertise});
  }
  return absl::OkStatus();
}

absl::Status CheckMembers(NodeConfig& config) {
  auto& members = config.initial_cluster;
  if (members.size() > kMaxMembers) {
    return Invalid(fmt::format("option initial-cluster lists {} members: expected at most {}",
                               members.size(), kMaxMembers));
  }
  std::sort(members.begin(), members.end(),
            [](const InitialMember& a, const InitialMember& b) { return a.name < b.name; });
  std::set<std::string> addresses;
  for (size_t i = 0; i < members.size(); ++i) {
    if (i > 0 && members[i].name == members[i - 1].name) {
      return Invalid(
          fmt::format("option initial-cluster lists \"{}\" twice: expected each name "
                      "once",
                      members[i].name));
    }
    if (!addresses.insert(members[i].address).second) {
      return Invalid(
          fmt::format("option initial-cluster gives {} to two members: expected each "
                      "address once",
                      members[i].address));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTogether(const NodeConfig& config) {
  if (config.heartbeat_ticks * 3 > config.election_ticks) {
    return Invalid(
        fmt::format("option heartbeat-ticks is {}: expected at most a third of "
                    "election-ticks, which is {}",
                    config.heartbeat_ticks, config.election_ticks));
  }
  if (config.max_record_bytes > config.max_batch_bytes) {
    return Invalid(
        fmt::format("option max-record-bytes is {}: expected at most max-batch-bytes, "
                    "which is {}",
                    config.max_record_bytes, config.max_batch_bytes));
  }
  if (config.peer_message_bytes > config.peer_queue_bytes) {
    return Invalid(
        fmt::format("option peer-message-bytes is {}: expected at most "
                    "peer-queue-bytes, which is {}",
                    config.peer_message_bytes, config.peer_queue_bytes));
  }
  if (config.fill_bytes_per_second != 0 && config.fill_bytes_per_second < kMinFillBytes) {
    return Invalid(fmt::format(
        "option fill-bytes-per-second is {}: expected 0, which is no limit, or 1MiB at least",
        config.fill_bytes_per_second));
  }
  return absl::OkStatus();
}

// What is set without the option that gives it a meaning; "" when nothing is.
std::string UselessTlsOption(const NodeConfig& config) {
  if (!config.tls_key_file.empty()) return "tls-key-file";
  if (!config.tls_ca_file.empty()) return "tls-ca-file";
  if (!config.peer_tls_ca_file.empty()) return "peer-tls-ca-file";
  if (!config.peer_tls_name.empty()) return "peer-tls-name";
  if (!config.http_tls_ca_file.empty()) return "http-tls-ca-file";
  return config.http_tls ? "http-tls" : "";
}

// Reads the files, too, so that --check-config says what a start would.
absl::Status CheckTls(const NodeConfig& config) {
  if (!config.tls()) {
    const std::string useless = UselessTlsOption(config);
    if (useless.empty()) return absl::OkStatus();
    return Invalid(
        fmt::format("option {} is set without tls-cert-file: expected both, or neither", useless));
  }
  if (config.tls_key_file.empty()) {
    return Invalid("option tls-key-file is required with tls-cert-file: expected the key of " +
                   config.tls_cert_file);
  }
  const bool has_peers = config.initial_cluster.size() > 1 || !config.join.empty();
  if (config.tls_ca_file.empty() &&
      (config.tls_client_auth != "none" || (has_peers && config.peer_tls_ca_file.empty()))) {
    return Invalid(
        "option tls-ca-file is required with tls-cert-file: expected the authorities that "
        "clients' and peers' certificates are checked against. Without peers and with "
        "tls-client-auth none it may be left out");
  }
  if (config.http_tls && config.http_listen.empty()) {
    return Invalid("option http-tls is set without http-listen: expected both, or neither");
  }
  if (!config.http_tls && !config.http_tls_ca_file.empty()) {
    return Invalid(
        "option http-tls-ca-file is set without http-tls: expected both, or neither, since pages "
        "in clear ask nobody for a certificate");
  }
  return NodeTls::Make(config).status();
}

}  // namespace

absl::Status FinishConfig(NodeConfig& config) {
  if (config.name.empty()) {
    return Invalid("option name is required: expected this node's name");
  }
  if (config.data_dir.empty()) {
    return Invalid("option data-dir is required: expected the directory of this node's data");
  }
  RETURN_IF_ERROR(FillAddresses(config));
  RETURN_IF_ERROR(CheckMembers(config));
  RETURN_IF_ERROR(CheckTogether(config));
  RETURN_IF_ERROR(CheckTls(config));
  if (config.workers == 0) {
    config.workers = std::clamp(std::thread::hardware_concurrency(), 1u, 4u);
  }
  return absl::OkStatus();
}

uint64_t InitialClusterHash(const NodeConfig& config) {
  // FNV-1a: only has to be the same everywhere and to notice differing lists.
  uint64_t hash = 0xcbf29ce484222325u;
  for (const InitialMember& member : config.initial_cluster) {
    for (const char c : member.name + "=" + member.address + ",") {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    }
  }
  return hash;
}

}  // namespace cairn::server
