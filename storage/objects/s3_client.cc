#include "storage/objects/s3_client.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <strings.h>
#include <sys/random.h>

#include <algorithm>
#include <charconv>
#include <mutex>
#include <system_error>

#include "absl/time/time.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace cairn::objects {
namespace {

std::string Sha256Hex(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK_EQ(EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr), 1);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

uint64_t Seed() {
  uint64_t seed = 0;
  CHECK_EQ(getrandom(&seed, sizeof(seed), 0), static_cast<ssize_t>(sizeof(seed)));
  return seed;
}

bool IsTransientStatus(long status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
         status == 504;
}

bool IsTransientCode(std::string_view code) {
  return code == "InternalError" || code == "SlowDown" || code == "RequestTimeout" ||
         code == "ServiceUnavailable";
}

// Whether the request may have been answered by something that another attempt will not meet.
bool IsTransient(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WEIRD_SERVER_REPLY:
      return true;
    default:
      return false;
  }
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "bytes 10-99/100".
void ParseContentRange(std::string_view value, S3Answer* answer) {
  const size_t dash = value.find('-');
  const size_t slash = value.find('/');
  if (!value.starts_with("bytes ") || dash == std::string_view::npos ||
      slash == std::string_view::npos || slash < dash) {
    return;
  }
  answer->range_first = ParseNumber(value.substr(6, dash - 6));
  answer->range_total = ParseNumber(value.substr(slash + 1));
}

bool IsHeader(std::string_view name, std::string_view wanted) {
  return name.size() == wanted.size() && strncasecmp(name.data(), wanted.data(), name.size()) == 0;
}

void TakeHeader(std::string_view name, std::string_view value, S3Answer* answer) {
  if (IsHeader(name, "etag")) answer->etag = value;
  if (IsHeader(name, "content-length")) answer->content_bytes = ParseNumber(value);
  if (IsHeader(name, "content-range")) ParseContentRange(value, answer);
  if (IsHeader(name, "x-amz-bucket-region")) answer->region = value.substr(0, 64);
  if (IsHeader(name, "last-modified")) {
    const time_t seconds = curl_getdate(std::string(value).c_str(), nullptr);
    if (seconds > 0) answer->modified_us = seconds * kMicrosPerSecond;
  }
}

// What an operator can do about it.
std::string Advice(const S3Answer& answer, const S3Error& error) {
  if (error.code == "NoSuchBucket") return "; make the bucket, or correct the URL";
  if (error.code == "RequestTimeTooSkewed") return "; set this machine's clock";
  if (error.code == "SignatureDoesNotMatch" || error.code == "InvalidAccessKeyId") {
    return "; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
  }
  if (error.code == "ExpiredToken") return "; renew AWS_SESSION_TOKEN and its keys";
  const std::string region = error.region.empty() ? answer.region : error.region;
  if ((answer.status == 301 || answer.status == 307 || answer.status == 400) && !region.empty()) {
    return fmt::format("; the bucket is in region={}", region);
  }
  if (answer.status / 100 == 3) return "; check endpoint= and region= of the URL";
  if (answer.status == 401 || answer.status == 403) {
    return "; the keys need s3:PutObject, GetObject, ListBucket, DeleteObject, "
           "AbortMultipartUpload there";
  }
  return "";
}

absl::StatusCode CodeOf(long status) {
  switch (status) {
    case 401:
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 412:
      return absl::StatusCode::kDataLoss;
    case 400:
    case 405:
    case 411:
    case 413:
      return absl::StatusCode::kInvalidArgument;
    case 507:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

template <class Value>
void Set(CURL* curl, CURLoption option, Value value) {
  CHECK_EQ(curl_easy_setopt(curl, option, value), CURLE_OK);
}

}  // namespace

struct S3Client::Transfer {
  CURL* curl = nullptr;
  const Body* body = nullptr;
  S3Answer answer;
  absl::Status body_status;
  bool too_large = false;
  char error[CURL_ERROR_SIZE] = {};
};

S3Client::S3Client(const S3StoreUrl& url, AwsCredentials credentials, const RetryPolicy& policy,
                   const absl::Notification& stop)
    : url_(url),
      credentials_(std::move(credentials)),
      policy_(policy),
      stop_(stop),
      random_(Seed()) {
  static std::once_flag initialized;
  std::call_once(initialized, [] { CHECK_EQ(curl_global_init(CURL_GLOBAL_DEFAULT), CURLE_OK); });
  curl_.reset(curl_easy_init());
  CHECK(curl_ != nullptr);
}

std::string S3Client::Place(const S3Request& request) const {
  return fmt::format("{} s3://{}/{} at {}", request.method, url_.bucket, request.key,
                     url_.endpoint);
}

std::string S3Client::UrlOf(const S3Request& request) const {
  std::string url = fmt::format("{}/{}", url_.BucketUrl(), PercentEncode(request.key, true));
  CHECK(std::is_sorted(request.query.begin(), request.query.end()));
  char separator = '?';
  for (const auto& [name, value] : request.query) {
    url +=
        fmt::format("{}{}={}", separator, PercentEncode(name, false), PercentEncode(value, false));
    separator = '&';
  }
  return url;
}

S3Client::Headers S3Client::HeadersOf(const S3Request& request) const {
  std::vector<std::string> lines = {"x-amz-content-sha256: " + Sha256Hex(request.body)};
  if (!request.body.empty()) lines.emplace_back("content-type: application/octet-stream");
  if (!credentials_.session_token.empty()) {
    lines.push_back("x-amz-security-token: " + credentials_.session_token);
  }
  if (request.first_byte > 0) lines.push_back(fmt::format("range: bytes={}-", request.first_byte));
  if (!request.if_match.empty()) lines.push_back("if-match: " + request.if_match);
  Headers headers;
  for (const std::string& line : lines) {
    curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
    CHECK(longer != nullptr);
    static_cast<void>(headers.release());
    headers.reset(longer);
  }
  return headers;
}

void S3Client::SetConnection() {
  CURL* const curl = curl_.get();
  const bool plain = url_.endpoint.starts_with("http://");
  curl_easy_reset(curl);  // Keeps the connection.
  Set(curl, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
  Set(curl, CURLOPT_FOLLOWLOCATION, 0L);
  if (plain) Set(curl, CURLOPT_PROXY, "");
  if (!url_.ca_file.empty()) Set(curl, CURLOPT_CAINFO, url_.ca_file.c_str());
  Set(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  Set(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  Set(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  Set(curl, CURLOPT_PATH_AS_IS, 1L);
  Set(curl, CURLOPT_NOSIGNAL, 1L);
  Set(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(policy_.connect_timeout_ms));
  Set(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  Set(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(policy_.stall_timeout_s));
  Set(curl, CURLOPT_USERNAME, credentials_.access_key_id.c_str());
  Set(curl, CURLOPT_PASSWORD, credentials_.secret_access_key.c_str());
  Set(curl, CURLOPT_AWS_SIGV4, fmt::format("aws:amz:{}:s3", url_.region).c_str());
}

void S3Client::SetRequest(const S3Request& request, curl_slist* headers, Transfer* transfer) {
  CURL* const curl = curl_.get();
  const std::string_view method = request.method;
  Set(curl, CURLOPT_URL, UrlOf(request).c_str());
  Set(curl, CURLOPT_HTTPHEADER, headers);
  if (method == "HEAD") {
    Set(curl, CURLOPT_NOBODY, 1L);
  } else if (method == "PUT" || method == "POST") {
    Set(curl, CURLOPT_POST, 1L);
    Set(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    Set(curl, CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());
    Set(curl, CURLOPT_CUSTOMREQUEST, request.method);
  } else if (method != "GET") {
    Set(curl, CURLOPT_CUSTOMREQUEST, request.method);
  }
  Set(curl, CURLOPT_ERRORBUFFER, transfer->error);
  Set(curl, CURLOPT_WRITEFUNCTION, &S3Client::OnBody);
  Set(curl, CURLOPT_WRITEDATA, static_cast<void*>(transfer));
  Set(curl, CURLOPT_HEADERFUNCTION, &S3Client::OnHeader);
  Set(curl, CURLOPT_HEADERDATA, static_cast<void*>(transfer));
  Set(curl, CURLOPT_NOPROGRESS, 0L);
  Set(curl, CURLOPT_XFERINFOFUNCTION, &S3Client::OnProgress);
  Set(curl, CURLOPT_XFERINFODATA, static_cast<void*>(this));
}

size_t S3Client::OnBody(char* bytes, size_t size, size_t count, void* transfer) {
  auto* const self = static_cast<Transfer*>(transfer);
  const size_t total = size * count;
  long status = 0;
  curl_easy_getinfo(self->curl, CURLINFO_RESPONSE_CODE, &status);
  self->answer.status = status;
  if (self->body != nullptr && (status == 200 || status == 206)) {
    self->body_status = (*self->body)(self->answer, {bytes, total});
    return self->body_status.ok() ? total : 0;
  }
  self->too_large = total > kMaxAnswerBytes - self->answer.body.size();
  if (self->too_large) return 0;
  self->answer.body.append(bytes, total);
  return total;
}

size_t S3Client::OnHeader(char* bytes, size_t size, size_t count, void* transfer) {
  auto* const self = static_cast<Transfer*>(transfer);
  std::string_view line(bytes, size * count);
  // An answer may come after a "100 Continue", whose headers say nothing about it.
  if (line.starts_with("HTTP/")) self->answer = {};
  while (!line.empty() && static_cast<unsigned char>(line.back()) <= ' ') line.remove_suffix(1);
  const size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    std::string_view value = line.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    TakeHeader(line.substr(0, colon), value, &self->answer);
  }
  return size * count;
}

int S3Client::OnProgress(void* client, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<S3Client*>(client)->stop_.HasBeenNotified() ? 1 : 0;
}

absl::Status S3Client::Broken(CURLcode code, const S3Request& request, const Transfer& transfer,
                              bool* transient) const {
  if (!transfer.body_status.ok()) return transfer.body_status;
  if (stop_.HasBeenNotified()) return absl::CancelledError("object store: stopped");
  if (transfer.too_large) {
    return absl::DataLossError(
        fmt::format("{}: the answer has more than {} bytes; is the endpoint "
                    "an S3 service?",
                    Place(request), kMaxAnswerBytes));
  }
  *transient = IsTransient(code);
  std::string message = fmt::format("{}: {}", Place(request), curl_easy_strerror(code));
  if (transfer.error[0] != '\0') message += fmt::format(" ({})", transfer.error);
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
    return absl::PermissionDeniedError(message + "; ca-file= names the certificates to trust");
  }
  return *transient ? absl::UnavailableError(message) : absl::InternalError(message);
}

absl::Status S3Client::Refusal(const S3Request& request, const S3Answer& answer,
                               bool* transient) const {
  const S3Error error = ParseS3Error(answer.body).value_or(S3Error());
  *transient = IsTransientStatus(answer.status) || IsTransientCode(error.code);
  std::string said = fmt::format("HTTP {}", answer.status);
  if (!error.code.empty()) said += " " + error.code;
  if (!error.message.empty()) said += fmt::format(" ({})", error.message);
  const absl::StatusCode code = *transient ? absl::StatusCode::kUnavailable : CodeOf(answer.status);
  return absl::Status(code, fmt::format("{}: {}{}", Place(request), said, Advice(answer, error)));
}

absl::StatusOr<S3Answer> S3Client::Once(const S3Request& request, const Body* body,
                                        bool* transient) {
  *transient = false;
  if (stop_.HasBeenNotified()) return absl::CancelledError("object store: stopped");
  Transfer transfer;
  transfer.curl = curl_.get();
  transfer.body = body;
  const Headers headers = HeadersOf(request);
  SetConnection();
  SetRequest(request, headers.get(), &transfer);
  const CURLcode code = curl_easy_perform(curl_.get());
  if (code != CURLE_OK) return Broken(code, request, transfer, transient);
  curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &transfer.answer.status);
  if (transfer.answer.status / 100 != 2) return Refusal(request, transfer.answer, transient);
  return std::move(transfer.answer);
}

absl::StatusOr<S3Answer> S3Client::Perform(const S3Request& request, bool* retried) {
  for (int attempt = 1;; ++attempt) {
    bool transient = false;
    absl::StatusOr<S3Answer> answer = Once(request, nullptr, &transient);
    if (answer.ok() || !transient) return answer;
    if (attempt >= policy_.attempts) {
      return Annotate(answer.status(), fmt::format("{} attempts failed", attempt));
    }
    if (retried != nullptr) *retried = true;
    RETURN_IF_ERROR(Pause(attempt));
  }
}

absl::Status S3Client::Pause(int attempt) {
  const int64_t doubled = policy_.first_pause_ms << std::min(attempt - 1, 20);
  const int64_t pause_ms = std::min(doubled, policy_.max_pause_ms);
  const int64_t chosen_ms = random_.Between(pause_ms / 2, pause_ms);
  if (stop_.WaitForNotificationWithTimeout(absl::Milliseconds(chosen_ms))) {
    return absl::CancelledError("object store: stopped");
  }
  return absl::OkStatus();
}

}  // namespace cairn::objects
