#include "tests/sim/sim_objects.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace cairn::sim {
namespace {

constexpr size_t kPieceBytes = 4096;
// Each way.
constexpr int64_t kLongestTravelMs = 60;
constexpr double kLostChance = 0.05;
// A store that hardly answers, for the length of one call.
constexpr double kSlowChance = 0.05;
constexpr int64_t kSlowFactor = 20;

absl::Status NotThere(std::string_view key) { return absl::NotFoundError(ToAbsl(key)); }

}  // namespace

// ---- The store ----------------------------------------------------------------------------------

SimObjects::Travel SimObjects::DrawTravel() {
  Travel travel{.delay_ms = random_->Between(1, kLongestTravelMs)};
  if (calm_) return travel;
  if (random_->Chance(kSlowChance)) travel.delay_ms *= kSlowFactor;
  travel.lost = random_->Chance(kLostChance);
  return travel;
}

absl::StatusOr<uint64_t> SimObjects::Put(std::string_view key, Source source) {
  std::string bytes;
  char buffer[kPieceBytes];
  while (true) {
    ASSIGN_OR_RETURN(const size_t read, source(buffer, sizeof(buffer)));
    if (read == 0) break;
    bytes.append(buffer, read);
  }
  const uint64_t size = bytes.size();
  objects_[std::string(key)] = std::move(bytes);
  return size;
}

absl::Status SimObjects::Get(std::string_view key, Sink sink) {
  const auto object = objects_.find(key);
  if (object == objects_.end()) return NotThere(key);
  return sink(object->second);
}

absl::StatusOr<objects::StoredObject> SimObjects::Head(std::string_view key) {
  const auto object = objects_.find(key);
  if (object == objects_.end()) return NotThere(key);
  return objects::StoredObject{.key = object->first, .bytes = object->second.size()};
}

absl::StatusOr<std::vector<objects::StoredObject>> SimObjects::List(std::string_view prefix) {
  std::vector<objects::StoredObject> found;
  for (auto object = objects_.lower_bound(prefix);
       object != objects_.end() && absl::StartsWith(object->first, ToAbsl(prefix)); ++object) {
    found.push_back({.key = object->first, .bytes = object->second.size()});
  }
  return found;
}

absl::Status SimObjects::Delete(std::string_view key) {
  if (const auto object = objects_.find(key); object != objects_.end()) objects_.erase(object);
  return absl::OkStatus();
}

// ---- The way there ------------------------------------------------------------------------------

absl::Status SimObjectsFromAfar::Travel() {
  const SimObjects::Travel travel = store_->DrawTravel();
  const absl::Duration delay = absl::Milliseconds(travel.delay_ms);
  absl::MutexLock lock(&mutex_);
  if (threads_->Await(&mutex_, absl::Condition(&stopped_), delay)) {
    return absl::CancelledError("the node is stopping");
  }
  return travel.lost ? absl::UnavailableError("the store does not answer") : absl::OkStatus();
}

absl::StatusOr<uint64_t> SimObjectsFromAfar::Put(std::string_view key, Source source) {
  RETURN_IF_ERROR(Travel());
  ASSIGN_OR_RETURN(const uint64_t bytes, store_->Put(key, source));
  RETURN_IF_ERROR(Travel());
  return bytes;
}

absl::Status SimObjectsFromAfar::Get(std::string_view key, Sink sink) {
  RETURN_IF_ERROR(Travel());
  RETURN_IF_ERROR(store_->Get(key, sink));
  return Travel();
}

absl::StatusOr<objects::StoredObject> SimObjectsFromAfar::Head(std::string_view key) {
  RETURN_IF_ERROR(Travel());
  return store_->Head(key);
}

absl::StatusOr<std::vector<objects::StoredObject>> SimObjectsFromAfar::List(
    std::string_view prefix) {
  RETURN_IF_ERROR(Travel());
  return store_->List(prefix);
}

absl::Status SimObjectsFromAfar::Delete(std::string_view key) {
  RETURN_IF_ERROR(Travel());
  return store_->Delete(key);
}

absl::StatusOr<uint64_t> SimObjectsFromAfar::RemoveUnfinished(WallMicros older_than_us) {
  RETURN_IF_ERROR(Travel());
  return store_->RemoveUnfinished(older_than_us);
}

void SimObjectsFromAfar::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
}

}  // namespace cairn::sim
