// LogMarks: what the marks of a cache's records say about the primary's stream: where it stood
// behind the last whole one, and which database was selected there.
//
//   LogHead ──record──► Read ──place──► LogFacts          Database ──► StreamPublisher, at its
//   start
//
// The database is only asked for when an agent finds a primary's memory to go on with, so the last
// payload is kept, and looked into then.
//
// Threads: Read and Database one at a time; they may be different threads. Bounds: one payload.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "adapter/redis/stream_mark.h"
#include "adapter/role_events.h"
#include "base/ids.h"
#include "cairn/types.h"

namespace cairn::adapter::redis {

class LogMarks {
 public:
  // Reads the payloads of the data records [first, last] again, in order, until one is refused.
  using ReadAgain = std::function<absl::Status(Seq first, Seq last,
                                               std::function<absl::Status(std::string_view)>)>;

  // A PlaceReader. Errors: kDataLoss: no mark, or a wrong one.
  absl::StatusOr<std::optional<StreamPlace>> Read(Record* record);

  // Selected behind the last whole record. Requires: there was one.
  [[nodiscard]] absl::StatusOr<uint32_t> Database(const ReadAgain& read_again) const;

  // Of the last whole record; nullptr before the first.
  [[nodiscard]] const StreamMark* last() const { return last_ ? &last_->mark : nullptr; }

 private:
  struct Whole {
    Seq seq;
    StreamMark mark;
    std::string payload;  // Empty for a run.
  };
  std::optional<Whole> last_;
};

}  // namespace cairn::adapter::redis
