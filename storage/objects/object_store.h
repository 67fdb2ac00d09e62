// ObjectStore: where what must outlive the machines that serve is kept: snapshots of caches. A flat
// space of objects by key, as S3 has it; the implementations are file_store.h and s3_store.h.
//
// Keys: segments of [A-Za-z0-9_=.-] between single slashes, none of which begins with a dot, at
// most kMaxKeyBytes together. Anything else in the same place is none of ours: List passes it over.
//
// Atomic: an object is visible whole or not at all, to any reader, whatever dies when. A second Put
// of a key replaces the object in one step. After an OK the object survives a power cut.
//
// Errors, chosen for the caller's next move:
//   INVALID_ARGUMENT     a key or URL that can never work
//   NOT_FOUND            no such object, bucket or directory
//   PERMISSION_DENIED    credentials, policy, or file permissions; waiting does not help
//   RESOURCE_EXHAUSTED   the disk is full, or the object is larger than the store can take
//   UNAVAILABLE          retries are used up (s3_store.h says how many); later may work
//   DATA_LOSS            the store answered what cannot be true
//   CANCELLED            Stop() was called
// A message names the place, the key, what was said, and what to do. What the caller's own source
// or sink answers is returned as it is.
//
// Threads: any, at the same time. Calls block; Stop() makes all of them end soon.
// Bounds: memory per call as the implementation says, never that of the object.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"

namespace cairn::objects {

inline constexpr size_t kMaxKeyBytes = 700;  // S3 takes 1,024, the URL's prefix included.
// More objects than that below one prefix are a mistake of the prefix.
inline constexpr size_t kMaxListedObjects = 1'000'000;

struct StoredObject {
  std::string key;
  uint64_t bytes = 0;
  WallMicros modified_us = 0;  // By the store's clock.
};

class ObjectStore {
 public:
  // Fills `buffer` with 1 … `capacity` bytes and returns how many; 0: the end.
  using Source = absl::FunctionRef<absl::StatusOr<size_t>(char* buffer, size_t capacity)>;
  // Takes the next bytes, in order, none twice.
  using Sink = absl::FunctionRef<absl::Status(std::string_view bytes)>;

  virtual ~ObjectStore() = default;

  // The location without any secret, for messages and for those who shall find it again.
  [[nodiscard]] virtual const std::string& url() const = 0;

  // Stores what `source` hands out until its end, which need not be known before; returns the
  // bytes. After an error nothing is stored, and what was there before is still there.
  virtual absl::StatusOr<uint64_t> Put(std::string_view key, Source source) = 0;

  // Hands the object's bytes to `sink`. After an error the sink has seen a prefix of them.
  virtual absl::Status Get(std::string_view key, Sink sink) = 0;

  virtual absl::StatusOr<StoredObject> Head(std::string_view key) = 0;

  // All objects whose keys begin with `prefix`, which may end anywhere, by key. What was stored
  // before the call is there; what is stored meanwhile may be.
  // Errors: RESOURCE_EXHAUSTED above kMaxListedObjects.
  virtual absl::StatusOr<std::vector<StoredObject>> List(std::string_view prefix) = 0;

  // OK when there is no such object, too.
  virtual absl::Status Delete(std::string_view key) = 0;

  // Removes what uploads left behind whose process was killed, if begun before `older_than_us`;
  // returns how many. Never visible as an object, but it takes space.
  virtual absl::StatusOr<uint64_t> RemoveUnfinished(WallMicros older_than_us) = 0;

  // Ends all calls under way and refuses further ones, with CANCELLED. From any thread.
  virtual void Stop() = 0;
};

// "" when `key` is one, else what is wrong with it.
std::string CheckKey(std::string_view key);

// Small objects in one piece.
absl::Status PutBytes(ObjectStore& store, std::string_view key, std::string_view bytes);
// RESOURCE_EXHAUSTED when it has more than `max_bytes`.
absl::StatusOr<std::string> GetBytes(ObjectStore& store, std::string_view key, size_t max_bytes);

// Opens the store that `url` names (store_url.h). Credentials come from `lookup`, `std::getenv`
// outside of tests.
// Errors: INVALID_ARGUMENT for the URL, NOT_FOUND for a directory that is not there.
absl::StatusOr<std::unique_ptr<ObjectStore>> OpenObjectStore(
    std::string_view url, const char* (*lookup)(const char* name));

}  // namespace cairn::objects
