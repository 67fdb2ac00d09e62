#include "adapter/redis/command_policy.h"

#include <algorithm>
#include <iterator>

#include "adapter/redis/command_info.h"
#include "base/check.h"

namespace cairn::adapter::redis {
namespace {

constexpr std::string_view kWhoReplicates =
    "the log's lease decides who is primary, and the agent tells its engine";
constexpr std::string_view kStranger =
    "replicas read the log, not this engine; see `cairn tail` for a feed of changes";
constexpr std::string_view kPersistence =
    "the log keeps the data, and the primary never forks; see `cairn-agent snapshot`";
constexpr std::string_view kModules =
    "replicas and later primaries would read records of a module that they do not "
    "have; load it by the engine's configuration, on all nodes";
constexpr std::string_view kSlots = "slots belong to the catalog of the cluster, not to an engine";
constexpr std::string_view kMigrate =
    "it would delete here by what another server keeps outside the log, and hold up "
    "all clients meanwhile; use DUMP and RESTORE";
constexpr std::string_view kPause =
    "a pause would also hold up the agent's own questions to the engine";
constexpr std::string_view kDebug = "it changes the engine behind the log's back";
constexpr std::string_view kScriptDebug = "it would halt an engine that others share, or fork it";
constexpr std::string_view kWaitAof = "the engine keeps no append-only file; WAIT tells of the log";
constexpr std::string_view kShutdown =
    "the agent keeps its engine; stop the agent, which hands over first";

// Short names for the rows.
constexpr CommandPolicy Local(std::string_view name) { return {name, CommandClass::kLocal}; }
constexpr CommandPolicy Read(std::string_view name, ArgumentRule rule) {
  return {.name = name, .kind = CommandClass::kRead, .rule = rule};
}
constexpr CommandPolicy Write(std::string_view name, ArgumentRule rule) {
  return {.name = name, .kind = CommandClass::kWrite, .rule = rule};
}
constexpr CommandPolicy Agent(std::string_view name, AgentCommand agent) {
  return {.name = name, .kind = CommandClass::kAgent, .agent = agent};
}
constexpr CommandPolicy Pinned(std::string_view name, PinReason pin) {
  return {.name = name, .kind = CommandClass::kPinned, .pin = pin};
}
constexpr CommandPolicy Refused(std::string_view name, std::string_view reason) {
  return {.name = name, .kind = CommandClass::kRefused, .reason = reason};
}
constexpr CommandPolicy HangUp(std::string_view name) {
  return {.name = name, .kind = CommandClass::kRefused, .hang_up = true};
}

// By name. A container's own row is for those of its subcommands that have none.
constexpr CommandPolicy kPolicies[] = {
    // Users are the engine's own; what is changed here is changed on this engine only.
    Local("acl"),
    {.name = "acl|deluser", .kind = CommandClass::kLocal, .rule = ArgumentRule::kUsers},
    {.name = "acl|setuser", .kind = CommandClass::kLocal, .rule = ArgumentRule::kUsers},
    Agent("asking", AgentCommand::kAsking),
    Agent("auth", AgentCommand::kAuth),
    Refused("bgrewriteaof", kPersistence),
    Refused("bgsave", kPersistence),
    Agent("cairn", AgentCommand::kCairn),
    // Of CLIENT, what a newer engine may have is taken for a setting of the connection.
    Pinned("client", PinReason::kSettings),
    Pinned("client|caching", PinReason::kTracking),
    Agent("client|getname", AgentCommand::kClient),
    Pinned("client|getredir", PinReason::kTracking),
    Local("client|help"),
    Agent("client|id", AgentCommand::kClient),
    Agent("client|info", AgentCommand::kClient),
    Agent("client|kill", AgentCommand::kClient),
    Agent("client|list", AgentCommand::kClient),
    Pinned("client|no-evict", PinReason::kSettings),
    Pinned("client|no-touch", PinReason::kSettings),
    Refused("client|pause", kPause),
    Agent("client|reply", AgentCommand::kClient),
    Agent("client|setinfo", AgentCommand::kClient),
    Agent("client|setname", AgentCommand::kClient),
    {.name = "client|tracking",
     .kind = CommandClass::kPinned,
     .pin = PinReason::kTracking,
     .rule = ArgumentRule::kRedirect},
    Pinned("client|trackinginfo", PinReason::kTracking),
    Agent("client|unblock", AgentCommand::kClient),
    Refused("client|unpause", kPause),
    Agent("cluster", AgentCommand::kCluster),
    Refused("cluster|addslots", kSlots),
    Refused("cluster|addslotsrange", kSlots),
    Refused("cluster|bumpepoch", kSlots),
    Refused("cluster|delslots", kSlots),
    Refused("cluster|delslotsrange", kSlots),
    Refused("cluster|failover", kWhoReplicates),
    Refused("cluster|flushslots", kSlots),
    Refused("cluster|forget", kSlots),
    Refused("cluster|meet", kSlots),
    Refused("cluster|replicate", kWhoReplicates),
    Refused("cluster|reset", kSlots),
    Refused("cluster|saveconfig", kSlots),
    Refused("cluster|set-config-epoch", kSlots),
    Refused("cluster|setslot", kSlots),
    Local("command"),
    Local("commandlog"),
    Local("config"),
    Refused("config|rewrite",
            "the file would keep what the agent sets while it runs; edit it instead"),
    {.name = "config|set", .kind = CommandClass::kLocal, .rule = ArgumentRule::kConfigSet},
    Write("copy", ArgumentRule::kCopy),
    {.name = "debug",
     .kind = CommandClass::kRefused,
     .rule = ArgumentRule::kDebug,
     .reason = kDebug},
    Pinned("discard", PinReason::kTransaction),
    Local("echo"),
    Write("eval", ArgumentRule::kScript),
    Read("eval_ro", ArgumentRule::kWholeOffset),
    Write("evalsha", ArgumentRule::kScript),
    Read("evalsha_ro", ArgumentRule::kWholeOffset),
    Pinned("exec", PinReason::kTransaction),
    Refused("failover", kWhoReplicates),
    Write("fcall", ArgumentRule::kScript),
    Read("fcall_ro", ArgumentRule::kWholeOffset),
    Write("flushall", ArgumentRule::kAllKeys),
    Write("flushdb", ArgumentRule::kDatabase),
    Write("function", ArgumentRule::kNoKeys),
    Write("function|delete", ArgumentRule::kNoKeys),
    Read("function|dump", ArgumentRule::kWholeOffset),
    Write("function|flush", ArgumentRule::kNoKeys),
    Local("function|help"),
    Local("function|kill"),
    Read("function|list", ArgumentRule::kWholeOffset),
    Write("function|load", ArgumentRule::kNoKeys),
    Write("function|restore", ArgumentRule::kNoKeys),
    Local("function|stats"),
    Write("georadius", ArgumentRule::kGeoStore),
    Write("georadiusbymember", ArgumentRule::kGeoStore),
    Agent("hello", AgentCommand::kHello),
    // What browsers send to a port that is none of theirs: Redis hangs up, and so must the agent
    // before such a line gets the connection of others cut.
    HangUp("host:"),
    Agent("info", AgentCommand::kInfo),
    Local("lastsave"),
    Local("latency"),
    Local("lolwut"),
    Local("memory"),
    Read("memory|usage", ArgumentRule::kSecondIsKey),
    Refused("migrate", kMigrate),
    Local("module"),
    Refused("module|load", kModules),
    Refused("module|loadex", kModules),
    Refused("module|unload", kModules),
    Pinned("monitor", PinReason::kMonitor),
    // Into another database, whose marks are its own.
    Write("move", ArgumentRule::kAllKeys),
    Pinned("multi", PinReason::kTransaction),
    Read("object", ArgumentRule::kSecondIsKey),
    Local("pfselftest"),
    Local("ping"),
    HangUp("post"),
    Pinned("psubscribe", PinReason::kSubscription),
    Refused("psync", kStranger),
    // Goes to replicas through the log like a write; no key is touched.
    Write("publish", ArgumentRule::kNoKeys),
    Local("pubsub"),
    Pinned("punsubscribe", PinReason::kSubscription),
    Agent("quit", AgentCommand::kQuit),
    Agent("readonly", AgentCommand::kReadOnly),
    Agent("readwrite", AgentCommand::kReadWrite),
    Refused("replconf", kStranger),
    Refused("replicaof", kWhoReplicates),
    Agent("reset", AgentCommand::kReset),
    Agent("role", AgentCommand::kRole),
    Refused("save", kPersistence),
    Write("script", ArgumentRule::kNoKeys),
    Refused("script|debug", kScriptDebug),
    Read("script|exists", ArgumentRule::kWholeOffset),
    Local("script|help"),
    Local("script|kill"),
    Read("script|show", ArgumentRule::kWholeOffset),
    Agent("select", AgentCommand::kSelect),
    Agent("sentinel", AgentCommand::kSentinel),
    Refused("shutdown", kShutdown),
    Refused("slaveof", kWhoReplicates),
    Local("slowlog"),
    Write("sort", ArgumentRule::kSort),
    Read("sort_ro", ArgumentRule::kSort),
    Write("spublish", ArgumentRule::kNoKeys),
    Pinned("ssubscribe", PinReason::kSubscription),
    Pinned("subscribe", PinReason::kSubscription),
    Pinned("sunsubscribe", PinReason::kSubscription),
    Write("swapdb", ArgumentRule::kAllKeys),
    Refused("sync", kStranger),
    Local("time"),
    Pinned("unsubscribe", PinReason::kSubscription),
    Pinned("unwatch", PinReason::kTransaction),
    Agent("wait", AgentCommand::kWait),
    Refused("waitaof", kWaitAof),
    Pinned("watch", PinReason::kTransaction),
    {.name = "xread", .kind = CommandClass::kRead, .rule = ArgumentRule::kBlockOption},
    {.name = "xreadgroup", .kind = CommandClass::kWrite, .rule = ArgumentRule::kBlockOption},
};

static_assert(std::is_sorted(std::begin(kPolicies), std::end(kPolicies),
                             [](const CommandPolicy& a, const CommandPolicy& b) {
                               return a.name < b.name;
                             }));

constexpr std::string_view kReplication =
    "the agent sets how its engine replicates; publishing and resuming rest on it";
constexpr std::string_view kDoors =
    "the agent alone reaches the engine and its files; that is the fence";
constexpr std::string_view kSharedConnections =
    "the engine would cut connections that many clients share; the agent has such limits of its "
    "own";
constexpr std::string_view kForks = "the log keeps the data, and the primary never forks";

struct ConfigGuard {
  std::string_view name;
  bool prefix;
  std::string_view reason;
  // The value that leaves things as the agent keeps them.
  std::optional<std::string_view> harmless = std::nullopt;
};

constexpr ConfigGuard kConfigGuards[] = {
    {"repl-", true, kReplication},
    {"replica-", true, kReplication},
    {"slave-", true, kReplication},
    {"min-replicas-", true, kReplication},
    {"min-slaves-", true, kReplication},
    {"primary", true, kReplication},
    {"master", true, kReplication},
    {"appendonly", false, kForks, "no"},
    {"save", false, kForks, ""},
    {"dir", false, kDoors},
    {"dbfilename", false, kDoors},
    {"bind", false, kDoors},
    {"port", false, kDoors},
    {"tls-", true, kDoors},
    {"protected-mode", false, kDoors},
    {"requirepass", false, kDoors},
    {"client-output-buffer-limit", false, kReplication},
    {"client-query-buffer-limit", false, kSharedConnections},
    {"proto-max-bulk-len", false, kSharedConnections},
    {"maxclients", false, kSharedConnections},
    {"maxmemory-clients", false, kSharedConnections},
    {"timeout", false, kSharedConnections},
    {"maxmemory-policy", false,
     "an eviction that never committed could come back; it is an option of the agent",
     "noeviction"},
};

constexpr std::string_view kHarmlessDebug[] = {
    "digest",    "digest-value", "help",      "htstats", "htstats-key",       "listpack",
    "object",    "protocol",     "quicklist", "sdslen",  "set-active-expire", "stringmatch-len",
    "structsize"};

}  // namespace

std::string_view ClassName(CommandClass kind) {
  switch (kind) {
    case CommandClass::kRead:
      return "read";
    case CommandClass::kWrite:
      return "write";
    case CommandClass::kLocal:
      return "local";
    case CommandClass::kPinned:
      return "pinned";
    case CommandClass::kAgent:
      return "agent";
    case CommandClass::kRefused:
      return "refused";
  }
  CHECK_UNREACHABLE();
}

const CommandPolicy* FindPolicy(std::string_view name) {
  const auto* const found = std::lower_bound(
      std::begin(kPolicies), std::end(kPolicies), name,
      [](const CommandPolicy& row, std::string_view wanted) { return row.name < wanted; });
  return found != std::end(kPolicies) && found->name == name ? found : nullptr;
}

bool HasSubcommandPolicies(std::string_view name) {
  return std::any_of(std::begin(kPolicies), std::end(kPolicies), [&](const CommandPolicy& row) {
    return row.name.size() > name.size() && row.name[name.size()] == '|' &&
           row.name.starts_with(name);
  });
}

std::optional<std::string_view> GuardedConfig(std::string_view name, std::string_view value) {
  const std::string lower = LowerCase(name);
  for (const ConfigGuard& guard : kConfigGuards) {
    if (guard.prefix ? !lower.starts_with(guard.name) : lower != guard.name) continue;
    if (guard.harmless && EqualsIgnoringCase(value, *guard.harmless)) return std::nullopt;
    return guard.reason;
  }
  return std::nullopt;
}

bool HarmlessDebug(std::string_view subcommand) {
  const std::string lower = LowerCase(subcommand);
  return std::find(std::begin(kHarmlessDebug), std::end(kHarmlessDebug), lower) !=
         std::end(kHarmlessDebug);
}

}  // namespace cairn::adapter::redis
