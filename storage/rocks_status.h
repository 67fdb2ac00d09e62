// From RocksDB's statuses to ours: the one place that picks a code for them.
#pragma once

#include <rocksdb/status.h>

#include "absl/status/status.h"

namespace cairn::storage {

// OK stays OK. kDataLoss for corruption, kResourceExhausted for a full disk, kNotFound,
// kFailedPrecondition for what RocksDB refuses to do; kUnavailable for all other trouble
// with the disk.
absl::Status FromRocks(const rocksdb::Status& status);

}  // namespace cairn::storage
