// How many threads serve a front's clients (docs/decisions/019).
#pragma once

namespace cairn::adapter {

// `asked`, or, if that is 0, one for every two cores, at most 4: the engine, which has the other
// half of the work, and the publisher want the rest.
int CountIoThreads(int asked);

}  // namespace cairn::adapter
