// S3Client: one HTTP conversation with an S3 service: signs, sends, judges answers, and tries again
// what may pass. Below S3Store, which knows what the requests mean.
//
// Signing is libcurl's (CURLOPT_AWS_SIGV4). Releases as old as Debian 12's 7.88 sign path and query
// as they stand, neither encoding nor sorting them; newer ones make them canonical. So both are
// made canonical here (percent-encoded in capitals, sorted by name, `name=` where there is no
// value), which is right for either. Every request carries x-amz-content-sha256 of its real body,
// which those releases would guess, and which the service checks. No header has a name that begins
// with another's: 7.88 sorts whole lines.
//
// Tried again: broken connections, timeouts, 408, 429, 500, 502, 503, 504, and S3's RequestTimeout
// and SlowDown, up to RetryPolicy::attempts times with growing, random pauses. Attempts that made
// progress in a download count anew (S3Store).
//
// TLS is verified. A plain http endpoint is spoken to directly, never through a proxy. Redirects
// are not followed: what is signed goes only where the URL says.
//
// Threads: one at a time. Lifetime: one operation, whose requests share the connection; `stop`
// outlives it. Bounds: an answer that is not handed on has at most kMaxAnswerBytes.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "base/random.h"
#include "storage/objects/aws_credentials.h"
#include "storage/objects/object_store.h"
#include "storage/objects/s3_answers.h"
#include "storage/objects/store_url.h"

namespace cairn::objects {

inline constexpr size_t kMaxAnswerBytes = size_t{16} << 20;

struct RetryPolicy {
  int attempts = 6;
  int64_t first_pause_ms = 200;  // Doubles each time; half of it is random.
  int64_t max_pause_ms = 10'000;
  int64_t connect_timeout_ms = 10'000;
  // A transfer that moves less than a byte a second for so long is broken off.
  int64_t stall_timeout_s = 30;
};

struct S3Request {
  const char* method = "GET";
  std::string key;  // As S3 has it, with the prefix; empty: the bucket itself.
  // Sorted by name.
  std::vector<std::pair<std::string, std::string>> query;
  std::string_view body;
  uint64_t first_byte = 0;  // Above 0: a range from there to the end,
  std::string if_match;     // of the object with this ETag.
};

struct S3Answer {
  long status = 0;
  std::string etag;
  std::optional<uint64_t> content_bytes;
  std::optional<uint64_t> range_first;  // Of Content-Range.
  std::optional<uint64_t> range_total;
  WallMicros modified_us = 0;
  std::string region;  // x-amz-bucket-region.
  std::string body;    // Empty if somebody took it.
};

class S3Client {
 public:
  // Takes the next bytes of an answer with this head.
  using Body = absl::FunctionRef<absl::Status(const S3Answer& head, std::string_view bytes)>;

  S3Client(const S3StoreUrl& url, AwsCredentials credentials, const RetryPolicy& policy,
           const absl::Notification& stop);

  // One attempt. `transient` says of an error whether another may succeed. `body`, unless
  // null, takes that of an answer of status 200 or 206, and of no other.
  // Errors: as ObjectStore; what `body` said.
  absl::StatusOr<S3Answer> Once(const S3Request& request, const Body* body, bool* transient);
  // With further attempts. `retried`, if not null, says whether an earlier attempt may have been
  // carried out although its answer was lost.
  absl::StatusOr<S3Answer> Perform(const S3Request& request, bool* retried = nullptr);

  // Waits before attempt number `attempt` + 1. CANCELLED when stopped meanwhile.
  absl::Status Pause(int attempt);
  [[nodiscard]] const RetryPolicy& policy() const { return policy_; }

  // Of an answer with a status that says no, or an <Error> in one that says yes.
  absl::Status Refusal(const S3Request& request, const S3Answer& answer, bool* transient) const;

 private:
  struct Transfer;
  struct CurlDeleter {
    void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  };
  struct ListDeleter {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  using Headers = std::unique_ptr<curl_slist, ListDeleter>;

  [[nodiscard]] std::string UrlOf(const S3Request& request) const;
  [[nodiscard]] Headers HeadersOf(const S3Request& request) const;
  void SetConnection();
  void SetRequest(const S3Request& request, curl_slist* headers, Transfer* transfer);
  absl::Status Broken(CURLcode code, const S3Request& request, const Transfer& transfer,
                      bool* transient) const;
  [[nodiscard]] std::string Place(const S3Request& request) const;

  static size_t OnBody(char* bytes, size_t size, size_t count, void* transfer);
  static size_t OnHeader(char* bytes, size_t size, size_t count, void* transfer);
  static int OnProgress(void* client, curl_off_t, curl_off_t, curl_off_t, curl_off_t);

  const S3StoreUrl url_;
  const AwsCredentials credentials_;
  const RetryPolicy policy_;
  const absl::Notification& stop_;
  Random random_;
  std::unique_ptr<CURL, CurlDeleter> curl_;
};

}  // namespace cairn::objects
