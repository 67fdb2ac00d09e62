// MemberWait: waits until the cluster has become what was asked for, and says what it waits for;
// after some seconds without progress also which nodes do not answer, and how to go on.
//
// Threads: the main one.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "cairn/admin.h"
#include "cli/errors.h"
#include "cli/session.h"

namespace cairn::cli {

// What `members` still lacks, in words for people; nullopt: nothing.
using Lacking = std::function<std::optional<std::string>(const Members& members)>;

// Looks again and again, also over moments without an answer, and notes on stderr whenever the
// words change. kOk when nothing lacks; kInterrupted when the user ended it.
ExitCode WaitForMembers(Session& session, Admin& admin, const Lacking& lacking);

// Null when there is none.
const MemberInfo* FindById(const Members& members, NodeId id);

}  // namespace cairn::cli
