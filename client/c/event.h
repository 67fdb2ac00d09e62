// Event: what a cairn_event really is, with all that it points to.
//
// Made on the library's threads or by whoever takes it, handed through a CompletionQueue, then the
// program's until it is released (EventTable).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "cairn/cairn.h"
#include "cairn/tailer.h"

namespace cairn::c {

class Outlet;

struct Event : cairn_event {
  // `status` is told as it is; an event of a success has CAIRN_OK.
  Event(int32_t event_kind, const absl::Status& why);
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // Takes over what a reader brought and points `records` to it.
  void SetRecords(TailEvent brought);
  void SetAppended(const AppendResult& result);

  std::shared_ptr<Outlet> outlet;  // Whose it is, until it is taken.
  bool has_place = false;          // It holds one of the queue's places.
  TailEvent tail;

 private:
  void View(const Record& record);
  std::vector<cairn_record> views_;
  std::vector<cairn_metadata> metadata_;
};

// The events that programs have taken and not given back.
// Threads: any.
class EventTable {
 public:
  static EventTable& Get();

  const cairn_event* Add(std::unique_ptr<Event> event);
  // Null: it is not, or no longer, a program's.
  std::unique_ptr<Event> Remove(const cairn_event* event);
  // The tail's event that it stands for; null as above.
  std::unique_ptr<TailEvent> CopyTail(const cairn_event* event);

 private:
  absl::Mutex mutex_;
  absl::flat_hash_map<const cairn_event*, std::unique_ptr<Event>> taken_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cairn::c
