// Splits the line of an inline command ("SET key \"a b\"") into arguments, by Redis's rules.
//
// Blanks divide; "…" takes the escapes \n \r \t \b \a \xHH and \ before any other character; '…'
// takes \' only. A quote may begin in the middle of a word, and must be followed by a blank or the
// end. A zero byte ends the line, since Redis reads it as a C string.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cairn::adapter::redis {

// False: the quotes do not match, and `argv` is of no use. `line` comes without its line end.
bool SplitInlineCommand(std::string_view line, std::vector<std::string>* argv);

}  // namespace cairn::adapter::redis
