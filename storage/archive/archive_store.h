// ArchiveStore: the archive as its users see it: logs, their runs, and their bytes, in a store of
// objects (objects/object_store.h).
//
// Writers: the node that leads a log (server/runtime/archiver.h). Readers: nodes, for records that
// are trimmed (server/runtime/archive_reader.h), and the tool.
//
// What is stored is read back and verified before it counts; what is read is verified before
// anybody sees a byte of it. Errors: those of the store; kDataLoss, naming the object, for what is
// not what its name says.
//
// Threads: any. Lifetime: the store outlives it. Bounds: a run in memory for each call; a listing.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/archive/archived_log.h"
#include "storage/archive/run_bytes.h"
#include "storage/archive/run_name.h"
#include "storage/archive/run_path.h"
#include "storage/objects/object_store.h"

namespace cairn::archive {

// No run is larger: far above any that is written, so that a wrong one does not fill the memory.
inline constexpr uint64_t kMaxRunBytes = 512ull << 20;

// A log's folder, as a listing has it.
struct ArchivedFolder {
  LogPlace place;
  bool has_log_file = false;
  std::vector<StoredRun> runs;       // In order of their names.
  std::vector<std::string> strange;  // Keys of what is neither.
};

class ArchiveStore {
 public:
  explicit ArchiveStore(objects::ObjectStore* store) : store_(store) {}

  // Of all logs, in order; or of those below `prefix` ("CLUSTER/").
  absl::StatusOr<std::vector<ArchivedFolder>> List(const std::string& prefix = "") const;
  // Of one log: empty if it is not there.
  absl::StatusOr<std::vector<StoredRun>> Runs(const LogPlace& place) const;

  absl::StatusOr<ArchivedLog> ReadLog(const LogPlace& place) const;
  absl::Status WriteLog(const ArchivedLog& log) const;

  // Stores a run, reads it back and verifies it.
  absl::Status WriteRun(const LogPlace& place, const RunName& name, const std::string& bytes) const;
  absl::StatusOr<Run> ReadRun(const StoredRun& run) const;

  [[nodiscard]] const std::string& url() const { return store_->url(); }

 private:
  objects::ObjectStore* const store_;
};

}  // namespace cairn::archive
