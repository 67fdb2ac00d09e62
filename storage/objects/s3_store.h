// S3Store: objects in a bucket of S3 or of anything that speaks its protocol (path-style or
// virtual-host; requests and retries: s3_client.h).
//
// Put reads the source into one part. If that is all, it is a plain PUT; otherwise a multipart
// upload in parts of the same size (some services demand that), each with the SHA-256 that the
// service checks, and one request at the end that makes the object. Any failure before aborts the
// upload, which frees its space. What a killed process left, or Stop(), which waits for nobody, is
// found by RemoveUnfinished, and by a bucket rule (AbortIncompleteMultipartUpload), which operators
// should set.
//
// Get goes on behind the last byte when a connection breaks, with a range of the very object that
// it began with (If-Match), so no byte comes twice and none of another object. It gives up after
// RetryPolicy::attempts failures in a row without a byte.
//
// Threads: any; calls share only the stop signal. Bounds: one part of memory per Put.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/call_once.h"
#include "absl/synchronization/notification.h"
#include "storage/objects/object_store.h"
#include "storage/objects/s3_client.h"
#include "storage/objects/store_url.h"

namespace cairn::objects {

class S3Store final : public ObjectStore {
 public:
  // Talks to nobody yet. `lookup` is asked for the credentials of each operation.
  static std::unique_ptr<ObjectStore> Open(const S3StoreUrl& url, EnvironmentLookup lookup,
                                           const RetryPolicy& policy = {});

  [[nodiscard]] const std::string& url() const override { return shown_url_; }
  absl::StatusOr<uint64_t> Put(std::string_view key, Source source) override;
  absl::Status Get(std::string_view key, Sink sink) override;
  absl::StatusOr<StoredObject> Head(std::string_view key) override;
  absl::StatusOr<std::vector<StoredObject>> List(std::string_view prefix) override;
  absl::Status Delete(std::string_view key) override;
  absl::StatusOr<uint64_t> RemoveUnfinished(WallMicros older_than_us) override;
  void Stop() override;

 private:
  class Upload;

  S3Store(const S3StoreUrl& url, EnvironmentLookup lookup, const RetryPolicy& policy);

  absl::StatusOr<std::unique_ptr<S3Client>> NewClient() const;
  // The key as S3 has it. INVALID_ARGUMENT for what is no key.
  [[nodiscard]] absl::StatusOr<std::string> FullKey(std::string_view key) const;
  // The prefix with its slash, or nothing.
  [[nodiscard]] std::string Prefix() const;

  const S3StoreUrl url_;
  const EnvironmentLookup lookup_;
  const RetryPolicy policy_;
  const std::string shown_url_;
  absl::once_flag stop_once_;
  absl::Notification stop_;
};

}  // namespace cairn::objects
