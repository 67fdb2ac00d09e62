// CLIENT …: who the clients of the front are, and ending them. The engine knows only the agent's
// connections, so the front answers, for the clients of all its io threads.
//
// Whether a user may list or kill, the engine's ACL says: it is asked with a call of the same
// command that finds nobody.
//
// Threads: of the session's io thread; others are asked by posts (FrontThread::AskCrew).
#pragma once

#include <span>
#include <string_view>

#include "adapter/redis/front/front_thread.h"

namespace cairn::adapter::redis {

// Answers the request in hand, whose first argument is CLIENT; now or later.
void AnswerClientCommand(FrontThread& thread, Session& session,
                         std::span<const std::string_view> argv);

}  // namespace cairn::adapter::redis
