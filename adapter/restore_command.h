// `cairn-agent restore`: a cache as of any kept record or moment of its log: from the newest
// snapshot before it, and the log behind that.
//
//   --rdb FILE        a dump, which any engine of that version or a newer one loads
//   --data-dir DIR    a new directory with that dump: `redis-server --dir DIR` is the cache
//   --to ADDRESS      an empty engine that runs on this machine
//
// A file is there whole, synced, and read back by a second engine that then holds the same; or it
// is not there.
#pragma once

#include <string>
#include <vector>

namespace cairn::adapter {

// The process's exit code. `argv` begins behind the subcommand.
int RunRestoreCommand(const std::vector<std::string>& argv);

}  // namespace cairn::adapter
