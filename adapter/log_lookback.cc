#include "adapter/log_lookback.h"

#include "base/status_macros.h"

namespace cairn::adapter {
namespace {

constexpr absl::Duration kReadTimeout = absl::Seconds(60);
// Records that are read back at first, and by how much more each time.
constexpr uint64_t kFirstWindow = 16;
constexpr uint64_t kWindowFactor = 16;

absl::StatusOr<std::optional<Seq>> FindIn(Log log, Seq from, Seq last, LookAtRecord look) {
  ReadOptions read;
  read.call.timeout = kReadTimeout;
  read.start_seq = from;
  read.end_seq = last;
  ReadStream stream = log.Read(read);
  std::optional<Seq> newest;
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<RecordBatch> batch, stream.Next());
    if (!batch) return newest;
    for (const Record& record : batch->records) {
      ASSIGN_OR_RETURN(const std::optional<Seq> told, look(record));
      if (told) newest = told;
    }
  }
}

}  // namespace

absl::StatusOr<std::optional<Seq>> FindNewest(const Log& log, Seq first, Seq last,
                                              LookAtRecord look) {
  for (uint64_t window = kFirstWindow;; window *= kWindowFactor) {
    const Seq from = last - first < window ? first : last - window + 1;
    ASSIGN_OR_RETURN(const std::optional<Seq> newest, FindIn(log, from, last, look));
    if (newest || from == first) return newest;
  }
}

}  // namespace cairn::adapter
