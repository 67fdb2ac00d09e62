#include "storage/objects/s3_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace cairn::objects {
namespace {

constexpr size_t kMaxParts = 10'000;  // S3's bound.
constexpr size_t kMaxPages = 10'000;  // A service that always says "more" ends, too.

// Everything that decides where the objects are, and nothing else.
std::string ShownUrl(const S3StoreUrl& url) {
  return fmt::format("s3://{}{}{}?endpoint={}&path-style={}&region={}", url.bucket,
                     url.prefix.empty() ? "" : "/", PercentEncode(url.prefix, true), url.endpoint,
                     url.path_style, url.region);
}

// Reads until the part is full or the source ends.
absl::StatusOr<std::string_view> FillPart(ObjectStore::Source source, char* part, size_t capacity) {
  size_t filled = 0;
  while (filled < capacity) {
    ASSIGN_OR_RETURN(const size_t more, source(part + filled, capacity - filled));
    CHECK_LE(more, capacity - filled);
    if (more == 0) break;
    filled += more;
  }
  return std::string_view(part, filled);
}

std::string EscapeXml(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

}  // namespace

// One multipart upload, from its id to its end.
class S3Store::Upload {
 public:
  Upload(S3Client& client, std::string key) : client_(client), key_(std::move(key)) {}

  absl::Status Begin() {
    ASSIGN_OR_RETURN(const S3Answer answer,
                     client_.Perform({.method = "POST", .key = key_, .query = {{"uploads", ""}}}));
    ASSIGN_OR_RETURN(upload_id_, ParseUploadBegun(answer.body));
    return absl::OkStatus();
  }

  absl::Status Add(std::string_view part) {
    if (etags_.size() == kMaxParts) {
      return absl::ResourceExhaustedError(fmt::format(
          "object {} has more than {} parts of {} MiB; give the store's URL a larger part-mib=",
          key_, kMaxParts, part.size() >> 20));
    }
    ASSIGN_OR_RETURN(
        const S3Answer answer,
        client_.Perform({.method = "PUT",
                         .key = key_,
                         .query = {{"partNumber", fmt::format("{}", etags_.size() + 1)},
                                   {"uploadId", upload_id_}},
                         .body = part}));
    if (answer.etag.empty()) return absl::DataLossError("S3 gave a part no ETag");
    etags_.push_back(answer.etag);
    bytes_ += part.size();
    return absl::OkStatus();
  }

  absl::Status Complete() {
    std::string list = "<CompleteMultipartUpload>";
    for (size_t i = 0; i < etags_.size(); ++i) {
      list += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", i + 1,
                          EscapeXml(etags_[i]));
    }
    list += "</CompleteMultipartUpload>";
    const S3Request request = {
        .method = "POST", .key = key_, .query = {{"uploadId", upload_id_}}, .body = list};
    bool retried = false;
    for (int attempt = 1;; ++attempt) {
      bool transient = false;
      const absl::Status status = CompleteOnce(request, &retried, &transient);
      if (!transient || attempt >= client_.policy().attempts) return status;
      retried = true;
      RETURN_IF_ERROR(client_.Pause(attempt));
    }
  }

  // The upload is worth nothing any more; the first error is what the caller needs to know.
  void Abort() {
    client_.Perform({.method = "DELETE", .key = key_, .query = {{"uploadId", upload_id_}}})
        .status()
        .IgnoreError();
  }

  [[nodiscard]] uint64_t bytes() const { return bytes_; }

 private:
  // S3 may answer 200 at once and fail in the body. `retried`: an earlier attempt may have done it.
  absl::Status CompleteOnce(const S3Request& request, bool* retried, bool* transient) {
    const absl::StatusOr<S3Answer> answer = client_.Perform(request, retried);
    if (absl::IsNotFound(answer.status()) && *retried) return ExpectWhole(answer.status());
    RETURN_IF_ERROR(answer.status());
    ASSIGN_OR_RETURN(const std::optional<S3Error> error, ParseUploadCompleted(answer->body));
    if (!error.has_value()) return absl::OkStatus();
    return client_.Refusal(request, *answer, transient);
  }

  // The upload is gone: an attempt whose answer was lost made the object, or somebody aborted it.
  absl::Status ExpectWhole(const absl::Status& otherwise) {
    const absl::StatusOr<S3Answer> head = client_.Perform({.method = "HEAD", .key = key_});
    const bool whole = head.ok() && head->content_bytes == bytes_ &&
                       head->etag.ends_with(fmt::format("-{}\"", etags_.size()));
    return whole ? absl::OkStatus() : otherwise;
  }

  S3Client& client_;
  const std::string key_;
  std::string upload_id_;
  std::vector<std::string> etags_;
  uint64_t bytes_ = 0;
};

std::unique_ptr<ObjectStore> S3Store::Open(const S3StoreUrl& url, EnvironmentLookup lookup,
                                           const RetryPolicy& policy) {
  return std::unique_ptr<ObjectStore>(new S3Store(url, lookup, policy));
}

S3Store::S3Store(const S3StoreUrl& url, EnvironmentLookup lookup, const RetryPolicy& policy)
    : url_(url), lookup_(lookup), policy_(policy), shown_url_(ShownUrl(url)) {}

void S3Store::Stop() {
  absl::call_once(stop_once_, [this] { stop_.Notify(); });
}

absl::StatusOr<std::unique_ptr<S3Client>> S3Store::NewClient() const {
  ASSIGN_OR_RETURN(AwsCredentials credentials, LoadAwsCredentials(lookup_));
  return std::make_unique<S3Client>(url_, std::move(credentials), policy_, stop_);
}

std::string S3Store::Prefix() const { return url_.prefix.empty() ? "" : url_.prefix + "/"; }

absl::StatusOr<std::string> S3Store::FullKey(std::string_view key) const {
  if (const std::string wrong = CheckKey(key); !wrong.empty()) {
    return absl::InvalidArgumentError("object store: " + wrong);
  }
  return fmt::format("{}{}", Prefix(), key);
}

absl::StatusOr<uint64_t> S3Store::Put(std::string_view key, Source source) {
  ASSIGN_OR_RETURN(const std::string full_key, FullKey(key));
  ASSIGN_OR_RETURN(const std::unique_ptr<S3Client> client, NewClient());
  const std::unique_ptr<char[]> block(new char[url_.part_bytes]);
  ASSIGN_OR_RETURN(std::string_view part, FillPart(source, block.get(), url_.part_bytes));
  if (part.size() < url_.part_bytes) {
    RETURN_IF_ERROR(client->Perform({.method = "PUT", .key = full_key, .body = part}).status());
    return part.size();
  }
  Upload upload(*client, full_key);
  RETURN_IF_ERROR(upload.Begin());
  const auto send_all = [&]() -> absl::Status {
    while (!part.empty()) {
      RETURN_IF_ERROR(upload.Add(part));
      ASSIGN_OR_RETURN(part, FillPart(source, block.get(), url_.part_bytes));
    }
    return upload.Complete();
  };
  if (const absl::Status sent = send_all(); !sent.ok()) {
    upload.Abort();
    return sent;
  }
  return upload.bytes();
}

namespace {

// One download over as many connections as it takes.
class Download {
 public:
  Download(S3Client& client, std::string key, ObjectStore::Sink sink)
      : client_(client), sink_(sink), request_({.key = std::move(key)}) {}

  absl::Status Run() {
    for (int failures = 1;; ++failures) {
      const uint64_t before = taken_;
      bool transient = false;
      const absl::Status status = Continue(&transient);
      if (status.ok() || !transient) return status;
      // Broken behind the last byte.
      if (total_.has_value() && taken_ == *total_) return absl::OkStatus();
      if (taken_ > before) failures = 1;
      if (failures >= client_.policy().attempts) {
        return Annotate(status, fmt::format("{} attempts failed at byte {}", failures, taken_));
      }
      RETURN_IF_ERROR(client_.Pause(failures));
    }
  }

 private:
  absl::Status Continue(bool* transient) {
    request_.first_byte = taken_;
    bool begun = false;
    const auto take = [&](const S3Answer& head, std::string_view bytes) -> absl::Status {
      if (!std::exchange(begun, true)) RETURN_IF_ERROR(TakeHead(head));
      taken_ += bytes.size();
      return sink_(bytes);
    };
    const S3Client::Body body = take;
    const absl::StatusOr<S3Answer> answer = client_.Once(request_, &body, transient);
    RETURN_IF_ERROR(answer.status());
    if (!total_.has_value() || taken_ == *total_) return absl::OkStatus();
    return Impossible(fmt::format("has {} bytes, {} came", *total_, taken_));
  }

  // Before any byte is handed on: does the answer go on where the last one broke?
  absl::Status TakeHead(const S3Answer& head) {
    if (request_.first_byte == 0) {
      if (head.status != 200) return Impossible("came as a part that nobody asked for");
      request_.if_match = head.etag;
      total_ = head.content_bytes;
      return absl::OkStatus();
    }
    if (head.status != 206 || head.range_first != request_.first_byte ||
        (total_.has_value() && head.range_total != total_)) {
      return Impossible(fmt::format("was asked for from byte {} and came as something else",
                                    request_.first_byte));
    }
    return absl::OkStatus();
  }

  [[nodiscard]] absl::Status Impossible(std::string_view what) const {
    return absl::DataLossError(fmt::format("object store: object {} {}", request_.key, what));
  }

  S3Client& client_;
  ObjectStore::Sink sink_;
  S3Request request_;
  uint64_t taken_ = 0;
  std::optional<uint64_t> total_;
};

}  // namespace

absl::Status S3Store::Get(std::string_view key, Sink sink) {
  ASSIGN_OR_RETURN(std::string full_key, FullKey(key));
  ASSIGN_OR_RETURN(const std::unique_ptr<S3Client> client, NewClient());
  return Download(*client, std::move(full_key), sink).Run();
}

absl::StatusOr<StoredObject> S3Store::Head(std::string_view key) {
  ASSIGN_OR_RETURN(const std::string full_key, FullKey(key));
  ASSIGN_OR_RETURN(const std::unique_ptr<S3Client> client, NewClient());
  ASSIGN_OR_RETURN(const S3Answer answer, client->Perform({.method = "HEAD", .key = full_key}));
  if (!answer.content_bytes.has_value()) {
    return absl::DataLossError(fmt::format("S3 does not say how large object {} is", full_key));
  }
  return StoredObject{std::string(key), *answer.content_bytes, answer.modified_us};
}

absl::StatusOr<std::vector<StoredObject>> S3Store::List(std::string_view prefix) {
  ASSIGN_OR_RETURN(const std::unique_ptr<S3Client> client, NewClient());
  std::vector<StoredObject> objects;
  std::string token;
  for (size_t pages = 0; pages < kMaxPages; ++pages) {
    S3Request request = {.query = {{"encoding-type", "url"},
                                   {"list-type", "2"},
                                   {"prefix", fmt::format("{}{}", Prefix(), prefix)}}};
    if (!token.empty()) request.query.insert(request.query.begin(), {"continuation-token", token});
    ASSIGN_OR_RETURN(const S3Answer answer, client->Perform(request));
    ASSIGN_OR_RETURN(ListPage page, ParseListPage(answer.body));
    for (StoredObject& object : page.objects) {
      if (!object.key.starts_with(Prefix())) continue;
      object.key.erase(0, Prefix().size());
      if (object.key.starts_with(prefix) && CheckKey(object.key).empty()) {
        objects.push_back(std::move(object));
      }
    }
    token = std::move(page.next);
    if (objects.size() > kMaxListedObjects) break;
    if (!token.empty()) continue;
    std::sort(objects.begin(), objects.end(),
              [](const StoredObject& a, const StoredObject& b) { return a.key < b.key; });
    return objects;
  }
  return absl::ResourceExhaustedError(
      fmt::format("object store: more than {} objects or {} pages in {}", kMaxListedObjects,
                  kMaxPages, shown_url_));
}

absl::Status S3Store::Delete(std::string_view key) {
  ASSIGN_OR_RETURN(const std::string full_key, FullKey(key));
  ASSIGN_OR_RETURN(const std::unique_ptr<S3Client> client, NewClient());
  const S3Request request = {.method = "DELETE", .key = full_key};
  const absl::StatusOr<S3Answer> answer = client->Perform(request);
  if (!absl::IsNotFound(answer.status())) return answer.status();
  // Some services say 404 for an object that is not there; for a bucket it is an error.
  const absl::StatusOr<S3Answer> bucket = client->Perform({.method = "HEAD"});
  return bucket.ok() ? absl::OkStatus() : answer.status();
}

absl::StatusOr<uint64_t> S3Store::RemoveUnfinished(WallMicros older_than_us) {
  ASSIGN_OR_RETURN(const std::unique_ptr<S3Client> client, NewClient());
  uint64_t removed = 0;
  UploadsPage page;
  for (size_t pages = 0; pages < kMaxPages; ++pages) {
    S3Request request = {.query = {{"encoding-type", "url"}, {"prefix", Prefix()}}};
    if (!page.next_key.empty()) {
      request.query.insert(request.query.begin() + 1, {"key-marker", page.next_key});
      request.query.emplace_back("upload-id-marker", page.next_upload_id);
    }
    request.query.emplace_back("uploads", "");
    ASSIGN_OR_RETURN(const S3Answer answer, client->Perform(request));
    ASSIGN_OR_RETURN(page, ParseUploadsPage(answer.body));
    for (const UploadsPage::Upload& upload : page.uploads) {
      if (upload.begun_us >= older_than_us || !upload.key.starts_with(Prefix())) continue;
      const S3Request abort = {
          .method = "DELETE", .key = upload.key, .query = {{"uploadId", upload.upload_id}}};
      const absl::Status aborted = client->Perform(abort).status();
      if (!aborted.ok() && !absl::IsNotFound(aborted)) return aborted;
      ++removed;
    }
    if (page.next_key.empty()) break;
  }
  return removed;
}

}  // namespace cairn::objects
