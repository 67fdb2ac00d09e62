// CommandInfo: what an engine says of one of its commands in its reply to COMMAND, and which of the
// arguments are keys by that.
//
// Two shapes of that reply are read. Since Redis 7 and in Valkey: name, arity, flags, first, last,
// step, ACL categories, tips, key specifications, subcommands. Before: the first seven; keys of a
// command with the flag `movablekeys` are then unknown.
//
// Threads: immutable once built.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "adapter/redis/resp_value.h"

namespace cairn::adapter::redis {

enum CommandFlag : uint32_t {
  kFlagWrite = 1u << 0,
  kFlagReadOnly = 1u << 1,
  kFlagBlocking = 1u << 2,
  kFlagMovableKeys = 1u << 3,
  kFlagNoAuth = 1u << 4,  // Allowed before the client has given its password.
};

// How one group of keys is found among the arguments. The words are Redis's ("command key
// specifications").
struct KeySpec {
  enum class Begin : uint8_t { kUnknown, kIndex, kKeyword };
  enum class Find : uint8_t { kUnknown, kRange, kKeyNumber };

  Begin begin = Begin::kUnknown;
  int begin_index = 0;  // kIndex.
  std::string keyword;  // kKeyword; searched from start_from, from the end if negative.
  int start_from = 0;

  Find find = Find::kUnknown;
  int last_key = 0;          // kRange: relative to the first key, or to the end if negative.
  int limit = 0;             // kRange: above 1, only that part of the arguments that are left.
  int key_number_index = 0;  // kKeyNumber: of the count, relative to the begin.
  int first_key = 0;         // kKeyNumber: relative to the begin.
  int key_step = 1;

  bool written = true;      // Not only read.
  bool is_key = true;       // Not the name of a channel.
  bool incomplete = false;  // There may be keys that it does not find.
};

struct CommandInfo {
  std::string name;  // In lower case; "config|set" for a subcommand.
  int arity = 0;     // Arguments with the name; negative: at least so many.
  uint32_t flags = 0;
  int first_key = 0;
  int last_key = 0;
  int key_step = 0;
  std::vector<KeySpec> key_specs;
  std::vector<CommandInfo> subcommands;  // By name.
  bool has_key_specs = false;            // The newer shape.

  [[nodiscard]] bool Has(CommandFlag flag) const { return (flags & flag) != 0; }
  [[nodiscard]] bool TakesArguments(size_t argc) const;
  // By the bare name in lower case: "set"; null if there is none.
  [[nodiscard]] const CommandInfo* Subcommand(std::string_view bare_name) const;
};

// One element of the reply to COMMAND. Errors: kInvalidArgument, naming the command and the field.
absl::StatusOr<CommandInfo> ReadCommandInfo(const RespValue& element);

struct KeyRef {
  uint32_t argument;  // Its place in argv.
  bool written;

  bool operator==(const KeyRef&) const = default;
};

// Adds the keys of a call, in the order of the key specifications. False: there may be others, or
// the call is wrong, so that the engine will refuse it.
bool FindKeys(const CommandInfo& info, std::span<const std::string_view> argv,
              std::vector<KeyRef>* keys);

// The engine compares names like this.
std::string LowerCase(std::string_view text);
bool EqualsIgnoringCase(std::string_view text, std::string_view lower_case);

}  // namespace cairn::adapter::redis
