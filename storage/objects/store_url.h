// ParseStoreUrl: what an operator writes to say where objects are kept.
//
//   file:///dir                       an existing directory; spaces and others as %20
//   s3://bucket/prefix?option=value&…
//     endpoint=https://host:port      default: Amazon's for the region. http:// only if written so
//     region=NAME                     default: AWS_REGION, AWS_DEFAULT_REGION, us-east-1
//     path-style=true|false           bucket in the path, not in the host name. Default: true with
//                                     an endpoint of one's own or a dot in the bucket's name
//     part-mib=N                      5 … 1024, default 16: what one part of an upload has, and
//                                     the memory it takes. 10,000 parts make the largest object
//     ca-file=/path                   certificates to trust in place of the system's
//
// Credentials never stand in a URL: one with user information is refused.
//
// Threads: pure but for `lookup`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"

namespace cairn::objects {

struct FileStoreUrl {
  std::string directory;  // Absolute, without a slash at its end.
};

struct S3StoreUrl {
  std::string bucket;
  std::string prefix;    // Without slashes at its ends; may be empty.
  std::string endpoint;  // scheme://host[:port], nothing behind it.
  std::string region;
  bool path_style = false;
  uint64_t part_bytes = uint64_t{16} << 20;
  std::string ca_file;  // Empty: the system's.

  // Where the bucket's objects are: scheme://host[:port][/bucket], no slash at its end.
  [[nodiscard]] std::string BucketUrl() const;
};

using StoreUrl = std::variant<FileStoreUrl, S3StoreUrl>;

// Reads an environment variable; null when unset.
using EnvironmentLookup = const char* (*)(const char* name);

// Errors: INVALID_ARGUMENT with the URL's part that is wrong and what it may be.
absl::StatusOr<StoreUrl> ParseStoreUrl(std::string_view url, EnvironmentLookup lookup);

// All but RFC 3986's unreserved characters as %XX in capitals, as AWS signatures demand; `/` too,
// unless it is kept.
std::string PercentEncode(std::string_view text, bool keep_slash);
// INVALID_ARGUMENT when a % is not followed by two hex digits.
absl::StatusOr<std::string> PercentDecode(std::string_view text);

}  // namespace cairn::objects
