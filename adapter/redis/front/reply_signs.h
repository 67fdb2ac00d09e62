// ReplySigns: what the text of one reply tells about how it came to be.
//
// Threads: none; pure.
#pragma once

#include <string_view>

namespace cairn::adapter::redis {

// Whether `command` (in lower case) runs a script, whose errors may have any words.
bool RunsScript(std::string_view command);

// Whether a reply to anything but a script says that the engine has not begun it: a script keeps
// it busy, or a transaction was dropped as a whole. Such a reply shows no data, and must not wait
// for a commit: a busy engine does not tell the offset to wait for until the script ends, which
// may be never unless somebody who is told so kills it.
bool SaysNotBegun(std::string_view reply);

// Whether it is what HELLO answers.
bool IsGreeting(std::string_view reply);

// Whether a whole line of MONITOR tells of what the agent itself asks: ROLE behind each batch, INFO
// all the time, how a new connection begins and who may log in. Of clients nothing of that reaches
// the engine as it is, but INFO without arguments, which is taken for the agent's.
bool IsAgentsQuestion(std::string_view monitor_line);

}  // namespace cairn::adapter::redis
