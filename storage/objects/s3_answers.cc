#include "storage/objects/s3_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <pugixml.hpp>
#include <system_error>
#include <utility>

#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "storage/objects/store_url.h"

namespace cairn::objects {
namespace {

constexpr size_t kMaxCodeBytes = 128;
constexpr size_t kMaxMessageBytes = 512;

absl::Status Unexpected(std::string_view answer, std::string_view what) {
  return absl::DataLossError(
      fmt::format("S3's answer {} {}; is the endpoint an S3 service?", answer, what));
}

// Elements are found by the part of the name behind a colon.
bool Named(const pugi::xml_node& node, std::string_view name) {
  const std::string_view full = node.name();
  const size_t colon = full.find(':');
  return (colon == std::string_view::npos ? full : full.substr(colon + 1)) == name;
}

pugi::xml_node Child(const pugi::xml_node& parent, std::string_view name) {
  return parent.find_child([name](const pugi::xml_node& node) { return Named(node, name); });
}

std::string Text(const pugi::xml_node& parent, std::string_view name) {
  return Child(parent, name).text().get();
}

// The document's root when it has that name; a null node otherwise.
pugi::xml_node Load(pugi::xml_document& document, std::string_view xml, std::string_view root) {
  const pugi::xml_parse_result parsed =
      document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8);
  if (!parsed) return {};
  const pugi::xml_node element = document.document_element();
  return Named(element, root) ? element : pugi::xml_node();
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// For a message in a log: bounded, on one line.
std::string Shown(std::string text, size_t max_bytes) {
  if (text.size() > max_bytes) text.resize(max_bytes);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return text;
}

// A key of a page whose keys are percent-encoded, or are not.
absl::StatusOr<std::string> Key(const pugi::xml_node& entry, bool encoded) {
  std::string key = Text(entry, "Key");
  if (!encoded) return key;
  std::replace(key.begin(), key.end(), '+', ' ');
  return PercentDecode(key);
}

absl::StatusOr<StoredObject> ParseEntry(const pugi::xml_node& entry, bool encoded) {
  StoredObject object;
  ASSIGN_OR_RETURN(object.key, Key(entry, encoded));
  const std::optional<uint64_t> bytes = ParseNumber(Text(entry, "Size"));
  const std::optional<WallMicros> modified = ParseIsoTime(Text(entry, "LastModified"));
  if (object.key.empty() || !bytes || !modified) {
    return Unexpected("ListBucketResult", "has an entry without Key, Size or LastModified");
  }
  object.bytes = *bytes;
  object.modified_us = *modified;
  return object;
}

// Whether another page follows; an answer that says so must say where.
absl::StatusOr<bool> IsTruncated(const pugi::xml_node& root, std::string_view answer) {
  const std::string truncated = Text(root, "IsTruncated");
  if (truncated == "true") return true;
  if (truncated == "false") return false;
  return Unexpected(answer, "does not say whether it is complete");
}

}  // namespace

std::optional<WallMicros> ParseIsoTime(std::string_view text) {
  absl::Time time;
  std::string error;
  if (text.size() > 40 ||
      !absl::ParseTime(ToAbsl("%Y-%m-%d%ET%H:%M:%E*S%Ez"), ToAbsl(text), &time, &error)) {
    return std::nullopt;
  }
  return absl::ToUnixMicros(time);
}

std::optional<S3Error> ParseS3Error(std::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_node root = Load(document, xml, "Error");
  if (!root) return std::nullopt;
  return S3Error{Shown(Text(root, "Code"), kMaxCodeBytes),
                 Shown(Text(root, "Message"), kMaxMessageBytes),
                 Shown(Text(root, "Region"), kMaxCodeBytes)};
}

absl::StatusOr<ListPage> ParseListPage(std::string_view xml) {
  constexpr std::string_view kAnswer = "ListBucketResult";
  pugi::xml_document document;
  const pugi::xml_node root = Load(document, xml, kAnswer);
  if (!root) return Unexpected(kAnswer, "cannot be read");
  ListPage page;
  ASSIGN_OR_RETURN(const bool truncated, IsTruncated(root, kAnswer));
  const bool encoded = Text(root, "EncodingType") == "url";
  for (const pugi::xml_node& entry : root.children()) {
    if (!Named(entry, "Contents")) continue;
    if (page.objects.size() == kMaxPageEntries) return Unexpected(kAnswer, "has too many entries");
    ASSIGN_OR_RETURN(StoredObject object, ParseEntry(entry, encoded));
    page.objects.push_back(std::move(object));
  }
  if (!truncated) return page;
  page.next = Text(root, "NextContinuationToken");
  if (page.next.empty()) return Unexpected(kAnswer, "does not say where the next page begins");
  return page;
}

absl::StatusOr<UploadsPage> ParseUploadsPage(std::string_view xml) {
  constexpr std::string_view kAnswer = "ListMultipartUploadsResult";
  pugi::xml_document document;
  const pugi::xml_node root = Load(document, xml, kAnswer);
  if (!root) return Unexpected(kAnswer, "cannot be read");
  UploadsPage page;
  ASSIGN_OR_RETURN(const bool truncated, IsTruncated(root, kAnswer));
  const bool encoded = Text(root, "EncodingType") == "url";
  for (const pugi::xml_node& entry : root.children()) {
    if (!Named(entry, "Upload")) continue;
    if (page.uploads.size() == kMaxPageEntries) return Unexpected(kAnswer, "has too many entries");
    UploadsPage::Upload upload;
    ASSIGN_OR_RETURN(upload.key, Key(entry, encoded));
    upload.upload_id = Text(entry, "UploadId");
    const std::optional<WallMicros> begun = ParseIsoTime(Text(entry, "Initiated"));
    if (upload.key.empty() || upload.upload_id.empty() || !begun) {
      return Unexpected(kAnswer, "has an entry without Key, UploadId or Initiated");
    }
    upload.begun_us = *begun;
    page.uploads.push_back(std::move(upload));
  }
  if (!truncated) return page;
  ASSIGN_OR_RETURN(page.next_key, encoded
                                      ? PercentDecode(Text(root, "NextKeyMarker"))
                                      : absl::StatusOr<std::string>(Text(root, "NextKeyMarker")));
  page.next_upload_id = Text(root, "NextUploadIdMarker");
  if (page.next_key.empty()) return Unexpected(kAnswer, "does not say where the next page begins");
  return page;
}

absl::StatusOr<std::string> ParseUploadBegun(std::string_view xml) {
  constexpr std::string_view kAnswer = "InitiateMultipartUploadResult";
  pugi::xml_document document;
  std::string id = Text(Load(document, xml, kAnswer), "UploadId");
  if (id.empty()) return Unexpected(kAnswer, "has no UploadId");
  return id;
}

absl::StatusOr<std::optional<S3Error>> ParseUploadCompleted(std::string_view xml) {
  if (std::optional<S3Error> error = ParseS3Error(xml)) return error;
  pugi::xml_document document;
  constexpr std::string_view kAnswer = "CompleteMultipartUploadResult";
  if (!Load(document, xml, kAnswer)) return Unexpected(kAnswer, "cannot be read");
  return std::optional<S3Error>();
}

}  // namespace cairn::objects
