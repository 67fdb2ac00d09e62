#include "adapter/memcache/engine_warmup.h"

#include <utility>

#include "base/clock.h"
#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

constexpr size_t kSliceBytes = size_t{1} << 20;

}  // namespace

UnixSeconds WallSeconds() { return SystemClock().Wall() / kMicrosPerSecond; }

absl::StatusOr<FillSlice> NextFillSlice(ViewScan* scan, UnixSeconds now, bool numbered) {
  FillSlice slice;
  slice.batch.commands.reserve(2 * kSliceBytes);
  const auto add = [&](const EffectView& item, EffectId stored_by) {
    slice.batch.Add(item, now, NumberFor(stored_by, numbered));
  };
  ASSIGN_OR_RETURN(slice.more, scan->Next(kSliceBytes, now, add));
  return slice;
}

asio::awaitable<absl::Status> WarmUp(WarmUpParts parts) {
  // The scan is this thread's between two slices.
  const std::shared_ptr<ViewScan> scan = parts.scan;
  for (bool more = true; more;) {
    if (!parts.wanted()) co_return absl::CancelledError("the filling was given up");
    auto next = [scan, numbered = parts.numbered] {
      return NextFillSlice(scan.get(), WallSeconds(), numbered);
    };
    absl::StatusOr<FillSlice> slice = co_await parts.background->Run(std::move(next));
    if (!slice.ok()) co_return slice.status();
    if (!parts.wanted()) co_return absl::CancelledError("the filling was given up");
    more = slice->more;
    const absl::Status sent = co_await parts.filler->Stream(std::move(slice->batch));
    if (!sent.ok()) co_return sent;
    if (parts.report != nullptr) {
      parts.report->Update(Phase::kFill, scan->items(), scan->estimate().items);
    }
  }
  co_return co_await parts.filler->Settle();
}

}  // namespace cairn::adapter::memcache
