// Runs the golden scripts of the log state machine (tests/golden/log/*.txt).
//
// A script opens with its story in comments. Each further line is a command, and the
// indented lines below it are what it prints. The commands act on a little world: one log,
// two replicas that are real LogStates, one of which leads, and a clock that only the script
// moves. The whole text with its outputs is compared with the file; with CAIRN_REWRITE=1 in
// the environment the file is rewritten instead.
//
// Commands (options are name=value; times in milliseconds; the log has id 7, the nodes are n1, n2):
//   log [fenced] [guard=NAME] [max_leases=N] [max_producers=N] [max_snapshots=N]
//       [expiry=MS] [entry_bytes=N]       begins anew
//   lead NODE          NODE becomes leader at once: uncommitted entries are lost, a no-op is
//                      committed
//   time MS [wall=MS]  the monotonic clock moves on by MS; the wall clock too, or by `wall`
//   append COUNT [if_last_seq=N] [epoch=N] [lease=NAME] [producer=P sequence=N]
//   register P         a producer; P stands for its id from then on
//   acquire HOLDER [name=NAME] [ttl=MS] [if_last_seq=N]
//   renew EPOCH [name=NAME]
//   release EPOCH [name=NAME]
//   transfer EPOCH to=HOLDER [name=NAME] [ttl=MS] [if_last_seq=N]
//   trim SEQ [force]
//   snapshot NAME seq=N
//   settings [guard=NAME] [fenced=0|1] [retention_ms=MS]
//   housekeep [retention=SEQ]
//   propose            ends the entry that the requests above went into, and shows it
//   commit [INDEX] [except=NODE]   applies what was proposed, through INDEX
//   restart NODE       through the bytes of a snapshot
//   state [NODE]       what is applied there; without NODE: the leader's speculation
//   lease [NAME] [node=NODE]   as that node describes it
#pragma once

#include <string>

namespace cairn::server {

// Runs the script; returns its text with all outputs as they now are.
std::string RunLogScript(const std::string& script);

}  // namespace cairn::server
