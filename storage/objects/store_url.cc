#include "storage/objects/store_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <system_error>
#include <utility>

#include "base/status_macros.h"
#include "storage/objects/object_store.h"

namespace cairn::objects {
namespace {

using Options = std::map<std::string, std::string, std::less<>>;

constexpr uint64_t kMinPartMib = 5;  // S3's bound for all parts but the last.
constexpr uint64_t kMaxPartMib = 1024;

absl::Status Wrong(std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("object store: {}", what));
}

bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// Splits at the first `mark`; the second half is empty without one.
std::pair<std::string_view, std::string_view> Cut(std::string_view text, char mark) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

absl::StatusOr<Options> ParseOptions(std::string_view query) {
  static constexpr std::string_view kNames[] = {"endpoint", "region", "path-style", "part-mib",
                                                "ca-file"};
  Options options;
  while (!query.empty()) {
    const auto [option, rest] = Cut(query, '&');
    query = rest;
    const auto [name, value] = Cut(option, '=');
    if (std::find(std::begin(kNames), std::end(kNames), name) == std::end(kNames)) {
      return Wrong(fmt::format(
          "unknown option '{}'; there are endpoint, region, path-style, part-mib, ca-file", name));
    }
    ASSIGN_OR_RETURN(std::string decoded, PercentDecode(value));
    if (decoded.empty()) return Wrong(fmt::format("option '{}' has no value", name));
    if (!options.emplace(name, std::move(decoded)).second) {
      return Wrong(fmt::format("option '{}' is there twice", name));
    }
  }
  return options;
}

absl::Status CheckBucket(std::string_view bucket) {
  const bool letters = std::all_of(bucket.begin(), bucket.end(), [](char c) {
    return IsLowerOrDigit(c) || c == '-' || c == '.';
  });
  if (bucket.size() >= 3 && bucket.size() <= 63 && letters && IsLowerOrDigit(bucket.front()) &&
      IsLowerOrDigit(bucket.back())) {
    return absl::OkStatus();
  }
  return Wrong(fmt::format(
      "'{}' is no bucket name: 3 to 63 of a-z 0-9 . -, with a letter or digit at both ends",
      bucket));
}

absl::Status CheckEndpoint(std::string_view endpoint) {
  const bool secure = endpoint.starts_with("https://");
  if (!secure && !endpoint.starts_with("http://")) {
    return Wrong(fmt::format("endpoint '{}' begins with neither https:// nor http://", endpoint));
  }
  const std::string_view host = endpoint.substr(secure ? 8 : 7);
  const bool plain = std::all_of(host.begin(), host.end(), [](char c) {
    return IsLowerOrDigit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == ':' ||
           c == '[' || c == ']' || c == '_';
  });
  if (host.empty() || !plain) {
    return Wrong("an endpoint is https://host or https://host:port: no path, no user, no password");
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> ParsePartBytes(std::string_view text) {
  uint64_t mib = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mib);
  if (error != std::errc() || end != text.data() + text.size() || mib < kMinPartMib ||
      mib > kMaxPartMib) {
    return Wrong(fmt::format("part-mib takes a whole number from {} to {}, got '{}'", kMinPartMib,
                             kMaxPartMib, text));
  }
  return mib << 20;
}

std::string DefaultRegion(EnvironmentLookup lookup) {
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    const char* value = lookup(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return "us-east-1";
}

absl::Status CheckRegion(std::string_view region) {
  if (std::all_of(region.begin(), region.end(), [](char c) {
        return IsLowerOrDigit(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
      })) {
    return absl::OkStatus();
  }
  return Wrong(fmt::format("'{}' is no region name", region));
}

std::string Take(const Options& options, std::string_view name, std::string otherwise) {
  const auto found = options.find(name);
  return found == options.end() ? std::move(otherwise) : found->second;
}

absl::StatusOr<S3StoreUrl> ParseS3(std::string_view rest, EnvironmentLookup lookup) {
  const auto [place, query] = Cut(rest, '?');
  const auto [bucket, prefix] = Cut(place, '/');
  RETURN_IF_ERROR(CheckBucket(bucket));
  ASSIGN_OR_RETURN(const Options options, ParseOptions(query));
  S3StoreUrl url;
  url.bucket = bucket;
  ASSIGN_OR_RETURN(url.prefix, PercentDecode(prefix));
  while (url.prefix.ends_with('/')) url.prefix.pop_back();
  if (url.prefix.starts_with('/') || url.prefix.find("//") != std::string::npos) {
    return Wrong("the prefix has two slashes in a row");
  }
  if (url.prefix.size() > 1024 - kMaxKeyBytes - 1) return Wrong("the prefix is too long");
  url.region = Take(options, "region", DefaultRegion(lookup));
  RETURN_IF_ERROR(CheckRegion(url.region));
  url.endpoint = Take(options, "endpoint", fmt::format("https://s3.{}.amazonaws.com", url.region));
  RETURN_IF_ERROR(CheckEndpoint(url.endpoint));
  // A certificate for *.host covers no bucket with a dot in its name.
  const bool by_path = options.count("endpoint") != 0 || url.bucket.find('.') != std::string::npos;
  const std::string path_style = Take(options, "path-style", by_path ? "true" : "false");
  if (path_style != "true" && path_style != "false") {
    return Wrong(fmt::format("path-style takes true or false, got '{}'", path_style));
  }
  url.path_style = path_style == "true";
  ASSIGN_OR_RETURN(url.part_bytes, ParsePartBytes(Take(options, "part-mib", "16")));
  url.ca_file = Take(options, "ca-file", "");
  return url;
}

absl::StatusOr<FileStoreUrl> ParseFile(std::string_view rest) {
  if (!rest.starts_with('/')) {
    return Wrong("a file store is file:///directory: three slashes, on this machine");
  }
  if (rest.find_first_of("?#") != std::string_view::npos) {
    return Wrong("a file store takes no options; a ? or # in a directory's name is %3F or %23");
  }
  FileStoreUrl url;
  ASSIGN_OR_RETURN(url.directory, PercentDecode(rest));
  if (url.directory.find('\0') != std::string::npos) return Wrong("a directory has a zero byte");
  while (url.directory.ends_with('/')) url.directory.pop_back();
  if (url.directory.empty()) return Wrong("file:/// alone would be the machine's root directory");
  return url;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string S3StoreUrl::BucketUrl() const {
  if (path_style) return endpoint + "/" + bucket;
  const size_t host = endpoint.find("://") + 3;
  return fmt::format("{}{}.{}", endpoint.substr(0, host), bucket, endpoint.substr(host));
}

absl::StatusOr<StoreUrl> ParseStoreUrl(std::string_view url, EnvironmentLookup lookup) {
  if (url.starts_with("file://")) return ParseFile(url.substr(7));
  if (url.starts_with("s3://")) return ParseS3(url.substr(5), lookup);
  // The URL itself may hold a password and stays out of the message.
  return Wrong("a URL begins with file:// or s3://");
}

std::string PercentEncode(std::string_view text, bool keep_slash) {
  std::string encoded;
  for (const char c : text) {
    const bool unreserved =
        IsLowerOrDigit(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved || (keep_slash && c == '/')) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

absl::StatusOr<std::string> PercentDecode(std::string_view text) {
  std::string decoded;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      decoded += text[at];
      continue;
    }
    const int high = at + 2 < text.size() ? HexDigit(text[at + 1]) : -1;
    const int low = at + 2 < text.size() ? HexDigit(text[at + 2]) : -1;
    if (high < 0 || low < 0) return Wrong("a % is not followed by two hex digits");
    decoded += static_cast<char>(high * 16 + low);
    at += 2;
  }
  return decoded;
}

}  // namespace cairn::objects
