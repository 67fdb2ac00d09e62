// What the agent does with each command, by its name: the table that people read to know what is
// passed on, what is answered by the agent and what is refused, and why.
//
// Only commands that the engine's own flags do not explain have a row: those with the flag
// `readonly` are reads, those with `write` are writes. A command that has neither and no row is
// taken for a write of everything, which is slow but never wrong.
//
// Threads: immutable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn::adapter::redis {

enum class CommandClass : uint8_t {
  kRead,     // Passed on, over a shared connection; the reply may wait for a commit (ReadRule).
  kWrite,    // Passed on, over a shared connection; the reply waits for its own commit.
  kLocal,    // Passed on; tells of or changes this engine's process, no data; waits for nothing.
  kPinned,   // Changes the state of its connection: the client gets one of its own.
  kAgent,    // Answered by the agent, from its view of the cache.
  kRefused,  // Would break the contract; answered with the reason.
};
std::string_view ClassName(CommandClass kind);

// Which command the agent answers.
enum class AgentCommand : uint8_t {
  kNone,
  kAsking,
  kAuth,
  kCairn,
  kClient,
  kCluster,
  kHello,
  kInfo,
  kQuit,
  kReadOnly,
  kReadWrite,
  kReset,
  kRole,
  kSelect,
  kSentinel,
  kWait,
};

// Why a client gets a connection of its own.
enum class PinReason : uint8_t {
  kNone,
  kTransaction,   // MULTI, WATCH and what ends them. ROLE inside is queued.
  kBlocking,      // ROLE comes back only when it is released.
  kSubscription,  // ROLE is an error on RESP2.
  kMonitor,       // ROLE never comes back.
  kTracking,      // Pushes of invalidations; CLIENT CACHING speaks of the next command.
  kSettings,      // NO-EVICT, NO-TOUCH: of the connection.
};

// What a look at the arguments may change.
enum class ArgumentRule : uint8_t {
  kNone,
  kNoKeys,       // A write that touches no key, though nothing says so.
  kAllKeys,      // A write of all keys of all databases.
  kDatabase,     // A write of all keys of the database.
  kWholeOffset,  // A read that keys do not explain.
  kScript,       // Without declared keys: everything.
  kSecondIsKey,  // A read of the key behind the subcommand, whatever the engine tells of keys.
  kSort,         // With STORE a write, otherwise a read; BY and GET read other keys.
  kGeoStore,     // With STORE or STOREDIST a write, otherwise a read.
  kBlockOption,  // Blocks only with BLOCK.
  kCopy,         // With DB into another database.
  kConfigSet,    // Refused for some names.
  kDebug,        // Some are harmless.
  kUsers,        // Changes the users that it names.
  kRedirect,     // Refused with REDIRECT.
};

struct CommandPolicy {
  std::string_view name;  // "client|kill" before "client".
  CommandClass kind;
  AgentCommand agent = AgentCommand::kNone;
  PinReason pin = PinReason::kNone;
  ArgumentRule rule = ArgumentRule::kNone;
  std::string_view reason;  // kRefused: why.
  bool hang_up = false;     // kRefused: nothing is told, the connection ends.
};

// The row of "name" or "name|sub", both in lower case; null if there is none.
const CommandPolicy* FindPolicy(std::string_view name);
// Whether there are rows "name|…".
bool HasSubcommandPolicies(std::string_view name);

// Why CONFIG SET of that name to that value (both in any case) is refused; nullopt if it is not.
std::optional<std::string_view> GuardedConfig(std::string_view name, std::string_view value);

// DEBUG's subcommands that only look, or change when something happens but not what.
bool HarmlessDebug(std::string_view subcommand);

}  // namespace cairn::adapter::redis
