// How commands of cairn-agent begin that do something and end: their words are parsed, and answered
// at once where that is all that was asked for.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/option_table.h"

namespace cairn::adapter {

// `argv`: the words behind the command's; -o stands for --output. `finish` checks what no single
// option can, and `run` does what is asked for; neither is called for words that ask for the help
// or the version.
//
// Returns the exit code of the process: `run`'s, 0 for what was printed, 2 for wrong words, which
// are told on stderr.
int RunToolProcess(OptionTable& table, std::vector<std::string> argv,
                   const std::function<absl::Status()>& finish,
                   const std::function<int(const OptionTable::Asked&)>& run);

}  // namespace cairn::adapter
