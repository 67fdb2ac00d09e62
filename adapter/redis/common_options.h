// What the commands of cairn-agent have in common in their options: checks of values, and which
// cluster is meant.
//
// Checks return "" or what was expected, as base/option_table.h wants it.
// Threads: any; pure, but for the environment that ClusterOptions reads.
#pragma once

#include <string>
#include <string_view>

#include "cairn/client.h"

namespace cairn::adapter::redis {

std::string CheckNotEmpty(std::string_view text);
// unix:PATH or HOST:PORT.
std::string CheckEngine(std::string_view text);
// A program and its options (SplitCommand).
std::string CheckCommand(std::string_view text);

// As the environment says, but for the endpoints if there are any: host:port, with commas.
ClientOptions ClusterOptions(std::string_view endpoints);

}  // namespace cairn::adapter::redis
