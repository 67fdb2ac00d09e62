// The table of the tools around the tool: check, recover, doctor, drill, completion.
#include "cli/tool_commands.h"

namespace cairn::cli {
namespace {

constexpr Format kTextOnly[] = {Format::kText};

constexpr CommandSpec kCommands[] = {
    {"check", "read a node's data directory and say what is damaged",
     "Reads every byte of the directory of a node that does not run, and changes nothing: block "
     "and entry checksums, the order of entries, terms and seqs, the chain of each log from "
     "segment to segment, the write-ahead log, manifest and side mark. Each finding names the "
     "file and what to do. cairnd does the reading, so it has to be installed here. Exit code 0: "
     "whole, remarks aside; 7: damaged; 3: a node runs on it; 4: it is no node's directory.",
     "cairn check /var/lib/cairn\ncairn check /var/lib/cairn -o json | jq '.findings[].file'",
     DeclareCheck},
    {"recover", "make a new cluster of the one node that is left",
     "For the day on which a majority of the nodes is lost for good: reads the directory of a node "
     "that does not run, without changing it, and makes another one beside it, with which that "
     "node is a cluster of its own. Logs keep their names, records, seqs, log times and chains; "
     "every lease ends, producers are dropped, log ids and the cluster id are new, so whoever "
     "comes from the old cluster is refused. It says for each log what was kept and what may be "
     "missing. Exit code 0: nothing is known to be missing; 7: something is, and was made all the "
     "same; 3: a node runs on the directory, or --to is there already.",
     "cairn recover --from /var/lib/cairn --dry-run\n"
     "cairn recover --from /var/lib/cairn --to /var/lib/cairn-2\n"
     "cairn recover --from /var/lib/cairn -o json | jq '.logs[] | select(.missing != \"\")'",
     DeclareRecover},
    {"doctor", "look for what is wrong with the cluster, and say how to mend it",
     "Asks every member and checks: does it answer, is it the one that should be there, is it "
     "ready, "
     "do all belong to one cluster, run one version and have one time, does every log have a "
     "leader "
     "and replicas that keep up, is there disk space. With --local it looks at the machine of one "
     "node instead, which need not run: who has its directory and port, free space, how long a "
     "sync "
     "takes, clock, limits, certificate. Each finding comes with the way to mend it. Exit code 0: "
     "nothing is wrong; 6: something failed. Warnings alone do not fail.",
     "cairn doctor\ncairn doctor --local --config /etc/cairn/cairnd.toml\ncairn doctor -o json | "
     "jq '.checks[] | select(.result != \"ok\")'",
     DeclareDoctor},
    {"drill", "harm a cluster of its own and see whether it keeps its promises",
     "Starts a cluster of real processes on this machine, as root each in a network namespace of "
     "its own, keeps clients busy, and kills, stops, cuts off, slows down, damages and robs its "
     "nodes, one after another, always healing in between. At the end every record of every node "
     "is compared with what was acknowledged, and what clients were told is checked for "
     "linearizability. No other cluster is touched, and nothing is left behind. Exit code 0: all "
     "promises were kept, and every fault took effect.",
     "cairn drill --minutes 10\ncairn drill --faults kill-leader,isolate-leader --seed 7\n"
     "cairn drill --minutes 30 -o json | jq .lost,.duplicated,.longest_gap_ms",
     DeclareDrill},
    {"completion", "print a completion script for a shell",
     "Prints a script that completes commands, options and their fixed values. Only bash is "
     "supported.",
     "source <(cairn completion bash)\n"
     "cairn completion bash >/usr/share/bash-completion/completions/cairn",
     DeclareCompletion, kTextOnly},
};

}  // namespace

std::span<const CommandSpec> ToolCommands() { return kCommands; }

}  // namespace cairn::cli
