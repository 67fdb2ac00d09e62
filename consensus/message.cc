#include "consensus/message.h"

#include <fmt/format.h>

namespace cairn::consensus {
namespace {

// " name" when the flag is set.
std::string Flag(bool set, const char* name) { return set ? std::string(" ") + name : ""; }

std::string Describe(const VoteRequest& m) {
  return (m.pre_vote ? "pre-vote? last=" : "vote? last=") + ToString(m.last) +
         Flag(m.transfer, "transfer") + Flag(m.leader_gone, "leader-gone");
}

std::string Describe(const VoteResponse& m) {
  return std::string(m.pre_vote ? "pre-vote" : "vote") + (m.granted ? " granted" : " refused") +
         Flag(m.conditional, "conditional") + " last=" + ToString(m.last);
}

std::string Describe(const AppendRequest& m) {
  return fmt::format("append prev={} last={} commit={}", ToString(m.prev), m.last, m.commit) +
         Flag(m.absolves != 0, "absolves");
}

std::string Describe(const AppendResponse& m) {
  if (m.accepted) {
    return fmt::format("append-ok match={}", m.match) + Flag(m.doubt != 0, "unsound") +
           Flag(m.absolved != 0, "absolved");
  }
  if (m.contradicts) {
    return fmt::format("append-no contradicts={}", ToString(m.hint)) +
           Flag(m.doubt != 0, "unsound");
  }
  return fmt::format("append-no prev={} hint={}", m.rejected_prev, ToString(m.hint)) +
         Flag(m.doubt != 0, "unsound");
}

std::string Describe(const Heartbeat& m) {
  return fmt::format("heartbeat commit={} round={}", m.commit, m.context) + Flag(m.sleep, "sleep") +
         Flag(m.promise_us != 0, "promise?");
}

std::string Describe(const HeartbeatResponse& m) {
  return fmt::format("heartbeat-ok round={}", m.context) + Flag(m.doubt != 0, "unsound") +
         Flag(m.asleep, "asleep") + Flag(m.fetching, "fetching") + Flag(m.promised, "promised") +
         Flag(m.full, "full") + Flag(m.no_room, "no-room");
}

std::string Describe(const CommitNotice& m) { return fmt::format("committed {}", m.commit); }

std::string Describe(const SnapshotRequest& m) {
  return fmt::format("snapshot at={} {}", ToString(m.position), ToString(m.membership));
}

std::string Describe(const RunOffer& m) {
  return fmt::format("run offer prev={} through={}", ToString(m.prev), ToString(m.through));
}

std::string Describe(const TimeoutNow&) { return "timeout-now"; }

std::string Describe(const ReadIndexRequest& m) { return fmt::format("read? {}", m.context); }

std::string Describe(const ReadIndexResponse& m) {
  return m.confirmed ? fmt::format("read {} index={}", m.context, m.index)
                     : fmt::format("read {} unconfirmed", m.context);
}

}  // namespace

std::string ToString(const Message& message) {
  return fmt::format("{}->{} term={} {}", message.from, message.to, message.term,
                     std::visit([](const auto& body) { return Describe(body); }, message.body));
}

std::string ToString(Position position) {
  return fmt::format("{}/{}", position.term, position.index);
}

}  // namespace cairn::consensus
