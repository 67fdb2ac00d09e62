// WarmUp: brings all items of a view into an engine.
//
//   ViewScan ──slice──► FillBatch ──► EngineFiller ──► engine
//   (Background)                        (engine thread)
//
// The next slice is read and put into commands while the engine takes the one before.
//
// Threads: the engine thread; slices are made on one of the Background. Bounds: those of the
// filler, and one slice. Errors: those of engine_filler.h and view_scan.h; kCancelled if `wanted`
// says no.
#pragma once

#include <asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/background.h"
#include "adapter/memcache/cas_token.h"
#include "adapter/memcache/engine_filler.h"
#include "adapter/memcache/view_scan.h"
#include "adapter/progress_report.h"

namespace cairn::adapter::memcache {

// Of the machine's clock, by which items expire.
UnixSeconds WallSeconds();

struct FillSlice {
  FillBatch batch;
  bool more = false;
};

// Of the items that live at `now`. `numbered`: the engine takes the flag E.
absl::StatusOr<FillSlice> NextFillSlice(ViewScan* scan, UnixSeconds now, bool numbered = false);

// The CAS of the item that an effect has stored; 0 for an engine that numbers by itself.
inline uint64_t NumberFor(EffectId stored_by, bool numbered) {
  return numbered ? CasTokens::Logged(stored_by.seq.value(), stored_by.index) : 0;
}

struct WarmUpParts {
  Background* background;
  EngineFiller* filler;  // Connected.
  std::shared_ptr<ViewScan> scan;
  ProgressReport* report;        // Null: nobody is told.
  std::function<bool()> wanted;  // Asked between slices.
  bool numbered = false;         // The engine takes the flag E.
};

asio::awaitable<absl::Status> WarmUp(WarmUpParts parts);

}  // namespace cairn::adapter::memcache
