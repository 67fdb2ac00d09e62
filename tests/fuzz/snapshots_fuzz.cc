// What comes from a store of snapshots: manifests (adapter/snapshot_manifest.h), S3's XML
// (adapter/s3_answers.h), and the keys and URLs around them.
//
// The input's first byte chooses the reader. Beyond "no crash": a manifest that is read is written
// as a text that reads the same; what is refused is refused with words; names that are found in
// keys lead back to them.
#include "adapter/aws_credentials.h"
#include "adapter/s3_answers.h"
#include "adapter/snapshot_manifest.h"
#include "adapter/snapshot_store.h"
#include "adapter/store_url.h"
#include "base/check.h"
#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

void RunManifest(std::string_view text) {
  const auto manifest = adapter::ParseManifest(text);
  if (!manifest.ok()) {
    CHECK(!manifest.status().message().empty());
    return;
  }
  const auto again = adapter::ParseManifest(adapter::FormatManifest(*manifest));
  CHECK(again.ok());
  CHECK(*again == *manifest);
}

void RunAnswers(std::string_view xml) {
  if (const auto page = adapter::ParseListPage(xml); page.ok()) {
    for (const adapter::StoredObject& object : page->objects) CHECK(!object.key.empty());
  }
  if (const auto page = adapter::ParseUploadsPage(xml); page.ok()) {
    for (const auto& upload : page->uploads) CHECK(!upload.upload_id.empty());
  }
  if (const auto id = adapter::ParseUploadBegun(xml); id.ok()) CHECK(!id->empty());
  adapter::ParseUploadCompleted(xml).status().IgnoreError();
}

void RunText(std::string_view text) {
  const auto url = adapter::ParseStoreUrl(text, [](const char*) -> const char* { return nullptr; });
  if (url.ok() && std::holds_alternative<adapter::S3StoreUrl>(*url)) {
    CHECK(std::get<adapter::S3StoreUrl>(*url).BucketUrl().find('@') == std::string::npos);
  }
  if (const auto name = adapter::SnapshotOfKey(text); name && adapter::CheckKey(text).empty()) {
    CHECK(text.starts_with(name->folder + "/"));
  }
  const auto decoded = adapter::PercentDecode(adapter::PercentEncode(text, false));
  CHECK(decoded.ok() && *decoded == text);
  adapter::ParseCredentialsFile(text, "default").status().IgnoreError();
}

void Run(std::string_view bytes) {
  if (bytes.empty()) return;
  const char reader = bytes[0];
  bytes.remove_prefix(1);
  if (reader == 'm') RunManifest(bytes);
  if (reader == 'x') RunAnswers(bytes);
  if (reader == 't') RunText(bytes);
}

std::vector<Seed> Seeds() {
  adapter::SnapshotManifest manifest;
  manifest.log_name = "a/b";
  manifest.log_id = GroupId(7);
  manifest.seq = Seq(42);
  manifest.epoch = Epoch(40);
  manifest.engine = {"redis", "7.0.15"};
  manifest.databases = {{0, 10}, {3, 1}};
  manifest.objects = {{"dump", 1, 4, adapter::Compression::kZstd, 0xabc, std::string(64, '0')}};
  manifest.created_by = "host";
  return {
      {"manifest", "m" + adapter::FormatManifest(manifest)},
      {"list",
       "x<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
       "<NextContinuationToken>n</NextContinuationToken><Contents><Key>a%2Fb</Key><Size>7</Size>"
       "<LastModified>2026-11-22T10:20:30.500Z</LastModified></Contents></ListBucketResult>"},
      {"uploads",
       "x<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k"
       "</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker><Upload><Key>a</Key><UploadId>i"
       "</UploadId><Initiated>2026-11-22T10:20:30Z</Initiated></Upload>"
       "</ListMultipartUploadsResult>"},
      {"begun",
       "x<r:InitiateMultipartUploadResult><UploadId>&amp;</UploadId>"
       "</r:InitiateMultipartUploadResult>"},
      {"error", "x<Error><Code>SlowDown</Code><Message>m</Message><Region>r</Region></Error>"},
      {"s3-url", "ts3://snaps/a%20b?endpoint=https://h:1&path-style=true&part-mib=5"},
      {"file-url", "tfile:///a/b%20c"},
      {"key", "ta=b/7/00000000000000000042-00000000000000ff/manifest.json"},
      {"credentials", "t[default]\naws_access_key_id = a\naws_secret_access_key=b\n"},
  };
}

const Registered registered({.name = "snapshots", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
