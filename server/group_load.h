// LoadGroup: what a Group needs of the store before it can start.
//
// Reads the entries behind the newest segment row (at most about one segment), so that the
// worker never touches the disk. Entries that are damaged end the log there: the group then
// starts with the standing kLost, votes for nobody and is refilled by its peers. So does one
// whose log was cut when the store was rebuilt (StoredGroup::damage).
//
// Threads: any but a worker's; the store is only read.
#pragma once

#include <string>
#include <vector>

#include "server/group.h"
#include "storage/log_store.h"

namespace cairn::server {

// Fills `start.stored`, `start.recent` and `start.verdict` from the store. When damage was
// met, `*damage` says where.
// Errors: kDataLoss when nothing usable is left of the group (no segment row).
absl::Status LoadGroup(const storage::LogStore& store, storage::StoredGroup stored,
                       GroupStart* start, std::string* damage);

}  // namespace cairn::server
