// Runs the golden scripts of the Raft core (tests/golden/raft/*.txt).
//
// A script opens with its story in comments. Each further line is a command, and the
// indented lines below it are what it brings about: messages as they leave, writes as they
// are handed to the disk, commits, read answers and changes of role. Positions and entries
// are written term/index. The whole text with its outputs is compared with the file; with
// CAIRN_REWRITE=1 in the environment the file is rewritten instead.
//
// Nothing moves by itself: a message stays on its link, and a write in flight, until a
// command says otherwise. A command may be preceded by `quietly`, which keeps its output
// back. N, A, B are node ids; options are name=value.
//
//   nodes N… [learners=N,…] [election=TICKS] [window=MESSAGES] [window_bytes=B] [batch=ENTRIES]
//         [uncommitted=BYTES] [penalty=N:TICKS] [lease] [hibernate=TICKS]
//         [wakeful=N]   begins anew; N knows nothing of hibernation
//   disk N [log=T/I,…] [term=T] [vote=N] [commit=I]           N restarts on such a disk
//   tick N [COUNT]
//   pause N TICKS         N stands still that long: its clock goes on, and it does not tick
//   campaign N            ticks N, which does not lead, until its election timer fires
//   elect N               campaigns, and lets everything settle
//   propose N [COUNT] [bytes=B]
//   read N CONTEXT…       all in one turn
//   change N voters=… [learners=…]
//   transfer N [to=M]
//   refuse N I            from I on, new entries do not follow from what N holds; 0: all do
//   persist N [COUNT|all] completes writes, oldest first (default: one)
//   deliver [A->B|A->|->B] [COUNT]    hands over what is on the matching links, oldest first
//   drop    [A->B|A->|->B] [COUNT]    loses it
//   repeat A->B           puts a second copy of the link's oldest message behind the others
//   reverse A->B          the link's newest message comes first
//   cut A B | cut A->B    from now on messages between them are lost;  heal ends all cuts
//   settle [N…]           persists and delivers (among N…, or all) until nothing is left
//   crash N [keep]        N stops; what is on its way to it is lost, or kept for its return
//   restart N [standing=ambiguous|lost] [lose=WRITES] [keep]   from its disk, or an older one
//   linkdown N M   linkup N M   gone N      what N's transport says (gone: of its leader)
//   silent N M | heard N M    N's driver gets no sign of life of M's node, or gets them again
//   unreachable N M       N's transport could not deliver to M
//   defer N | undefer N M fills of N wait for the disk | what waits for M was read
//   runs N K              N offers runs of K committed entries or more, and takes runs
//   fetched N [not]       what N fetches has come | was not to be had
//   trim N I              drops N's entries through I
//   show N…  |  progress N  |  links
#pragma once

#include <string>

namespace cairn::consensus {

// Runs the script; returns its text with all outputs as they now are.
std::string RunRaftScript(const std::string& script);

}  // namespace cairn::consensus
