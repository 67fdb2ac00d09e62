// PlantedBug: mistakes put into the product on purpose, to see whether the tests find them.
//
// A check that never fails proves little. So a few dozen mistakes that systems of this kind have
// really made stand in the product's own code, each as one line at the place where it would be
// made, and the simulator must find each within a stated number of seeds:
//
//   if (PLANTED(kAckBeforeSync)) return Send(to, response);
//
// Read such a line as if it were not there: PLANTED is the constant false, and the compiler drops
// the line, unless the build has CAIRN_PLANTED_BUGS, which no build has but the one that
// scripts/planted-bugs makes. There at most one mistake is on, chosen by name before anything
// runs (cairn-sim --plant, or CAIRN_PLANT in the environment of a test). A few lines silence a
// CHECK or a second check that would notice the mistake at once, so that the tests have to find
// what users would see.
//
// What came of it: docs/testing.md, "Planted bugs".
// Threads: the choice is made while there is one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// X(enumerator, name, origin, story). Origins:
//   kDesign   thought up from the design document alone, before the simulator was looked at;
//   kField    a public report of another system, or its literature, tells of it;
//   kCode     thought up while reading this code.
#define CAIRN_PLANTED_BUGS_LIST(X)                                                             \
  X(kAckBeforeSync, "ack-before-sync", kField,                                                 \
    "a follower acknowledges entries that are not on its disk yet")                            \
  X(kOwnCopyBeforeSync, "own-copy-before-sync", kField,                                        \
    "a leader counts its own copy towards a commit before its sync")                           \
  X(kReplacedCountsAsPersisted, "replaced-counts-as-persisted", kCode,                         \
    "the notice that an old suffix is on disk confirms the entries that have replaced it")     \
  X(kNoNoopAtTermStart, "no-noop-at-term-start", kField,                                       \
    "a new leader appends no entry of its own term")                                           \
  X(kOldTermByCounting, "old-term-by-counting", kField,                                        \
    "copies of an earlier term's entry are counted to commit it")                              \
  X(kHeartbeatTellsAllCommitted, "heartbeat-tells-all-committed", kField,                      \
    "a heartbeat tells the commit index also to those who are not known to hold it")           \
  X(kRepeatedAppendCuts, "repeated-append-cuts", kField,                                       \
    "a late or repeated append cuts off what came after it")                                   \
  X(kVoteByLengthOnly, "vote-by-length-only", kField,                                          \
    "a vote compares the lengths of the logs, not the terms of their ends")                    \
  X(kVoteForgotten, "vote-forgotten", kField, "a restart keeps the term and forgets the vote") \
  X(kTermOfNextEntry, "term-of-next-entry", kCode,                                             \
    "what is before the first kept entry gets the term of that entry")                         \
  X(kReadWithoutRound, "read-without-round", kField,                                           \
    "a leader answers linearizable reads without asking a quorum")                             \
  X(kSleepIsLease, "sleep-is-lease", kCode,                                                    \
    "a leader whose group hibernated answers the first reads without asking a quorum")         \
  X(kLeaseCountsTicks, "lease-counts-ticks", kField,                                           \
    "a leader's lease is counted in ticks, which a process that was stopped does not make up " \
    "for")                                                                                     \
  X(kPromiseForgotten, "promise-forgotten", kField,                                            \
    "a node that promised a leader not to vote forgets it by a restart")                       \
  X(kReadBeforeOwnCommit, "read-before-own-commit", kField,                                    \
    "a new leader answers reads before an entry of its term is committed")                     \
  X(kServesBeforeCaughtUp, "serves-before-caught-up", kField,                                  \
    "a new leader judges requests before it has applied earlier terms' entries")               \
  X(kNewMembersAtCommit, "new-members-at-commit", kField,                                      \
    "a membership is in force when it is committed, not when it is in the log")                \
  X(kJointCountsNewHalf, "joint-counts-new-half", kField,                                      \
    "in a joint membership only the new half is counted")                                      \
  X(kJointLeftEarly, "joint-left-early", kField,                                               \
    "a leader leaves the joint membership before that is committed")                           \
  X(kSnapshotOfOldMembers, "snapshot-of-old-members", kField,                                  \
    "a segment row keeps the membership of the first kept entry")                              \
  X(kTornTailIsSound, "torn-tail-is-sound", kField,                                            \
    "a torn end of the write-ahead log is taken for one that nobody relied on")                \
  X(kVoteAlthoughLost, "vote-although-lost", kDesign,                                          \
    "a node that lost acknowledged data votes as if it had it")                                \
  X(kDoubtForgotten, "doubt-forgotten", kCode,                                                 \
    "a restart trusts a replica that was not yet made whole")                                  \
  X(kDamageCutOff, "damage-cut-off", kField,                                                   \
    "an entry that does not match its checksum ends the log, and nobody doubts the rest")      \
  X(kConditionOnApplied, "condition-on-applied", kDesign,                                      \
    "if_last_seq is judged against the applied state, not against what is proposed already")   \
  X(kRefusedBeforeCommit, "refused-before-commit", kDesign,                                    \
    "a refusal that rests on an uncommitted entry does not wait for it")                       \
  X(kRefusedWithoutRound, "refused-without-round", kDesign,                                    \
    "a leader that may be behind refuses without asking a quorum")                             \
  X(kWaiterByIndexOnly, "waiter-by-index-only", kDesign,                                       \
    "a deposed leader takes any entry at a waiter's index for the one that it had proposed")   \
  X(kDeposedSaysNotDone, "deposed-says-not-done", kField,                                      \
    "a leader that steps down answers not done to what it has proposed")                       \
  X(kSkippedIsNotDone, "skipped-is-not-done", kCode,                                           \
    "a waiter whose entry a snapshot skips is told not done")                                  \
  X(kAppendedTwice, "appended-twice", kField,                                                  \
    "the request that fills an entry stays in the queue and goes into the next entry too")     \
  X(kDuplicateAfterCondition, "duplicate-after-condition", kDesign,                            \
    "a retry meets if_last_seq before it is recognised")                                       \
  X(kDuplicateBeforeCommit, "duplicate-before-commit", kCode,                                  \
    "a retry gets the stored result before its entry is committed")                            \
  X(kWindowOfFifteen, "window-of-fifteen", kDesign,                                            \
    "of the sixteen results that are kept the oldest answers no retry")                        \
  X(kProducersNotInSnapshot, "producers-not-in-snapshot", kDesign,                             \
    "segment rows and snapshots leave the producers out")                                      \
  X(kNoFence, "no-fence", kField, "an append under an epoch is not compared with the lease")   \
  X(kExpiryIgnoresRenewal, "expiry-ignores-renewal", kDesign,                                  \
    "a lease expires although a renewal of it is proposed")                                    \
  X(kTtlResetByNewLeader, "ttl-reset-by-new-leader", kField,                                   \
    "a new leader counts each lease's TTL anew")                                               \
  X(kTtlBeganLongAgo, "ttl-began-long-ago", kCode,                                             \
    "leases that a restart or a snapshot brings are over at once")                             \
  X(kTtlFromReply, "ttl-from-reply", kField,                                                   \
    "a holder counts its TTL from the answer, not from the send")                              \
  X(kExpiredBeforeCondition, "expired-before-condition", kDesign,                              \
    "an acquire ends the expired lease first and judges if_last_seq after that")               \
  X(kSnapshotAtApplied, "snapshot-at-applied", kDesign,                                        \
    "a lagging replica is filled with the applied state, not with that before the first kept " \
    "entry")                                                                                   \
  X(kRowOneEntryLate, "row-one-entry-late", kField,                                            \
    "a segment row is stored with the state after its first entry")                            \
  X(kChainNotChecked, "chain-not-checked", kDesign,                                            \
    "a follower takes entries without computing their chain")                                  \
  X(kCaughtUpUnconfirmed, "caught-up-unconfirmed", kDesign,                                    \
    "a tail is told that it has caught up with what this replica has applied")

// Of members that come and go: found by cairn-sim --members.
#define CAIRN_PLANTED_MEMBER_BUGS_LIST(X)                                               \
  X(kReturnsAsNew, "returns-as-new", kCode,                                             \
    "a replica that was given away and comes back votes as if it had never been there") \
  X(kPlacedUnconfirmed, "placed-unconfirmed", kCode,                                    \
    "a node makes the replicas of which a catalog tells that is being read anew")       \
  X(kSettledBeforeCommit, "settled-before-commit", kCode,                               \
    "old replicas are dropped before the configuration without them is committed")      \
  X(kSleeperNotMoved, "sleeper-not-moved", kCode,                                       \
    "what moves replicas passes over a log that hibernates: nothing is asked of it")    \
  X(kRegisteredBeforeStored, "registered-before-stored", kDesign,                       \
    "a run of the archive is registered, and may be trimmed, before it is stored")

// The agent's, which the simulator of log nodes cannot see. X(…, finder): the test program that
// has to fail when CAIRN_PLANT names the mistake.
#define CAIRN_PLANTED_AGENT_BUGS_LIST(X)                                                         \
  X(kPromoteBeforeAck, "promote-before-ack", kField,                                             \
    "a winner is promoted before its engine has acknowledged the last record", role_random_test) \
  X(kOldEpochAfterRestart, "old-epoch-after-restart", kDesign,                                   \
    "a restarted agent goes on with the epoch of its former life", role_random_test)             \
  X(kReplyAtWrongOffset, "reply-at-wrong-offset", kDesign,                                       \
    "a reply is released at the offset that the engine has reached, not at the committed one",   \
    redis_front_test)                                                                            \
  X(kMarkAfterSend, "mark-after-send", kDesign,                                                  \
    "a key is marked when the write's reply arrives, not before the write is sent",              \
    redis_front_test)                                                                            \
  X(kMoveWithoutLease, "move-without-lease", kCode,                                              \
    "a primary takes part in a move of slots without a look at its lease behind the record",     \
    redis_move_rules_test)

namespace cairn {

enum class PlantedBug : uint8_t {
  kNone,
#define CAIRN_PLANTED_BUGS_ENUMERATOR(id, ...) id,
  CAIRN_PLANTED_BUGS_LIST(CAIRN_PLANTED_BUGS_ENUMERATOR)
      CAIRN_PLANTED_MEMBER_BUGS_LIST(CAIRN_PLANTED_BUGS_ENUMERATOR)
          CAIRN_PLANTED_AGENT_BUGS_LIST(CAIRN_PLANTED_BUGS_ENUMERATOR)
#undef CAIRN_PLANTED_BUGS_ENUMERATOR
};

#ifdef CAIRN_PLANTED_BUGS

namespace internal {
// The one that CAIRN_PLANT names; a name that there is not ends the program.
PlantedBug PlantedBugOfEnvironment();
inline PlantedBug planted_bug = PlantedBugOfEnvironment();
inline uint64_t planted_bug_hits = 0;

inline bool PlantedBugHit(PlantedBug bug) {
  if (bug != planted_bug) return false;
  ++planted_bug_hits;
  return true;
}
}  // namespace internal

// Switches the mistake of that name on. False: there is none.
bool SwitchOnPlantedBug(std::string_view name);
// How often the one that is on was asked for.
inline uint64_t PlantedBugHits() { return internal::planted_bug_hits; }
// A line each: name, origin, story, program that has to find it, between tabs.
std::string DescribePlantedBugs();

#define PLANTED(bug) (::cairn::internal::PlantedBugHit(::cairn::PlantedBug::bug))

#else

// Names the enumerator, so that a wrong name compiles nowhere.
#define PLANTED(bug) (static_cast<void>(::cairn::PlantedBug::bug), false)

#endif

}  // namespace cairn
