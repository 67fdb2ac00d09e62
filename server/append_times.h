// AppendTimes: the way of one append through this node, the leader, as moments.
//
//   arrived ─queue─ taken ─gather─ judged ─evaluate─ handed ─┬─ sync ──── durable ──┐
//                                                            └─ replicate replicated ┴ committed
//   committed ─apply─ answered                                  handed ─commit─ committed
//
// Nobody in a group reads a clock: moments are those of a turn's beginning (TurnTime), or come with
// an event (arrived, durable) or from the worker between two groups (handed, answered). So `taken`,
// `judged`, `replicated` and `committed` are early by what the turn had done before, at most its
// length; the stages of one append still add up to its whole time.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/ids.h"

namespace cairn::server {

// On the node's monotonic clock; 0: it did not get there, or nobody measured.
struct AppendTimes {
  MonoMicros arrived = 0;     // It was put into the worker's mailbox. 0: it is not measured.
  MonoMicros taken = 0;       // A worker took it out of its mailbox.
  MonoMicros judged = 0;      // It got its seqs; till then it waited for the entry before.
  MonoMicros handed = 0;      // Its entry was handed to the storage thread and to the peers.
  MonoMicros durable = 0;     // The entry was on this node's disk.
  MonoMicros replicated = 0;  // Others had acknowledged it that are a majority with this node.
  MonoMicros committed = 0;
  MonoMicros answered = 0;  // The reply was handed to its sink.
  Index index;              // Of the entry; 0: it came into none.
  uint32_t records = 0;     // Of the append; 0 for a duplicate, which appends nothing.
  uint64_t bytes = 0;       // Of its records, keys and framing included.
};

}  // namespace cairn::server
