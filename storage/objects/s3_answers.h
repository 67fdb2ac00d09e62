// The XML that S3 answers with, read with pugixml, which knows no DTD and no external entity.
//
// Bytes from outside: whatever is not what was asked for is DATA_LOSS, never a guess. Namespaces
// are ignored, as servers differ; so are elements that we do not need.
//
// Threads: pure. Bounds: S3Client bounds the text; a page has at most kMaxPageEntries entries.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/objects/object_store.h"

namespace cairn::objects {

inline constexpr size_t kMaxPageEntries = 10'000;  // S3 sends at most 1,000.

// <Error>; all fields may be empty.
struct S3Error {
  std::string code;
  std::string message;
  std::string region;  // Of a bucket that is elsewhere.
};
// nullopt when the text is no such thing: proxies answer with pages of their own.
std::optional<S3Error> ParseS3Error(std::string_view xml);

struct ListPage {
  std::vector<StoredObject> objects;  // Keys as S3 has them, with the store's prefix.
  std::string next;                   // Continuation token; empty: this was the last page.
};
absl::StatusOr<ListPage> ParseListPage(std::string_view xml);

struct UploadsPage {
  struct Upload {
    std::string key;
    std::string upload_id;
    WallMicros begun_us = 0;
  };
  std::vector<Upload> uploads;
  std::string next_key, next_upload_id;  // Both empty: this was the last page.
};
absl::StatusOr<UploadsPage> ParseUploadsPage(std::string_view xml);

// The upload's id.
absl::StatusOr<std::string> ParseUploadBegun(std::string_view xml);
// An error in an answer of status 200 is what S3 sends when it fails late; it comes as an S3Error.
absl::StatusOr<std::optional<S3Error>> ParseUploadCompleted(std::string_view xml);

// "2026-11-22T10:20:30.000Z" → µs since 1970; nullopt for anything else.
std::optional<WallMicros> ParseIsoTime(std::string_view text);

}  // namespace cairn::objects
