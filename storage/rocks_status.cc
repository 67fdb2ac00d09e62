#include "storage/rocks_status.h"

#include <string>

#include "base/strings.h"

namespace cairn::storage {

absl::Status FromRocks(const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = status.ToString();
  if (status.IsCorruption()) return absl::DataLossError(ToAbsl(message));
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(ToAbsl(message));
  if (status.IsNotFound() || status.IsPathNotFound()) return absl::NotFoundError(ToAbsl(message));
  if (status.IsInvalidArgument() || status.IsNotSupported()) {
    return absl::FailedPreconditionError(ToAbsl(message));
  }
  return absl::UnavailableError(ToAbsl(message));
}

}  // namespace cairn::storage
