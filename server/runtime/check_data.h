// CheckData: `cairnd --check-data DIR`, what `cairn check` starts.
//
// The tool shows what the node's program finds, and knows nothing of files or formats. Between them
// goes one JSON object a line, on stdout:
//
//   {"progress":{"stage","done","total"}}      at most ten a second; bytes
//   {"log":{"id","name","removed","entries","records","bytes","first_seq","last_seq","chain",
//           "damage"}}                         one for each; damage "": whole
//   {"finding":{"kind","file","what","advice"}}   kind: "damage" or "remark"
//   {"result":{"whole","files","bytes","recovery"}}   the last line
//   {"error":{"code","message"}}               instead of all but progress
#pragma once

#include <string>

namespace cairn::server {

// Returns whether it could look, whatever it found.
bool CheckData(const std::string& dir);

}  // namespace cairn::server
