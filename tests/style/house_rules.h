// HouseRules: what the project's sources must keep to, beyond what the compiler can see.
//
// Layering: who may include whom, as docs/architecture.md section 3 says; CMake's targets
// forbid the links, this forbids the includes. Determinism: the worker box takes no clock,
// lock, thread or randomness of its own. Tests: none waits for a time to pass.
//
// Pure: a file in, the violations out, so that the rules themselves are tested on made-up files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cairn::style {

// What is wrong with the file at `path` (relative to the project's root, '/' between folders),
// one "path:line: reason" each. Files outside of any layer pass.
std::vector<std::string> CheckIncludes(std::string_view path, std::string_view text);

// As CheckIncludes, for words that code of `path`'s layer must not use. Comments and string
// literals are not code.
std::vector<std::string> CheckWords(std::string_view path, std::string_view text);

}  // namespace cairn::style
