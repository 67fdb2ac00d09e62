// Group: who leads and who belongs to it, as far as it is asked for: transfers of the leadership,
// changes of members, and a leader whose clock is wrong.
#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "base/mark.h"
#include "server/group_impl.h"

namespace cairn::server {

void Group::Impl::OnTransfer(Request request, Effects& effects) {
  const NodeId to = std::get<TransferLeadershipOp>(request.body).to;
  if (transfer || !core.TransferLeadership(to)) {
    Answer(request.reply_to,
           Reject(cairn::v1::REASON_NOT_CAUGHT_UP,
                  transfer ? std::string("another transfer of this log's leadership is under way")
                           : fmt::format("node {} is no voter of this log that could lead it", to)),
           effects);
    return;
  }
  transfer = std::move(request);
}

void Group::Impl::OnChangeMembers(Request request, Effects& effects) {
  auto& op = std::get<ChangeMembersOp>(request.body);
  if (waiters.Full()) {
    Answer(request.reply_to, Reject(cairn::v1::REASON_OVERLOADED, "too many requests wait"),
           effects);
    return;
  }
  consensus::Position position;
  const absl::Status begun =
      core.ProposeChange({std::move(op.voters), std::move(op.learners), op.version}, &position);
  if (begun.ok()) {
    waiters.File(position.index, position.term, request.reply_to, Done{}, request.deadline);
    return;
  }
  const auto reason = begun.code() == absl::StatusCode::kInvalidArgument
                          ? cairn::v1::REASON_INVALID
                          : cairn::v1::REASON_NOT_CAUGHT_UP;
  Answer(request.reply_to, Reject(reason, std::string(begun.message())), effects);
}

Rejection Group::Impl::TookOverInstead(NodeId heir) const {
  return Reject(cairn::v1::REASON_NOT_CAUGHT_UP,
                core.leader() != NodeId()
                    ? fmt::format("node {} leads the log now, not {}", core.leader(), heir)
                    : std::string("this node does not lead the log any more, and does not know yet "
                                  "who does"));
}

void Group::Impl::FollowTransfer(MonoMicros now, Effects& effects) {
  if (!transfer) return;
  if (!is_leader()) {
    // Somebody else may have been quicker than the heir.
    const NodeId heir = std::get<TransferLeadershipOp>(transfer->body).to;
    if (core.leader() == NodeId() && now < transfer->deadline) return;
    const bool done = core.leader() != NodeId() && (heir == NodeId() || core.leader() == heir);
    Answer(transfer->reply_to, done ? Reply(Done{}) : Reply(TookOverInstead(heir)), effects);
  } else if (!core.transferring() || transfer->deadline <= now) {
    Answer(transfer->reply_to,
           Reject(cairn::v1::REASON_NOT_CAUGHT_UP,
                  "the heir did not take over within an election timeout; this node still leads"),
           effects);
  } else {
    return;
  }
  transfer.reset();
}

void Group::Impl::FollowClock(TurnTime now, Effects& effects) {
  if (!is_leader()) return clocks.Reset();
  const std::vector<NodeId>& voters = core.membership().voters;
  clock_deviation_us = clocks.Deviation(voters, now);
  // Whether it is for long is seen by ticks.
  if (std::abs(clock_deviation_us) > ClockWatch::kHeirToleranceUs) core.StayAwake();
  if (!clocks.HandOverDue(voters, now) || core.transferring()) return;
  NodeId heir;
  Index heir_match;
  for (const NodeId candidate : clocks.Heirs(voters, now)) {
    const consensus::Progress& progress = core.progress().at(candidate);
    if (progress.unsound() || (heir && progress.match() <= heir_match)) continue;
    heir = candidate;
    heir_match = progress.match();
  }
  const bool begun = heir && core.TransferLeadership(heir);
  if (begun) Hit(Mark::kClockHandOver);
  effects.alarms.push_back(
      fmt::format("log {} ({}): this node's wall clock is {:+.1f} s from the majority's; {}", name,
                  id, static_cast<double>(clock_deviation_us) / kMicrosPerSecond,
                  begun ? fmt::format("the leadership goes to node {}", heir)
                        : std::string("no node with a better clock can lead instead")));
}

}  // namespace cairn::server
