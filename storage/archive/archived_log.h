// ArchivedLog: the small object of a log in the archive: what a restore needs besides its records.
//
//   {"format":1,"cluster_id":…,"log_id":…,"name":…,"settings":{"retention_ms":…,…}}
//
// Settings have the names and values of cairn.v1.LogSettings. A field that this version does not
// know is passed over; a newer format is refused.
//
// Pure values; any thread.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cairn/v1/log.pb.h"
#include "storage/archive/run_name.h"

namespace cairn::archive {

inline constexpr int kArchiveFormat = 1;

struct ArchivedLog {
  LogPlace place;
  std::string name;
  cairn::v1::LogSettings settings;

  [[nodiscard]] std::string ToText() const;
  // Errors: kDataLoss when it is none; kFailedPrecondition when it is of a newer format.
  static absl::StatusOr<ArchivedLog> FromText(std::string_view text);
};

}  // namespace cairn::archive
