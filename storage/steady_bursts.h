// SteadyBursts: RocksDB's rate limiter, whose rate may fall while others ask.
//
// Who asks takes at most a burst at a time, and a burst of RocksDB's limiter is what its rate
// allows in a period. Between its asking how large a burst is and its request the rate may fall;
// then the request is larger than the limiter ever grants, which it does not survive (an assertion,
// or a wait without end). Here a burst is that of the least rate, whatever the rate is.
//
// Threads: any.
#pragma once

#include <rocksdb/rate_limiter.h>

#include <memory>

namespace cairn::storage {

// Requires: nobody sets a rate below `least_bytes_per_second`. Limits writes.
std::shared_ptr<rocksdb::RateLimiter> MakeSteadyBursts(int64_t bytes_per_second,
                                                       int64_t least_bytes_per_second);

}  // namespace cairn::storage
