// CommandTable: for each command of a client, what to do with it and which keys it touches.
//
//   argv ──Judge──► {class, keys, marks, read rule} ──► session: which connection, which marks,
//                                                       when the reply may go out
//
// Built from the engine's own answer to COMMAND, so that it knows what that version knows, and from
// the rows of command_policy.h. Unknown commands are passed on as writes of everything: the engine
// words its error itself, and should it know the command after all, nothing dirty is read.
//
// In doubt every judgement errs to the safe side: a command that might write counts as one; keys
// that are not known make a write mark whole databases, and a read wait for its batch's offset.
//
// Threads: immutable once built; shared by all io threads. Judge allocates only for keys.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "adapter/redis/command_info.h"
#include "adapter/redis/command_policy.h"
#include "adapter/redis/resp_value.h"

namespace cairn::adapter::redis {

// When the reply to a read may go out, in `sync` mode.
enum class ReadRule : uint8_t {
  kAtOnce,       // It shows no data.
  kKeys,         // When no write of these keys is under way, or the ones under way have committed.
  kWholeOffset,  // When everything up to its batch's offset has committed.
};

// What a write marks, before it is sent.
enum class MarkScope : uint8_t {
  kNothing,
  kKeys,      // Those that are `written`, in the client's database.
  kDatabase,  // All keys of the client's database.
  kAllDatabases,
};

struct CommandPlan {
  CommandClass kind = CommandClass::kWrite;
  AgentCommand agent = AgentCommand::kNone;
  PinReason pin = PinReason::kNone;
  ReadRule read = ReadRule::kAtOnce;      // kRead; of pinned ones that do not write, too.
  MarkScope marks = MarkScope::kNothing;  // kWrite, and pinned ones that write.
  // kRefused: why; see RefusalText. Or the connection ends without a word.
  std::string_view reason;
  bool hang_up = false;
  // It changes users whose names stand from the third argument on.
  bool changes_users = false;
  // As the engine knows it; null: it does not. Also for a subcommand that it does not know.
  const CommandInfo* info = nullptr;
  // Clients that have not given their password yet may send it.
  bool before_auth = false;
  std::vector<KeyRef> keys;

  // It may put something into the log; PUBLISH and SCRIPT LOAD do so without a mark.
  bool writes = false;
};

class CommandTable {
 public:
  // From a whole reply to COMMAND, of either protocol version. Errors: kInvalidArgument for what is
  // none, or names no command at all.
  static absl::StatusOr<CommandTable> FromReply(const RespValue& reply);

  // Fills `plan`, whose memory is reused. Requires: argv is not empty.
  // A call with the wrong number of arguments is kLocal, unless the engine does not know the
  // command: the engine answers it with its own words, and nothing happens.
  void Judge(std::span<const std::string_view> argv, CommandPlan* plan) const;

  // What a refused command is answered, without "-" and line end.
  static std::string RefusalText(std::span<const std::string_view> argv, const CommandPlan& plan);

  [[nodiscard]] size_t size() const { return commands_.size(); }
  // All commands and subcommands, by name.
  [[nodiscard]] std::vector<const CommandInfo*> All() const;

 private:
  struct Known {
    CommandInfo info;
    CommandPolicy policy;
    std::vector<CommandPolicy> subcommand_policies;  // As info.subcommands.
    bool judged_by_second_name = false;              // Of an engine that lists no subcommands.
  };
  // What is known of one call.
  struct Call {
    const CommandInfo* info;
    CommandPolicy policy;
  };

  [[nodiscard]] Call Find(std::span<const std::string_view> argv) const;

  absl::flat_hash_map<std::string, Known> commands_;
};

}  // namespace cairn::adapter::redis
