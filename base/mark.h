// Marks: how often a rare branch was taken since the process began.
//
// A simulated year proves nothing about a branch that no seed ever takes. So each branch that the
// design names and a quiet cluster never sees carries a MARK, and the simulator shows which were
// taken (`cairn-sim --marks`): one that stays at zero over many seeds is a hole in the faults or
// the load. Costs a relaxed increment in a branch that is rare by definition.
//
// Threads: any.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cairn {

// X(name, the branch)
#define CAIRN_MARKS(X)                                                                           \
  /* Consensus. */                                                                               \
  X(kVoteRefusedToShorterLog, "a vote refused to a candidate with a shorter log")                \
  X(kVoteRefusedWhileLeaderLives, "a (pre-)vote refused since a leader was heard from lately")   \
  X(kQuorumLost, "a leader stepped down since no quorum answered")                               \
  X(kSuffixReplaced, "a follower replaced entries of an older term")                             \
  X(kWriteOvertaken, "entries were replaced while their write was under way")                    \
  X(kBacktracked, "a leader skipped back by terms after a rejection")                            \
  X(kSnapshotSent, "a follower needed what was trimmed")                                         \
  X(kSnapshotInstalled, "a replica went on from a leader's snapshot")                            \
  X(kTransferred, "a leader told its heir to campaign at once")                                  \
  X(kJointEntered, "a joint configuration began")                                                \
  X(kJointLeft, "a joint configuration ended")                                                   \
  X(kLearnersChanged, "learners came or went alone")                                             \
  X(kResigned, "a leader that is no voter any more stepped down")                                \
  X(kDoubtfulVote, "a node with an ambiguous disk voted, on condition")                          \
  X(kLostRefusesVote, "a node whose disk lost something refused its vote")                       \
  X(kElectedByAll, "an election was decided with a doubtful voter, since all had answered")      \
  X(kAbsolved, "a node that doubted its disk is sound again")                                    \
  X(kAbsolvedByQuorum, "... or may be, by a quorum alone, since it only listens")                \
  X(kSuspect, "a majority refused a leader's entries")                                           \
  X(kRunOffered, "a follower far behind was offered a run of entries in bulk")                   \
  X(kRunTaken, "a replica took the run that it had fetched")                                     \
  X(kRunOpen, "a run ended within a segment")                                                    \
  X(kRunAhead, "a run was at hand when it was asked for")                                        \
  X(kFellAsleep, "a leader let its group hibernate")                                             \
  X(kWoken, "a replica that hibernated was woken by a message")                                  \
  X(kWokenBySilence, "... by the silence of a node, which is its leader's or a follower's")      \
  X(kWokenByItself, "... by slow ticks that nobody answered")                                    \
  /* The log. */                                                                                 \
  X(kRefusalWaitsForEntry, "a refusal waited for the entry that it rests on")                    \
  X(kRefusalWaitsForRound, "a refusal waited until the leader was confirmed")                    \
  X(kWaitersOutliveTerm, "a deposed leader had answers to give")                                 \
  X(kReplacedAnswered, "... and told that an entry was replaced, so its requests were not done") \
  X(kSnapshotSkipsWaiters, "a snapshot left requests unknown")                                   \
  X(kDuplicateAnswered, "a producer's repeated request was answered from its window")            \
  X(kDuplicateRestsOnEntry, "... whose entry is not committed")                                  \
  X(kExpiryVoided, "a lease that was over lived on, since its renewal or transfer is under way") \
  X(kExpired, "a leader ended a lease by itself")                                                \
  X(kExpiredWithGrant, "a lease ended and was granted in one batch")                             \
  X(kFenced, "a request under an epoch that is over was refused")                                \
  X(kStreamBroken, "a stream's later requests were refused after its first refusal")             \
  X(kColdTail, "a tail read the store")                                                          \
  X(kColdPeer, "a follower was sent what had to be read from the store")                         \
  X(kSealed, "a segment was sealed")                                                             \
  X(kTrimmed, "segments were dropped")                                                           \
  X(kStorageFull, "an append was refused for lack of space")                                     \
  X(kLeaseRead, "a read was answered under a leader's lease")                                    \
  X(kRefilled, "a replica that a majority contradicts began anew")                               \
  X(kClockHandOver, "a leader whose clock is off handed over")

enum class Mark : uint8_t {
#define CAIRN_MARK_NAME(name, story) name,
  CAIRN_MARKS(CAIRN_MARK_NAME)
#undef CAIRN_MARK_NAME
};

inline constexpr std::array kMarkStories = {
#define CAIRN_MARK_STORY(name, story) std::string_view(story),
    CAIRN_MARKS(CAIRN_MARK_STORY)
#undef CAIRN_MARK_STORY
};
inline constexpr std::array kMarkNames = {
#define CAIRN_MARK_TEXT(name, story) std::string_view(#name),
    CAIRN_MARKS(CAIRN_MARK_TEXT)
#undef CAIRN_MARK_TEXT
};

inline std::array<std::atomic<uint64_t>, kMarkNames.size()> mark_counts;

inline void Hit(Mark mark) {
  mark_counts[static_cast<size_t>(mark)].fetch_add(1, std::memory_order_relaxed);
}
inline uint64_t Hits(Mark mark) {
  return mark_counts[static_cast<size_t>(mark)].load(std::memory_order_relaxed);
}

}  // namespace cairn
