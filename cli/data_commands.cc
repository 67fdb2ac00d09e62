// The table of the commands that move records: append, read, tail.
#include "cli/data_commands.h"

namespace cairn::cli {
namespace {

constexpr Format kReadFormats[] = {Format::kText, Format::kRaw, Format::kHex, Format::kJson,
                                   Format::kLengthPrefixed};
constexpr Format kTailFormats[] = {Format::kText, Format::kHex, Format::kJson, Format::kResp,
                                   Format::kRaw};

constexpr CommandSpec kCommands[] = {
    {"append", "append records from files or stdin",
     "Cuts the input into records and appends them in order. By default a producer sends them: "
     "pipelined, and each exactly once, whatever fails on the way. At the end the range of seqs, "
     "the chain and the XXH3 checksum of all payloads are printed; `read --checksum` prints the "
     "same checksum for what is in the log.\n"
     "On Ctrl-C nothing more is read; what was read is finished and the summary printed.",
     "journalctl -o cat -f | cairn append audit\n"
     "cairn append images --chunk-bytes 64KiB disk.img\n"
     "cairn append orders --if-last-seq 41 --no-producer order.json\n"
     "cairn append cache --lease primary:17 --length-prefixed effects.bin",
     DeclareAppend},
    {"read", "read a range of records",
     "Prints committed records from any replica, up to what is committed when it starts. --node "
     "asks just that node; --linearizable includes everything that was acknowledged before.",
     "cairn read orders\n"
     "cairn read orders --from 100 --to 199 -o json\n"
     "cairn read audit --from @2026-11-21T08:00:00Z --count 10 -o hex\n"
     "cairn read images -o raw >disk.img",
     DeclareRead, kReadFormats},
    {"tail", "follow a log",
     "Prints the last records, and with -f every record that is committed from then on. `-o resp` "
     "decodes the commands that cairn-agent logs for Redis and Valkey. Ctrl-C prints what has "
     "arrived and ends with 130.",
     "cairn tail orders -f\n"
     "cairn tail cache -f --from first -o resp\n"
     "cairn tail audit --last 100 -o json",
     DeclareTail, kTailFormats},
};

}  // namespace

std::span<const CommandSpec> DataCommands() { return kCommands; }

}  // namespace cairn::cli
