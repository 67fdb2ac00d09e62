#include "adapter/redis/engine_setup.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

enum class Rule : uint8_t {
  kExactly,        // Set, if it is anything else.
  kAtLeast,        // Set, if it is less.
  kAtMost,         // Set, if it is more.
  kZeroOrAtLeast,  // As kAtLeast, 0 meaning no bound.
};

// Where the wanted value comes from, if it is no constant.
enum class Source : uint8_t { kConstant, kBacklogBytes, kReplicaLimit, kSinkPassword };

struct Setting {
  std::string_view name;
  Rule rule;
  std::string_view value;
  Source source;
  // Engines before some version do not have it, and do well without.
  bool optional;
  std::string_view reason;
};

constexpr std::array kSettings = {
    Setting{"repl-backlog-size", Rule::kAtLeast, "", Source::kBacklogBytes, false,
            "a publisher that comes back after a break finds what it missed; without it the "
            "effects are lost, and the memory with them"},
    Setting{"repl-backlog-ttl", Rule::kExactly, "0", Source::kConstant, false,
            "the backlog stays while no publisher is attached"},
    Setting{"client-output-buffer-limit", Rule::kAtLeast, "", Source::kReplicaLimit, false,
            "a publisher that waits for a stalled log is not cut off"},
    Setting{"repl-timeout", Rule::kAtLeast, "60", Source::kConstant, false,
            "neither side takes a pause of the other for its end"},
    Setting{"repl-ping-replica-period", Rule::kAtMost, "10", Source::kConstant, false,
            "a publisher tells a silent engine from a dead one"},
    Setting{"repl-diskless-sync-delay", Rule::kExactly, "0", Source::kConstant, false,
            "at adoption no other replica is waited for"},
    // Not `swapdb`: it keeps two memories at once. Not `disabled`: every byte would go through the
    // disk. A memory that is not empty still goes through the disk, and is kept until the new one
    // has arrived whole.
    Setting{"repl-diskless-load", Rule::kExactly, "on-empty-db", Source::kConstant, false,
            "an empty engine loads a snapshot straight from the agent"},
    Setting{"rdb-del-sync-files", Rule::kExactly, "yes", Source::kConstant, false,
            "a dump that came through the disk is not loaded at a later start"},
    Setting{"replica-serve-stale-data", Rule::kExactly, "no", Source::kConstant, false,
            "an engine that is not fed answers no reads"},
    Setting{"replica-read-only", Rule::kExactly, "yes", Source::kConstant, false,
            "a replica holds the log and nothing else"},
    Setting{"replica-ignore-maxmemory", Rule::kExactly, "yes", Source::kConstant, false,
            "a replica drops no key that the primary has"},
    Setting{"replica-lazy-flush", Rule::kExactly, "yes", Source::kConstant, false,
            "throwing an old memory away does not stop the engine"},
    Setting{"min-replicas-to-write", Rule::kExactly, "0", Source::kConstant, false,
            "the lease decides who takes writes; the publisher is the only replica"},
    Setting{"timeout", Rule::kExactly, "0", Source::kConstant, false,
            "the agent's connections stay, however silent"},
    Setting{"masteruser", Rule::kExactly, "", Source::kConstant, false,
            "the agent as a primary asks for a password only"},
    Setting{"masterauth", Rule::kExactly, "", Source::kSinkPassword, false,
            "nobody else can feed the engine, or read from the agent what it is fed"},
};

// Room in the backlog above the lag: what may arrive while a publisher comes back.
constexpr uint64_t kBacklogRoomBytes = uint64_t{64} << 20;
// A single command may have that much, and is in the output buffer as a whole.
constexpr uint64_t kLargestUnitBytes = uint64_t{1} << 30;

std::optional<uint64_t> ReadNumber(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> SplitWords(std::string_view text, char separator) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::string WantedValue(const Setting& setting, const EngineSetupOptions& options) {
  switch (setting.source) {
    case Source::kConstant:
      return std::string(setting.value);
    case Source::kBacklogBytes:
      return std::to_string(options.lag_bytes + kBacklogRoomBytes);
    case Source::kReplicaLimit:
      return fmt::format("replica {} 0 0",
                         options.lag_bytes + kBacklogRoomBytes + kLargestUnitBytes);
    case Source::kSinkPassword:
      return options.sink_password;
  }
  return {};
}

bool Satisfies(const Setting& setting, std::string_view actual, std::string_view wanted) {
  if (setting.rule == Rule::kExactly) return actual == wanted;
  if (setting.source == Source::kReplicaLimit) {
    const std::optional<uint64_t> limit = ReplicaOutputLimit(actual);
    return limit && (*limit == 0 || *limit >= *ReplicaOutputLimit(wanted));
  }
  const std::optional<uint64_t> number = ReadNumber(actual);
  if (!number) return false;
  const uint64_t bound = *ReadNumber(wanted);
  return setting.rule == Rule::kAtMost ? *number <= bound : *number >= bound;
}

class Setup {
 public:
  Setup(EngineLink* link, EngineFacts facts, EngineSetupOptions options, Millis timeout)
      : link_(link), facts_(std::move(facts)), options_(std::move(options)), timeout_(timeout) {}

  asio::awaitable<absl::StatusOr<EngineSetup>> Run() {
    absl::Status status = CheckVersion();
    if (status.ok()) status = co_await CheckEviction();
    for (const Setting& setting : kSettings) {
      if (status.ok()) status = co_await Apply(setting);
    }
    if (status.ok()) status = co_await ReadLimits();
    if (status.ok()) status = co_await ReadCommands();
    if (status.ok() && options_.attached) status = co_await LookAround();
    if (!status.ok()) co_return status;
    for (const std::string& alarm : setup_.alarms) spdlog::warn("engine: {}", alarm);
    co_return std::move(setup_);
  }

 private:
  [[nodiscard]] absl::Status CheckVersion() const {
    if (facts_.version_number >= kOldestEngineVersion) return absl::OkStatus();
    return absl::FailedPreconditionError(fmt::format(
        "the engine is {} {}; 6.2 is the oldest that is supported", facts_.kind, facts_.version));
  }

  asio::awaitable<absl::StatusOr<RespValue>> Ask(std::string first, std::string second) {
    std::vector<std::string> argv = Argv(first);
    if (!second.empty()) argv.push_back(std::move(second));
    co_return co_await link_->CallOk(std::move(argv), timeout_);
  }

  // Nullopt: the engine does not have that setting.
  asio::awaitable<absl::StatusOr<std::optional<std::string>>> Get(std::string name) {
    std::vector<std::string> argv = Argv("CONFIG", "GET", name);
    const absl::StatusOr<RespValue> reply = co_await link_->CallOk(std::move(argv), timeout_);
    if (!reply.ok()) co_return reply.status();
    std::optional<std::string> value;
    if (reply->items.size() == 2) value = reply->items[1].text;
    co_return value;
  }

  asio::awaitable<absl::StatusOr<uint64_t>> GetNumber(std::string name) {
    const absl::StatusOr<std::optional<std::string>> text = co_await Get(name);
    if (!text.ok()) co_return text.status();
    const std::optional<uint64_t> number = ReadNumber(text->value_or(""));
    if (!number) {
      co_return absl::FailedPreconditionError(
          fmt::format("the engine's {} is '{}', not a number", name, text->value_or("")));
    }
    co_return *number;
  }

  asio::awaitable<absl::Status> CheckEviction() {
    const absl::StatusOr<std::optional<std::string>> policy = co_await Get("maxmemory-policy");
    if (!policy.ok()) co_return policy.status();
    if (policy->value_or("") == "noeviction" || !options_.sync_durability) {
      co_return absl::OkStatus();
    }
    if (options_.allow_eviction) {
      setup_.alarms.push_back(fmt::format(
          "maxmemory-policy is {}: a key that was evicted and that clients saw missing may be "
          "there again after a failover",
          policy->value_or("")));
      co_return absl::OkStatus();
    }
    co_return absl::FailedPreconditionError(fmt::format(
        "the engine's maxmemory-policy is {}: in sync mode an eviction that has not committed "
        "could come back. Set it to noeviction, or use async mode, or allow eviction",
        policy->value_or("")));
  }

  asio::awaitable<absl::Status> Apply(const Setting& setting) {
    const std::string wanted = WantedValue(setting, options_);
    const absl::StatusOr<std::optional<std::string>> actual =
        co_await Get(std::string(setting.name));
    if (!actual.ok()) co_return actual.status();
    if (*actual && Satisfies(setting, **actual, wanted)) co_return absl::OkStatus();
    if (!*actual && setting.optional) co_return absl::OkStatus();
    std::vector<std::string> argv = Argv("CONFIG", "SET", setting.name, wanted);
    const absl::StatusOr<RespValue> reply = co_await link_->CallOk(std::move(argv), timeout_);
    if (reply.ok()) co_return absl::OkStatus();
    co_return absl::Status(reply.status().code(),
                           ToAbsl(fmt::format("engine setting {} ({}): {}", setting.name,
                                              setting.reason, ToStd(reply.status().message()))));
  }

  asio::awaitable<absl::Status> ReadLimits() {
    struct Limit {
      std::string_view name;
      uint64_t EngineSetup::*value;
    };
    static constexpr std::array kLimits = {
        Limit{"proto-max-bulk-len", &EngineSetup::max_bulk_bytes},
        Limit{"client-query-buffer-limit", &EngineSetup::max_query_buffer_bytes},
        Limit{"maxclients", &EngineSetup::max_clients},
    };
    for (const Limit& limit : kLimits) {
      const absl::StatusOr<uint64_t> number = co_await GetNumber(std::string(limit.name));
      if (!number.ok()) co_return number.status();
      setup_.*limit.value = *number;
    }
    co_return absl::OkStatus();
  }

  asio::awaitable<absl::Status> ReadCommands() {
    const absl::StatusOr<RespValue> reply = co_await Ask("COMMAND", "");
    if (!reply.ok()) co_return reply.status();
    absl::StatusOr<CommandTable> table = CommandTable::FromReply(*reply);
    if (!table.ok()) co_return table.status();
    setup_.commands = *std::move(table);
    co_return absl::OkStatus();
  }

  // Who else reaches the engine could write behind the front, under no lease.
  asio::awaitable<absl::Status> LookAround() {
    const absl::StatusOr<RespValue> own = co_await Ask("CLIENT", "ID");
    if (!own.ok()) co_return own.status();
    const absl::StatusOr<RespValue> list = co_await Ask("CLIENT", "LIST");
    if (!list.ok()) co_return list.status();
    const std::array<uint64_t, 1> own_ids = {static_cast<uint64_t>(own->integer)};
    for (const std::string& line : FindStrangers(list->text, own_ids)) {
      setup_.alarms.push_back("a client that is not the agent's is connected to it: " + line);
    }
    const absl::StatusOr<std::optional<std::string>> mode = co_await Get("protected-mode");
    if (!mode.ok()) co_return mode.status();
    const EngineAddress& address = link_->address();
    if (mode->value_or("") == "no" && address.unix_path.empty() && address.password.empty()) {
      setup_.alarms.push_back("it listens without a password and without protected-mode");
    }
    co_return absl::OkStatus();
  }

  EngineLink* const link_;
  const EngineFacts facts_;
  const EngineSetupOptions options_;
  const Millis timeout_;
  EngineSetup setup_;
};

// The value of `field` in a line of CLIENT LIST: "id=3 addr=… flags=N …".
std::string_view ClientField(std::string_view line, std::string_view field) {
  for (const std::string_view word : SplitWords(line, ' ')) {
    if (word.size() > field.size() && word.starts_with(field) && word[field.size()] == '=') {
      return word.substr(field.size() + 1);
    }
  }
  return {};
}

}  // namespace

asio::awaitable<absl::StatusOr<EngineSetup>> SetUpEngine(EngineLink* link, EngineFacts facts,
                                                         EngineSetupOptions options,
                                                         Millis timeout) {
  Setup setup(link, std::move(facts), std::move(options), timeout);
  co_return co_await setup.Run();
}

std::vector<std::string_view> GuardedSettings() {
  std::vector<std::string_view> names;
  for (const Setting& setting : kSettings) names.push_back(setting.name);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> FindStrangers(std::string_view client_list,
                                       std::span<const uint64_t> own_ids) {
  std::vector<std::string> strangers;
  for (const std::string_view line : SplitWords(client_list, '\n')) {
    const std::optional<uint64_t> id = ReadNumber(ClientField(line, "id"));
    const bool own = id && std::find(own_ids.begin(), own_ids.end(), *id) != own_ids.end();
    // S: a replica, M: the primary; the agent is both, and has checked that nobody else is.
    const bool peer = ClientField(line, "flags").find_first_of("SM") != std::string_view::npos;
    if (!own && !peer) strangers.emplace_back(line);
  }
  return strangers;
}

std::optional<uint64_t> ReplicaOutputLimit(std::string_view limits) {
  const std::vector<std::string_view> words = SplitWords(limits, ' ');
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == "slave" || words[i] == "replica") return ReadNumber(words[i + 1]);
  }
  return std::nullopt;
}

}  // namespace cairn::adapter::redis
