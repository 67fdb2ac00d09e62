#include "cli/member_wait.h"

#include <algorithm>

namespace cairn::cli {
namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(200);
constexpr absl::Duration kPerLook = absl::Seconds(2);

}  // namespace

const MemberInfo* FindById(const Members& members, NodeId id) {
  const auto found = std::find_if(members.members.begin(), members.members.end(),
                                  [&](const MemberInfo& member) { return member.node_id == id; });
  return found == members.members.end() ? nullptr : &*found;
}

ExitCode WaitForMembers(Session& session, Admin& admin, const Lacking& lacking) {
  std::string said;
  do {
    const auto members = admin.GetMembers({.timeout = kPerLook});
    std::optional<std::string> words =
        members.ok() ? lacking(*members)
                     : "no node answers: " + std::string(members.status().message());
    if (!words) return ExitCode::kOk;
    if (*words != said) session.out().Note(*words);
    said = *std::move(words);
  } while (!session.interrupt().Wait(kLookEvery));
  session.out().Note("the cluster goes on with it; `cairn cluster members` shows how far it is");
  return ExitCode::kInterrupted;
}

}  // namespace cairn::cli
