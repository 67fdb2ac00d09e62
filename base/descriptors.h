// The descriptors of our processes: the first three, and how many there may be.
//
// Threads: to be called once, at the beginning of main().
#pragma once

namespace cairn {

// Occupies those of 0, 1 and 2 that somebody started the process without (`cairnd <&- >&- 2>&-`).
// The kernel gives free numbers to whatever is opened next: a line for stderr would then go into a
// lock file, a database or a connection, and input be read from an event that never comes.
// From then on reading stdin and writing stdout fail (EBADF); what goes to stderr is lost. Where a
// library has taken such a number before main(), the program is executed once more, with `argv`.
void OccupyStandardStreams(char** argv);

// Raises the number of files and sockets that the process may have open from the soft to the hard
// limit: the soft one is 1024 almost everywhere, for the sake of programs that select().
void RaiseDescriptorLimit();

}  // namespace cairn
