// What comes from a store of objects: manifests of snapshots (adapter/snapshot_manifest.h), runs
// and small objects of the archive (storage/archive/), S3's XML (storage/objects/s3_answers.h), and
// the keys and URLs around them.
//
// The input's first byte chooses the reader. Beyond "no crash": a manifest that is read is written
// as a text that reads the same; what is refused is refused with words; names that are found in
// keys lead back to them.
#include <xxhash.h>

#include <cstring>

#include "adapter/snapshot_manifest.h"
#include "base/check.h"
#include "storage/archive/archived_log.h"
#include "storage/archive/run_bytes.h"
#include "storage/objects/aws_credentials.h"
#include "storage/objects/object_store.h"
#include "storage/objects/s3_answers.h"
#include "storage/objects/store_url.h"
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
  if (const auto page = objects::ParseListPage(xml); page.ok()) {
    for (const objects::StoredObject& object : page->objects) CHECK(!object.key.empty());
  }
  if (const auto page = objects::ParseUploadsPage(xml); page.ok()) {
    for (const auto& upload : page->uploads) CHECK(!upload.upload_id.empty());
  }
  if (const auto id = objects::ParseUploadBegun(xml); id.ok()) CHECK(!id->empty());
  objects::ParseUploadCompleted(xml).status().IgnoreError();
}

void RunText(std::string_view text) {
  const auto url = objects::ParseStoreUrl(text, [](const char*) -> const char* { return nullptr; });
  if (url.ok() && std::holds_alternative<objects::S3StoreUrl>(*url)) {
    CHECK(std::get<objects::S3StoreUrl>(*url).BucketUrl().find('@') == std::string::npos);
  }
  if (const auto name = adapter::SnapshotOfKey(text); name && objects::CheckKey(text).empty()) {
    CHECK(text.starts_with(name->folder + "/"));
  }
  const auto decoded = objects::PercentDecode(objects::PercentEncode(text, false));
  CHECK(decoded.ok() && *decoded == text);
  objects::ParseCredentialsFile(text, "default").status().IgnoreError();
}

// A block whose checksum is right, since nobody would guess it.
void RunBlock(std::string_view body) {
  const auto length = static_cast<uint32_t>(body.size());
  const uint64_t checksum = XXH3_64bits(body.data(), body.size());
  std::string block(12, '\0');
  std::memcpy(block.data(), &length, sizeof length);
  std::memcpy(block.data() + sizeof length, &checksum, sizeof checksum);
  block.append(body);
  const archive::RunName name{.first_seq = Seq(1), .last_seq = Seq(1)};
  const auto run = archive::Run::Verify(name, block);
  CHECK(run.ok() || !run.status().message().empty());
}

void RunArchiveText(std::string_view text) {
  if (const auto key = archive::ParseKey(text)) CHECK(text == key->place.Folder() + key->file);
  if (const auto name = archive::RunName::Parse(text)) CHECK(name->File() == text);
  if (const auto place = archive::LogPlace::FromLocation(text)) CHECK(text.find('#') != text.npos);
  const auto log = archive::ArchivedLog::FromText(text);
  if (!log.ok()) return;
  const auto again = archive::ArchivedLog::FromText(log->ToText());
  CHECK(again.ok() && again->name == log->name && again->place == log->place);
}

void Run(std::string_view bytes) {
  if (bytes.empty()) return;
  const char reader = bytes[0];
  bytes.remove_prefix(1);
  if (reader == 'm') RunManifest(bytes);
  if (reader == 'x') RunAnswers(bytes);
  if (reader == 't') RunText(bytes);
  if (reader == 'b') RunBlock(bytes);
  if (reader == 'a') RunArchiveText(bytes);
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
      {"block", std::string("b\x08\x01\x10\x05\x18\x07\x22\x03\x0a\x01x", 12)},
      {"archive-key",
       "ac0ffee/00000000000000000012/00000000000000000001-00000000000000000002-0000000000000003-"
       "0000000000000004-0000000000000005"},
      {"archive-log",
       "a{\"format\":1,\"cluster_id\":\"c0ffee\",\"log_id\":12,\"name\":\"n\",\"settings\":{"
       "\"retention_ms\":\"5\",\"archive\":\"ARCHIVE_POLICY_ON\"}}"},
      {"credentials", "t[default]\naws_access_key_id = a\naws_secret_access_key=b\n"},
  };
}

const Registered registered({.name = "snapshots", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
