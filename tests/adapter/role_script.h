// Runs the golden scripts of the role machine (tests/golden/role/*.txt).
//
// A script opens with its story in comments. Each further line is an event, and the indented
// lines below it are the orders that it brings about, and the new state if that changed. With
// CAIRN_REWRITE=1 in the environment the file is rewritten instead of compared.
//
// A line may begin with +MS: the clock moves first. `quietly` keeps the orders back. Places of a
// stream are HISTORY:OFFSET, meetings HISTORY:OFFSET@SEQ. Answers name the attempt or drain that
// was ordered last, unless attempt=N or drain=N stands there.
//
//   role [adopt]                      begins anew
//   tick [draw=F]
//   log [read=N] [lease=nobody|other:E|mine:E|past:E] [given] [data=MEETING|none] [others=E]
//       [caught-up] [alive]           what is not said stays as it was; the TTL is 2 s
//   log-away | log-back
//   engine down | engine ready run=ID nothing|follows=SEQ:OFFSET|leads=PLACE
//   fed SEQ:OFFSET acked=SEQ:OFFSET   |  resynced SEQ:OFFSET  |  resync-failed
//   newer-records | newer-engine      the version fence goes up, and down
//   granted E [safe=MS] | refused held|condition|behind|lost|other [after=MS] | unknown
//   safe MS | lost [epoch=E]          the lease is safe for so long from now; it is lost
//   transferred E | not-transferred WHY | transfer-unknown
//   promoted OFFSET PLACE | promotion-failed
//   attached | attached-gap | attach-failed
//   publisher-failed connection|fenced|unknown  |  publisher-stopped [PLACE read=OFFSET]
//   drained N | hand-over HEIR | step-down | stop [HEIR]
//   show
// And, for short, all of the above quietly:
//   replica SEQ        ready, fed through SEQ at offset 10 × SEQ; another agent holds epoch 1
//   primary E          the same, then it wins epoch E and reigns with the history R<E>
#pragma once

#include <string>

namespace cairn::adapter {

// Runs the script; returns its text with all outputs as they now are.
std::string RunRoleScript(const std::string& script);

}  // namespace cairn::adapter
