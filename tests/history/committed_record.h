// ToCommitted: a record as a log holds it, in the words of a history.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "cairn/v1/log.pb.h"
#include "tests/history/history_types.h"

namespace cairn::history {

// `chain` is that after the record.
CommittedRecord ToCommitted(Seq seq, uint64_t chain, const v1::Record& record);

}  // namespace cairn::history
