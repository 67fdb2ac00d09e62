// A command line of a client, taken apart: what request_parser.h does with one line.
//
// Threads: none; pure functions. Lifetime: the request's views point into the line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "adapter/memcache/item_size.h"
#include "adapter/memcache/line_text.h"
#include "adapter/memcache/request.h"

namespace cairn::adapter::memcache {

struct CommandLine {
  Request request;
  // Set: there is no request, and this is answered, with its line end; may be empty.
  std::optional<std::string> rejection;
  bool close = false;  // The connection ends, after the rejection.
  // Bytes of the value that follows, its line end included, that the request waits for...
  std::optional<uint64_t> value_bytes;
  // ... or that are thrown away.
  uint64_t skip_bytes = 0;
};

// `line`: without its line end.
CommandLine ReadCommandLine(std::string_view line, const ItemSizeRule& item_size);

// The part of it for mg, ms, md, ma and me; `command` has the verb and the line.
// Requires: words[0] is one of them.
void ReadMetaCommand(const Words& words, const ItemSizeRule& item_size, CommandLine* command);

// The part of it for commands that administrate the engine: what is answered, without line end;
// nullopt if it is no such command.
std::optional<std::string_view> AdministrationRefusal(const Words& words);

inline void Reject(std::string_view text, CommandLine* command) {
  command->rejection = std::string(text) + "\r\n";
}

}  // namespace cairn::adapter::memcache
