#include "server/run_ahead.h"

#include <utility>

#include "base/mark.h"

namespace cairn::server {

std::optional<RunRequest> RunAhead::Behind(const RunRequest& request, const Fetched& fetched) {
  if (!fetched.status.ok() || request.ahead.index <= request.through.index) return std::nullopt;
  return RunRequest{.group = request.group,
                    .from = request.from,
                    .prev = request.through,
                    .position = fetched.after,
                    .through = request.ahead,
                    .free_bytes = request.free_bytes};
}

void RunAhead::Keep(const RunRequest& request, Fetched fetched) {
  kept_.reset();
  if (fetched.status.ok()) kept_ = {request, std::move(fetched)};
}

Fetched RunAhead::Take(const RunRequest& request, const storage::LogStore& store) {
  if (!kept_ || kept_->request.group != request.group) return {};
  Kept kept = *std::exchange(kept_, std::nullopt);
  const RunRequest& had = kept.request;
  const bool is_it = had.from == request.from && had.prev == request.prev &&
                     had.position == request.position && had.through == request.through;
  if (!is_it || !store.Continues(*kept.fetched.run)) return {};
  Hit(Mark::kRunAhead);
  kept.fetched.ticket = request.ticket;
  return std::move(kept.fetched);
}

}  // namespace cairn::server
