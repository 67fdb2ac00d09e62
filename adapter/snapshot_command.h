// `cairn-agent snapshot`: takes a snapshot of a cache of Redis or memcached (its log tells which:
// cache_kind.h), once or as often as freshness asks for.
//
//   --every 1h            one is due when the newest is that old and there are newer records
//   --max-log-records N   … or when so many records stand behind it
//
// What is due is judged by what the log says of the registered snapshot: a restarted scheduler, or
// a second one, does not begin anew. A run that fails is tried again, with growing pauses.
#pragma once

#include <string>
#include <vector>

namespace cairn::adapter {

// The process's exit code. `argv` begins behind the subcommand.
int RunSnapshotCommand(const std::vector<std::string>& argv);

}  // namespace cairn::adapter
