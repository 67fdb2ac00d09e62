#include "server/runtime/config.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <variant>

#include "base/check.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::server {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr uint64_t kGiB = 1024 * kMiB;
constexpr uint64_t kMillisPerDay = 24ull * 3600 * 1000;
constexpr size_t kMaxMembers = 64;

// ---- Values -----------------------------------------------------------------------------

enum class Unit : uint8_t { kCount, kMillis, kBytes };

// Says what is wrong with a text value; "" when nothing is.
using TextCheck = std::string (*)(std::string_view);

struct Number {
  std::variant<uint32_t NodeConfig::*, uint64_t NodeConfig::*> field;
  Unit unit;
  uint64_t min;
  uint64_t max;
};
struct Text {
  std::string NodeConfig::*field;
  TextCheck check;
};
struct Switch {
  bool NodeConfig::*field;
};
struct Members {};

struct Option {
  const char* name;
  std::variant<Number, Text, Switch, Members> kind;
  const char* help;
};

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

std::string CheckLevel(std::string_view level) {
  for (const char* known : {"trace", "debug", "info", "warn", "error"}) {
    if (level == known) return "";
  }
  return "expected trace, debug, info, warn or error";
}

std::string CheckFormat(std::string_view format) {
  return format == "text" || format == "json" ? "" : "expected text or json";
}

// The one place that knows each option: name, kind, range, and why it is there. Defaults are
// those of NodeConfig.
constexpr std::array kOptions = {
    Option{"name", Text{&NodeConfig::name, CheckName},
           "This node's name; the same for ever, since its data belongs to it. Required."},
    Option{"data-dir", Text{&NodeConfig::data_dir, CheckPath},
           "Directory of everything that must survive. Made (mode 0700) when missing. Required."},
    Option{"listen", Text{&NodeConfig::listen, CheckAddress},
           "host:port that clients and peers connect to. Default: --advertise."},
    Option{"advertise", Text{&NodeConfig::advertise, CheckAddress},
           "host:port that others are told. Default: this node's own in --initial-cluster, else "
           "--listen."},
    Option{"http-listen", Text{&NodeConfig::http_listen, CheckAddress},
           "host:port of /metrics, /healthz and /readyz. Default: none, since nodes that share a "
           "host must not collide."},
    Option{"initial-cluster", Members{},
           "name=host:port of all members, with commas; the same list on each. Default: this node "
           "alone."},
    Option{"zone", Text{&NodeConfig::zone, CheckZone},
           "Failure domain; replicas of a log go to different zones first."},
    Option{"log-level", Text{&NodeConfig::log_level, CheckLevel},
           "Least severe lines that are logged: trace, debug, info, warn or error."},
    Option{"log-format", Text{&NodeConfig::log_format, CheckFormat},
           "text for people, json for collectors (one object a line)."},
    Option{"tick-ms", Number{&NodeConfig::tick_ms, Unit::kMillis, 5, 1000},
           "Unit of the two options below; shorter finds dead leaders sooner and costs CPU."},
    Option{"election-ticks", Number{&NodeConfig::election_ticks, Unit::kCount, 3, 1000},
           "Ticks without a leader after which a replica campaigns (up to twice as many)."},
    Option{"heartbeat-ticks", Number{&NodeConfig::heartbeat_ticks, Unit::kCount, 1, 100},
           "Ticks between heartbeats; at most a third of --election-ticks."},
    Option{"drain-timeout-ms", Number{&NodeConfig::drain_timeout_ms, Unit::kMillis, 0, 600'000},
           "How long SIGTERM waits for leaderships to be handed over."},
    Option{"lease-reads", Switch{&NodeConfig::lease_reads},
           "Serve linearizable reads under a leader lease instead of a round to a quorum: faster, "
           "but trusts clock rates; turns off early elections on a dead connection."},
    Option{"workers", Number{&NodeConfig::workers, Unit::kCount, 0, 64},
           "Threads that own the logs. 0: one per core, at most 4."},
    Option{"cache-bytes", Number{&NodeConfig::cache_bytes, Unit::kBytes, kMiB, 64 * kGiB},
           "Recent entries in memory, for tails and followers, over all logs."},
    Option{"mailbox-events", Number{&NodeConfig::mailbox_events, Unit::kCount, 64, 16 * kMiB},
           "Requests and peer messages that may wait for one worker; OVERLOADED beyond."},
    Option{"request-bytes", Number{&NodeConfig::request_bytes, Unit::kBytes, kMiB, 64 * kGiB},
           "Appends that may be under way in this node, received and not answered; beyond it unary "
           "ones get OVERLOADED and streams wait."},
    Option{"connection-calls", Number{&NodeConfig::connection_calls, Unit::kCount, 16, 1'000'000},
           "Calls under way that one connection may have, open tails among them; the client's gRPC "
           "holds back the next ones. What they send meanwhile is in this node's memory."},
    Option{"peer-queue-bytes", Number{&NodeConfig::peer_queue_bytes, Unit::kBytes, kMiB, 4 * kGiB},
           "What may wait to be sent to one peer; more is dropped and sent again later. At least "
           "the 32 MiB that one log keeps in flight, or a full pipe looks like a lossy one."},
    Option{"peer-message-bytes",
           Number{&NodeConfig::peer_message_bytes, Unit::kBytes, 64 * kKiB, 64 * kMiB},
           "Entries that are sent to a peer in one piece: large ones cost fewer calls, small ones "
           "let heartbeats through sooner."},
    Option{"memtable-bytes", Number{&NodeConfig::memtable_bytes, Unit::kBytes, kMiB, 4 * kGiB},
           "Writes that gather in memory before they are sorted into files."},
    Option{"segment-bytes", Number{&NodeConfig::segment_bytes, Unit::kBytes, 64 * kKiB, kGiB},
           "Size at which a log's segment is sealed, unless the log says otherwise: what trimming "
           "frees at a time."},
    Option{"storage-watermark-bytes",
           Number{&NodeConfig::storage_watermark_bytes, Unit::kBytes, 0, 1024 * kGiB},
           "Free space below which appends are refused with STORAGE_FULL. 0: the larger of 512 MiB "
           "and twice memtables and write-ahead log."},
    Option{"trash-keep-ms",
           Number{&NodeConfig::trash_keep_ms, Unit::kMillis, 0, 365 * kMillisPerDay},
           "How long the data of a deleted log stays on the disk."},
    Option{"max-record-bytes", Number{&NodeConfig::max_record_bytes, Unit::kBytes, kKiB, 64 * kMiB},
           "Largest record that an append may carry."},
    Option{"max-batch-bytes", Number{&NodeConfig::max_batch_bytes, Unit::kBytes, kKiB, 128 * kMiB},
           "Largest sum of records that an append may carry."},
    Option{"max-batch-records", Number{&NodeConfig::max_batch_records, Unit::kCount, 1, 1'000'000},
           "Most records that an append may carry."},
    Option{"max-logs", Number{&NodeConfig::max_logs, Unit::kCount, 1, 1'000'000},
           "Most logs in the cluster: each costs memory on its replicas."},
    Option{"max-leases-per-log",
           Number{&NodeConfig::max_leases_per_log, Unit::kCount, 1, 1'000'000},
           "Most lease names that a log remembers."},
    Option{"max-producers-per-log",
           Number{&NodeConfig::max_producers_per_log, Unit::kCount, 1, 1'000'000},
           "Most exactly-once producers that a log remembers."},
    Option{"producer-expiry-ms",
           Number{&NodeConfig::producer_expiry_ms, Unit::kMillis, 60'000, 365 * kMillisPerDay},
           "Silence after which a producer is forgotten, and its retries can no longer be told "
           "from new appends."},
};

std::optional<uint64_t> ParseNumber(std::string_view text, Unit unit) {
  uint64_t scale = 1;
  if (unit == Unit::kBytes) {
    const std::pair<std::string_view, uint64_t> suffixes[] = {
        {"KiB", kKiB}, {"MiB", kMiB}, {"GiB", kGiB}};
    for (const auto& [suffix, factor] : suffixes) {
      if (!text.ends_with(suffix)) continue;
      text.remove_suffix(suffix.size());
      scale = factor;
      break;
    }
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value > UINT64_MAX / scale) return std::nullopt;
  return value * scale;
}

std::string FormatNumber(uint64_t value, Unit unit) {
  if (unit != Unit::kBytes || value == 0) return std::to_string(value);
  if (value % kGiB == 0) return fmt::format("{}GiB", value / kGiB);
  if (value % kMiB == 0) return fmt::format("{}MiB", value / kMiB);
  if (value % kKiB == 0) return fmt::format("{}KiB", value / kKiB);
  return std::to_string(value);
}

std::string Expected(const Number& number) {
  const char* what = "a whole number";
  if (number.unit == Unit::kMillis) what = "milliseconds";
  if (number.unit == Unit::kBytes) what = "bytes (suffixes KiB, MiB, GiB)";
  return fmt::format("expected {} in {} … {}", what, FormatNumber(number.min, number.unit),
                     FormatNumber(number.max, number.unit));
}

uint64_t Get(const NodeConfig& config, const Number& number) {
  return std::visit([&](auto field) { return uint64_t{config.*field}; }, number.field);
}

// Sets one option from text; returns what is wrong with the value, "" when nothing is.
std::string Set(NodeConfig& config, const Number& number, std::string_view value) {
  const std::optional<uint64_t> parsed = ParseNumber(value, number.unit);
  if (!parsed || *parsed < number.min || *parsed > number.max) return Expected(number);
  std::visit(
      [&](auto field) {
        config.*field = static_cast<std::remove_reference_t<decltype(config.*field)>>(*parsed);
      },
      number.field);
  return "";
}

std::string Set(NodeConfig& config, const Text& text, std::string_view value) {
  std::string wrong = text.check(value);
  if (wrong.empty()) config.*text.field = std::string(value);
  return wrong;
}

std::string Set(NodeConfig& config, const Switch& flag, std::string_view value) {
  if (value != "true" && value != "false") return "expected true or false";
  config.*flag.field = value == "true";
  return "";
}

std::string Set(NodeConfig& config, const Members&, std::string_view value) {
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
    if (wrong.empty()) wrong = CheckAddress(member.address);
    if (!wrong.empty()) return fmt::format("in \"{}\": {}", item, wrong);
    members.push_back(std::move(member));
  }
  config.initial_cluster = std::move(members);
  return "";
}

// ---- Sources ------------------------------------------------------------------------------

struct RawValue {
  std::string text;
  std::string source;  // "flag --x", "environment variable CAIRND_X", "FILE:LINE".
};
using RawValues = std::map<std::string, RawValue, std::less<>>;

absl::Status Invalid(std::string message) { return absl::InvalidArgumentError(ToAbsl(message)); }

std::string EnvironmentName(std::string_view option) {
  std::string name = "CAIRND_";
  for (const char c : option) {
    name.push_back(c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  return name;
}

bool IsOption(std::string_view name) {
  return std::any_of(kOptions.begin(), kOptions.end(),
                     [&](const Option& option) { return name == option.name; });
}

absl::StatusOr<std::string> TomlText(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* flag = node.as_boolean()) return std::string(flag->get() ? "true" : "false");
  return Invalid("expected a string, a whole number or a boolean");
}

absl::Status ReadFile(const std::string& path, RawValues& values) {
  toml::table table;
  try {
    table = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    return Invalid(fmt::format("configuration file {}:{}: {}", path, error.source().begin.line,
                               std::string(error.description())));
  }
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const std::string source = fmt::format("{}:{}", path, node.source().begin.line);
    if (!IsOption(name)) return Invalid(fmt::format("{}: there is no option \"{}\"", source, name));
    absl::StatusOr<std::string> text = TomlText(node);
    if (!text.ok()) return Annotate(text.status(), fmt::format("{}: option {}", source, name));
    values[name] = {*std::move(text), source};
  }
  return absl::OkStatus();
}

void ReadEnvironment(EnvironmentLookup environment, RawValues& values) {
  for (const Option& option : kOptions) {
    const std::string name = EnvironmentName(option.name);
    if (const char* value = environment(name.c_str())) {
      values[option.name] = {value, "environment variable " + name};
    }
  }
}

absl::StatusOr<NodeConfig> Build(const RawValues& values) {
  NodeConfig config;
  for (const Option& option : kOptions) {
    const auto it = values.find(option.name);
    if (it == values.end()) continue;
    const std::string wrong = std::visit(
        [&](const auto& kind) { return Set(config, kind, it->second.text); }, option.kind);
    if (wrong.empty()) continue;
    return Invalid(fmt::format("option {} ({}): got \"{}\", {}", option.name, it->second.source,
                               it->second.text, wrong));
  }
  RETURN_IF_ERROR(FinishConfig(config));
  return config;
}

std::string HelpText(const Option& option) {
  static const NodeConfig defaults;
  std::string range;
  if (const auto* number = std::get_if<Number>(&option.kind)) {
    range = fmt::format(" [{}; default {}]", Expected(*number).substr(9),
                        FormatNumber(Get(defaults, *number), number->unit));
  } else if (std::holds_alternative<Switch>(option.kind)) {
    range = " [true or false; default false]";
  } else if (const auto* text = std::get_if<Text>(&option.kind)) {
    if (!(defaults.*text->field).empty())
      range = fmt::format(" [default {}]", defaults.*text->field);
  }
  return option.help + range;
}

constexpr char kFooter[] =
    "Each option --some-name can also be given as CAIRND_SOME_NAME in the environment or as\n"
    "some-name in the TOML file; flags win over the environment, which wins over the file.\n"
    "Exit codes: 0 stopped as asked; 1 could not start or go on; 2 wrong configuration; 130 a "
    "second "
    "signal while stopping.";

// What came by flag, and what else the command line wants.
struct Flags {
  RawValues values;
  std::string config_path;
  bool check_config = false;
  std::optional<std::string> print;
};

absl::StatusOr<Flags> ReadFlags(int argc, const char* const* argv) {
  Flags flags;
  bool version = false;
  std::map<std::string, std::string> raw;
  CLI::App app("cairnd: one node of a Cairn cluster, a replicated transaction log.", "cairnd");
  app.footer(kFooter);
  app.get_formatter()->column_width(36);
  app.add_option("--config", flags.config_path, "TOML file with options.");
  app.add_flag("--check-config", flags.check_config, "Validate the configuration and exit.");
  app.add_flag("--version", version, "Print the version and exit.");
  for (const Option& option : kOptions) {
    app.add_option("--" + std::string(option.name), raw[option.name], HelpText(option));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    flags.print = app.help();
    return flags;
  } catch (const CLI::ParseError& error) {
    return Invalid(fmt::format("{} (cairnd --help lists the options)", error.what()));
  }
  if (version) flags.print = "cairnd " CAIRN_VERSION "\n";
  for (const Option& option : kOptions) {
    const std::string flag = "--" + std::string(option.name);
    if (app.count(flag) > 0) flags.values[option.name] = {raw[option.name], "flag " + flag};
  }
  return flags;
}

// ---- What follows from several options -----------------------------------------------------

absl::Status FillAddresses(NodeConfig& config) {
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
  for (const char* wildcard : {"0.0.0.0:", "[::]:"}) {
    if (!config.advertise.starts_with(wildcard)) continue;
    return Invalid(
        fmt::format("option advertise is \"{}\": expected an address that others can "
                    "connect to, not a wildcard",
                    config.advertise));
  }
  if (config.initial_cluster.empty()) {
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
  return absl::OkStatus();
}

}  // namespace

std::string CheckAddress(std::string_view address) {
  constexpr char kExpected[] = "expected host:port with a port in 1 … 65535";
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return kExpected;
  const std::string_view host = address.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (!bracketed && host.find(':') != std::string_view::npos) {
    return std::string(kExpected) + ", and an IPv6 host in brackets";
  }
  const std::optional<uint64_t> port = ParseNumber(address.substr(colon + 1), Unit::kCount);
  if (!port || *port == 0 || *port > 65535) return kExpected;
  return "";
}

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
  if (config.workers == 0) {
    config.workers = std::clamp(std::thread::hardware_concurrency(), 1u, 4u);
  }
  return absl::OkStatus();
}

absl::StatusOr<Invocation> ParseInvocation(int argc, const char* const* argv,
                                           EnvironmentLookup environment) {
  ASSIGN_OR_RETURN(Flags flags, ReadFlags(argc, argv));
  Invocation invocation;
  if (flags.print) {
    invocation.action = Invocation::Action::kPrint;
    invocation.text = *std::move(flags.print);
    return invocation;
  }
  if (flags.check_config) invocation.action = Invocation::Action::kCheckConfig;
  if (flags.config_path.empty()) {
    if (const char* path = environment("CAIRND_CONFIG")) flags.config_path = path;
  }
  RawValues values;
  if (!flags.config_path.empty()) RETURN_IF_ERROR(ReadFile(flags.config_path, values));
  ReadEnvironment(environment, values);
  for (auto& [name, value] : flags.values) values[name] = std::move(value);
  ASSIGN_OR_RETURN(invocation.config, Build(values));
  return invocation;
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
