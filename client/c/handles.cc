#include "client/c/handles.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace cairn::c {

Handles& Handles::Get() {
  static auto* const kHandles = new Handles;
  return *kHandles;
}

uint64_t Handles::Add(std::shared_ptr<Object> object) {
  absl::MutexLock lock(&mutex_);
  objects_.emplace(++last_id_, std::move(object));
  return last_id_;
}

std::shared_ptr<Object> Handles::FindAny(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  const auto found = objects_.find(id);
  return found == objects_.end() ? nullptr : found->second;
}

std::shared_ptr<Object> Handles::Remove(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  auto node = objects_.extract(id);
  return node.empty() ? nullptr : std::move(node.mapped());
}

absl::Status Handles::NoSuch(std::string_view name) {
  return absl::InvalidArgumentError(
      fmt::format("the handle is not that of an open {0}: it is closed, was never opened, or "
                  "belongs to something else",
                  name));
}

absl::Status Handles::CloseAs(uint64_t id, Kind kind, std::string_view name) {
  std::shared_ptr<Object> object = FindAny(id);
  if (!object || object->kind() != kind) return NoSuch(name);
  if (InUnsafeCallback()) {
    return absl::FailedPreconditionError("on_unsafe may close nothing: set a flag instead");
  }
  RETURN_IF_ERROR(object->CanClose());
  // Of two threads that close it, one does.
  if (!Remove(id)) return NoSuch(name);
  object->Close();
  return absl::OkStatus();
}

void Handles::CloseAllOf(const CompletionQueue& queue) {
  std::vector<std::pair<uint64_t, std::shared_ptr<Object>>> found;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, object] : objects_) {
      if (&object->outlet()->queue() == &queue) found.emplace_back(id, object);
    }
  }
  // Youngest first: whatever was opened from another goes before it.
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first > b.first; });
  for (auto& [id, object] : found) {
    if (Remove(id)) object->Close();
    object.reset();
  }
}

bool& InUnsafeCallback() {
  thread_local bool inside = false;
  return inside;
}

}  // namespace cairn::c
