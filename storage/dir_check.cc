#include "storage/dir_check.h"

#include <memory>

#include "base/status_macros.h"
#include "storage/stopped_store.h"

namespace cairn::storage {

absl::StatusOr<CheckReport> CheckDirectory(const std::string& dir, const CheckProgress& progress) {
  ASSIGN_OR_RETURN(const std::unique_ptr<StoppedStore> store, StoppedStore::Open(dir, progress));
  return store->ReadAll(progress);
}

}  // namespace cairn::storage
