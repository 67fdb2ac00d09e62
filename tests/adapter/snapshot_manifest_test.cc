// The pure parts of snapshots: manifests, names, choosing and removing, and what a damaged object
// does to its download.
#include "adapter/snapshot_manifest.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "adapter/snapshot_catalog.h"
#include "adapter/snapshot_transfer.h"
#include "tests/support/temp_dir.h"

namespace cairn::adapter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

SnapshotManifest Example() {
  SnapshotManifest manifest;
  manifest.log_name = "eu/cache";
  manifest.log_id = GroupId(7);
  manifest.seq = Seq(42);
  manifest.chain = 0xfedcba9876543210;
  manifest.epoch = Epoch(40);
  manifest.engine = {"redis", "7.0.15"};
  manifest.replid = std::string(40, 'a');
  manifest.offset = 1234;
  manifest.databases = {{0, 10}, {3, 1}};
  manifest.objects = {{"dump.rdb.zst", 100, 400, Compression::kZstd, 0xabc, std::string(64, '0')}};
  manifest.created_us = 1'795'000'000'000'000;
  manifest.created_by = "host-1 \"x\"";
  return manifest;
}

// The text of the example with one piece of it replaced.
std::string Changed(std::string_view from, std::string_view to) {
  std::string text = FormatManifest(Example());
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(SnapshotManifestTest, ReadsWhatItWrites) {
  const auto parsed = ParseManifest(FormatManifest(Example()));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, Example());
  EXPECT_EQ(FormatManifest(*parsed), FormatManifest(Example()));
}

TEST(SnapshotManifestTest, RefusesWhatIsNotExactlyOne) {
  struct Case {
    const char* from;
    const char* to;
    const char* says;
  };
  const Case cases[] = {
      {"\"seq\": 42", "\"seq\": -42", "seq is no whole number"},
      {"\"seq\": 42", "\"seq\": 4.5", "seq is no whole number"},
      {"\"seq\": 42", "\"seq\": 39", "epoch is above seq"},
      {"\"seq\": 42", "\"sequence\": 42", "seq is missing"},
      {"\"seq\": 42", "\"seq\": 42, \"seq\": 43", "seq is there twice"},
      {"\"seq\": 42", "\"seq\": 42, \"more\": 1", "more is a field"},
      {"\"id\": 7", "\"id\": \"7\"", "log.id is no whole number"},
      {"fedcba98", "FEDCBA98", "chain is not 16 hex digits"},
      {"\"zstd\"", "\"lzma\"", "compression 'lzma' is unknown"},
      {"\"zstd\"", "\"none\"", "content_bytes differs"},
      {"\"dump.rdb.zst\"", "\"../x\"", "no name of an object"},
      {"\"dump.rdb.zst\"", "\"manifest.json\"", "no name of an object"},
      {"\"number\": 3", "\"number\": 0", "not in order"},
      {"\"format\": 1", "\"format\": 0", "format 0"},
      {"}\n", "", "no JSON"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.to);
    const absl::Status status = ParseManifest(Changed(c.from, c.to)).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.says));
  }
}

TEST(SnapshotManifestTest, ANewerFormatIsNamed) {
  const absl::Status status = ParseManifest(Changed("\"format\": 1", "\"format\": 9")).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("format 9"));
}

TEST(SnapshotNameTest, SortsBySeqAndIsFoundAgain) {
  const SnapshotName small = NewSnapshotName("eu/cache", GroupId(7), Seq(9), 0xff);
  const SnapshotName large = NewSnapshotName("eu/cache", GroupId(7), Seq(UINT64_MAX), 0);
  EXPECT_EQ(small.ManifestKey(), "eu=cache/7/00000000000000000009-00000000000000ff/manifest.json");
  EXPECT_LT(small.folder, large.folder);
  EXPECT_EQ(SnapshotOfKey(small.Key("dump.rdb")), small);
  EXPECT_EQ(SnapshotOfKey(large.ManifestKey()), large);
  for (const char* log : {"..", ".hidden", "a/../b", "//", "x"}) {
    EXPECT_EQ(objects::CheckKey(NewSnapshotName(log, GroupId(1), Seq(1), 1).ManifestKey()), "")
        << log;
  }
  for (const char* key : {"", "x", "a/b/c/d", "a/7/9-ff/manifest.json",
                          "a/7/0000000000000000000x-00000000000000ff/manifest.json",
                          "b/a/7/00000000000000000009-00000000000000ff/manifest.json"}) {
    EXPECT_EQ(SnapshotOfKey(key), std::nullopt) << key;
  }
}

TEST(SnapshotCatalogTest, OlderVersionsOfTheSameEngineAreLoaded) {
  EXPECT_TRUE(CanLoad({"redis", "7.0.15"}, {"redis", "7.0.15"}));
  EXPECT_TRUE(CanLoad({"redis", "7.0.15"}, {"redis", "7.0.9"}));
  EXPECT_TRUE(CanLoad({"redis", "7.2"}, {"redis", "6.2.14"}));
  EXPECT_FALSE(CanLoad({"redis", "7.0.9"}, {"redis", "7.0.15"}));
  EXPECT_FALSE(CanLoad({"redis", "7.0.15"}, {"redis", "10.0.0"}));
  EXPECT_FALSE(CanLoad({"valkey", "8.0.0"}, {"redis", "7.0.0"}));
}

objects::StoredObject Object(const SnapshotName& name, const char* file, WallMicros modified_us) {
  return {name.Key(file), 1, modified_us};
}

std::vector<uint64_t> Seqs(const std::vector<ListedSnapshot>& snapshots) {
  std::vector<uint64_t> seqs;
  for (const ListedSnapshot& snapshot : snapshots) seqs.push_back(snapshot.name.seq.value());
  return seqs;
}

TEST(SnapshotCatalogTest, PlansWhatMayGo) {
  std::vector<objects::StoredObject> listing = {{"a/7/readme", 1, 0}};
  for (const uint64_t seq : {10, 20, 30, 40, 50}) {
    const SnapshotName name = NewSnapshotName("a", GroupId(7), Seq(seq), seq);
    listing.push_back(Object(name, "dump.rdb", static_cast<WallMicros>(seq)));
    listing.push_back(Object(name, "manifest.json", static_cast<WallMicros>(seq + 1)));
  }
  listing.push_back(Object(NewSnapshotName("a", GroupId(7), Seq(5), 1), "dump.rdb", 5));
  listing.push_back(Object(NewSnapshotName("a", GroupId(7), Seq(60), 1), "dump.rdb", 95));
  const std::vector<ListedSnapshot> snapshots = GroupBySnapshot(listing);
  EXPECT_THAT(Seqs(snapshots), ElementsAre(60, 50, 40, 30, 20, 10, 5));

  struct Case {
    RetentionPolicy policy;
    uint64_t registered;
    std::vector<uint64_t> expired;
    std::vector<uint64_t> orphans;
  };
  const Case cases[] = {
      {{.keep_newest = 1, .orphan_age_us = 10}, 50, {10, 20, 30, 40}, {5}},
      {{.keep_newest = 3, .orphan_age_us = 10}, 50, {10, 20}, {5}},
      {{.keep_newest = 1, .orphan_age_us = 10}, 30, {10, 20}, {5}},  // Newer: maybe under way.
      {{.keep_newest = 1, .orphan_age_us = 10}, 0, {}, {5}},         // None is registered.
      {{.keep_newest = 1, .keep_younger_us = 75, .orphan_age_us = 95}, 50, {10, 20}, {}},
      {{.keep_newest = 9, .orphan_age_us = 1}, 50, {}, {5, 60}},
  };
  for (const Case& c : cases) {
    const RemovalPlan plan = PlanRemoval(snapshots, c.policy, Seq(c.registered), 100);
    EXPECT_EQ(Seqs(plan.expired), c.expired);
    EXPECT_EQ(Seqs(plan.orphans), c.orphans);
  }
}

class SnapshotInDirectoryTest : public ::testing::Test {
 protected:
  SnapshotInDirectoryTest() {
    store_ = *objects::OpenObjectStore("file://" + directory_.path(),
                                       [](const char*) -> const char* { return nullptr; });
  }

  // Stores a snapshot at `seq` and returns its name.
  SnapshotName Store(uint64_t seq, Compression compression, std::string content,
                     SnapshotManifest manifest = Example()) {
    const SnapshotName name = NewSnapshotName("eu/cache", GroupId(7), Seq(seq), seq);
    std::string_view rest = content;
    const auto object = UploadObject(*store_, name, "dump", compression, [&](char* to, size_t max) {
      const size_t taken = rest.copy(to, std::min<size_t>(max, 100'000));
      rest.remove_prefix(taken);
      return absl::StatusOr<size_t>(taken);
    });
    EXPECT_TRUE(object.ok()) << object.status();
    manifest.seq = Seq(seq);
    manifest.epoch = Epoch();
    manifest.objects = {*object};
    EXPECT_TRUE(PublishSnapshot(*store_, name, manifest).ok());
    return name;
  }

  SnapshotQuery query_ = {
      .log_name = "eu/cache", .log_id = GroupId(7), .reader = {"redis", "7.0.15"}};
  cairn::testing::TempDir directory_;
  std::unique_ptr<objects::ObjectStore> store_;
};

TEST_F(SnapshotInDirectoryTest, TheNewestUsableIsFound) {
  Store(10, Compression::kNone, "ten");
  Store(20, Compression::kNone, "twenty");
  SnapshotManifest newer = Example();
  newer.engine.version = "7.2.0";
  Store(30, Compression::kNone, "of a newer engine", newer);
  SnapshotManifest other = Example();
  other.log_name = "another";
  Store(40, Compression::kNone, "of another log", other);
  const SnapshotName damaged = Store(50, Compression::kNone, "with a damaged manifest");
  std::ofstream(directory_.File(damaged.ManifestKey())) << "{";

  auto found = FindSnapshot(*store_, query_);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->name.seq, Seq(20));
  EXPECT_EQ(found->passed_over.size(), 3u);
  query_.max_seq = Seq(19);
  EXPECT_EQ(FindSnapshot(*store_, query_)->name.seq, Seq(10));
  query_.max_seq = Seq(9);
  EXPECT_TRUE(absl::IsNotFound(FindSnapshot(*store_, query_).status()));

  // The log was made again, under another id.
  query_.max_seq = Seq(100);
  query_.log_id = GroupId(8);
  EXPECT_TRUE(absl::IsNotFound(FindSnapshot(*store_, query_).status()));
  query_.any_id = true;
  EXPECT_EQ(FindSnapshot(*store_, query_)->name.seq, Seq(20));

  const auto listing = store_->List(SnapshotsOfLog("eu/cache", GroupId(7)));
  for (const ListedSnapshot& snapshot : GroupBySnapshot(*listing)) {
    EXPECT_TRUE(RemoveSnapshot(*store_, snapshot).ok());
  }
  EXPECT_THAT(*store_->List(""), IsEmpty());
}

TEST_F(SnapshotInDirectoryTest, DamageIsToldBeforeTheEnd) {
  std::string content;
  while (content.size() < 300'000) content += fmt::format("{} ", content.size());
  for (const Compression compression : {Compression::kNone, Compression::kZstd}) {
    const SnapshotName name = Store(10, compression, content);
    const SnapshotObject object = FindSnapshot(*store_, query_)->manifest.objects[0];
    const std::string path = directory_.File(name.Key("dump"));
    std::ifstream file(path, std::ios::binary);
    const std::string stored{std::istreambuf_iterator<char>(file), {}};
    std::vector<std::string> variants = {"", stored.substr(0, stored.size() - 1), stored + "x"};
    for (const size_t at : {size_t{5}, stored.size() / 2, stored.size() - 1}) {
      variants.push_back(stored);
      variants.back()[at] ^= 0x20;
    }
    for (const std::string& variant : variants) {
      std::ofstream(path, std::ios::binary | std::ios::trunc) << variant;
      std::string seen;
      const absl::Status status = DownloadObject(*store_, name, object, [&](auto bytes) {
        seen += bytes;
        return absl::OkStatus();
      });
      EXPECT_TRUE(absl::IsDataLoss(status)) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr(name.Key("dump")));
      EXPECT_LT(seen.size(), content.size()) << "the end of damaged content was handed on";
    }
    std::ofstream(path, std::ios::binary | std::ios::trunc) << stored;
    std::string seen;
    EXPECT_TRUE(DownloadObject(*store_, name, object, [&](auto bytes) {
                  seen += bytes;
                  return absl::OkStatus();
                }).ok());
    EXPECT_EQ(seen, content);
  }
}

TEST_F(SnapshotInDirectoryTest, AFrameThatUnfoldsFurtherThanSaidIsStopped) {
  const SnapshotName name = Store(10, Compression::kZstd, std::string(50'000'000, 'x'));
  SnapshotObject object = FindSnapshot(*store_, query_)->manifest.objects[0];
  object.content_bytes = 1'000'000;
  uint64_t seen = 0;
  const absl::Status status = DownloadObject(*store_, name, object, [&](auto bytes) {
    seen += bytes.size();
    return absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_LE(seen, 1'000'000u);
}

TEST_F(SnapshotInDirectoryTest, AManifestWithoutItsDataIsNotPublished) {
  SnapshotManifest manifest = Example();
  const SnapshotName name = NewSnapshotName("eu/cache", GroupId(7), Seq(42), 1);
  EXPECT_TRUE(absl::IsNotFound(PublishSnapshot(*store_, name, manifest)));
  ASSERT_TRUE(objects::PutBytes(*store_, name.Key("dump.rdb.zst"), "short").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(PublishSnapshot(*store_, name, manifest)));
  EXPECT_TRUE(absl::IsNotFound(FindSnapshot(*store_, query_).status()));
}

}  // namespace
}  // namespace cairn::adapter
