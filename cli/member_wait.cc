#include "cli/member_wait.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "base/clock.h"

namespace cairn::cli {
namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(10);
constexpr absl::Duration kPerLook = absl::Seconds(2);
constexpr absl::Duration kPerNode = absl::Seconds(1);
constexpr int64_t kStuckAfterUs = 5 * kMicrosPerSecond;

// Those that have joined and are not to leave, and do not answer: "n4 (10.0.0.4:7400)".
std::vector<std::string> SilentNodes(Session& session, Admin& admin, const Members& members) {
  std::vector<std::string> silent;
  for (const MemberInfo& member : members.members) {
    if (session.interrupt().Requested()) break;
    if (member.incarnation == 0 || member.state == MemberState::kLeaving) continue;
    if (admin.Status(member.address, /*with_groups=*/false, {.timeout = kPerNode}).ok()) continue;
    silent.push_back(fmt::format("{} ({})", member.name, member.address));
  }
  return silent;
}

// About a wait in which nothing happens.
std::string Advice(const std::vector<std::string>& silent) {
  if (silent.empty()) {
    return "still waiting; all nodes answer: `cairn cluster status` shows how far their replicas "
           "are, `cairn doctor` what is wrong; Ctrl-C ends the waiting only";
  }
  return fmt::format(
      "still waiting; no answer from {}: start what is down, or, if it is gone for good, `cairn "
      "cluster remove` it; Ctrl-C ends the waiting only",
      fmt::join(silent, ", "));
}

}  // namespace

const MemberInfo* FindById(const Members& members, NodeId id) {
  const auto found = std::find_if(members.members.begin(), members.members.end(),
                                  [&](const MemberInfo& member) { return member.node_id == id; });
  return found == members.members.end() ? nullptr : &*found;
}

ExitCode WaitForMembers(Session& session, Admin& admin, const Lacking& lacking) {
  std::string said;
  std::string advised;
  MonoMicros since_us = 0;  // Of what was said or looked at last.
  do {
    const auto members = admin.GetMembers({.timeout = kPerLook});
    std::optional<std::string> words =
        members.ok() ? lacking(*members)
                     : "no node answers: " + std::string(members.status().message());
    if (!words) return ExitCode::kOk;
    const MonoMicros now_us = session.clock().Mono();
    if (*words != said) {
      session.out().Note(*words);
      said = *std::move(words);
      advised.clear();
      since_us = now_us;
    } else if (members.ok() && now_us - since_us >= kStuckAfterUs) {
      std::string advice = Advice(SilentNodes(session, admin, *members));
      if (advice != advised) session.out().Note(advice);
      advised = std::move(advice);
      since_us = session.clock().Mono();
    }
  } while (!session.interrupt().Wait(kLookEvery));
  session.out().Note("the cluster goes on with it; `cairn cluster members` shows how far it is");
  return ExitCode::kInterrupted;
}

}  // namespace cairn::cli
