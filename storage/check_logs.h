// CheckLogs: whether the rows of every log agree with each other, from the first entry to the last.
//
// Blocks that match their checksums may still hold what should not be there. So each log is read
// whole: entries follow each other without a gap, each matches its own checksum, terms and log time
// never fall, seqs are dense, the chain over all records is the one that the entries and the
// segment rows name, and the rows that were derived from entries (seqs, terms, sums of bytes) are
// theirs.
//
// A log is read up to the first thing that is wrong; what is behind that is not judged.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/check_report.h"
#include "storage/log_visitor.h"
#include "storage/rocks_tables.h"

namespace cairn::storage {

// Reads one group. `on_bytes` is told of payload bytes as they are read; `names`, if it is not
// null, is filled with the names of logs by id: for the catalog. `visitor` may be null.
// Errors: those of the visitor.
absl::StatusOr<CheckedLog> CheckLog(const Columns& columns, const LoadedGroup& group,
                                    const std::function<void(uint64_t bytes)>& on_bytes,
                                    std::map<GroupId, std::string>* names, LogVisitor* visitor);

}  // namespace cairn::storage
