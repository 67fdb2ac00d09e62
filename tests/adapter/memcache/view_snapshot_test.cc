// A view on its way to a store and back: streams, imports that are cut short, damage.
#include "adapter/memcache/view_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "adapter/memcache/view_import.h"
#include "adapter/memcache/view_scan.h"
#include "adapter/memcache/view_stream.h"
#include "adapter/snapshot_catalog.h"
#include "tests/adapter/memcache/view_testing.h"
#include "tests/support/temp_dir.h"

namespace cairn::adapter::memcache {
namespace {

using ::testing::HasSubstr;

constexpr UnixSeconds kNow = EffectLog::kFirstSecond;

const ViewSnapshotOptions kSnapshot = {
    .log_name = "cache", .log_id = kViewLog, .created_by = "test", .created_us = 1, .random = 2};

class ViewSnapshotTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(dir_.File("store"));
    auto store = objects::OpenObjectStore("file://" + dir_.File("store"),
                                          [](const char*) -> const char* { return nullptr; });
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    view_ = OpenView(dir_.File("view"));
    for (int i = 0; i < 80; ++i) ASSERT_TRUE(ApplyBatch(*view_, log_.Next().batch).ok());
  }

  [[nodiscard]] std::string ObjectPath(const SnapshotName& name) const {
    return dir_.File("store/") + name.Key(kViewObject);
  }

  testing::TempDir dir_;
  std::unique_ptr<objects::ObjectStore> store_;
  EffectLog log_{5};
  std::unique_ptr<View> view_;
};

TEST_F(ViewSnapshotTest, AnotherViewGoesOnFromItAsTheFirstOne) {
  const auto stored = StoreViewSnapshot(*store_, *view_, kSnapshot);
  ASSERT_TRUE(stored.ok()) << stored.status();
  const auto found =
      FindSnapshot(*store_, {.log_name = "cache", .log_id = kViewLog, .reader = ViewEngine()});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->manifest, stored->manifest);

  auto other = OpenView(dir_.File("other"));
  ASSERT_TRUE(ApplyBatch(*other, BatchOf(Seq(1), {StoreOf("stale", "v")})).ok());
  const auto loaded = LoadViewSnapshot(*store_, found->name, found->manifest, other.get());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(*loaded, stored->digest);
  EXPECT_EQ(other->position(), view_->position());
  EXPECT_EQ(ItemsOf(*other, log_.now()), ItemsOf(*view_, log_.now()));
  EXPECT_EQ(*DigestOf(*other, log_.now()), *DigestOf(*view_, log_.now()));

  other.reset();
  other = OpenView(dir_.File("other"));
  for (int i = 0; i < 40; ++i) {
    const RecordBatch batch = log_.Next().batch;
    ASSERT_TRUE(ApplyBatch(*view_, batch).ok());
    ASSERT_TRUE(ApplyBatch(*other, batch).ok());
  }
  EXPECT_EQ(ItemsOf(*other, log_.now()), ItemsOf(*view_, log_.now()));
}

TEST_F(ViewSnapshotTest, ADigestTellsAnyDifference) {
  const ItemsDigest before = *DigestOf(*view_, log_.now());
  const auto items = ItemsOf(*view_, log_.now());
  EXPECT_EQ(before.items(), items.size());
  const auto& [key, item] = *items.begin();
  StoreEffect changed = {key, item.binary, item.item};
  changed.item.value += "x";
  const Seq next = view_->position().read.seq + 1;
  ASSERT_TRUE(ApplyBatch(*view_, BatchOf(next, {changed}, log_.now())).ok());
  EXPECT_NE(*DigestOf(*view_, log_.now()), before);
  changed.item = item.item;
  ASSERT_TRUE(
      ApplyBatch(*view_, BatchOf(view_->position().read.seq + 1, {changed}, log_.now())).ok());
  EXPECT_EQ(*DigestOf(*view_, log_.now()), before) << "where it stands in the log does not count";
}

void ExpectIncomplete(View& view) {
  constexpr auto kCode = absl::StatusCode::kFailedPrecondition;
  EXPECT_TRUE(view.incomplete());
  EXPECT_EQ(view.position(), ViewPosition());
  EXPECT_EQ(view.Get("k", kNow).status().code(), kCode);
  EXPECT_EQ(ViewScan::Begin(view).status().code(), kCode);
  EXPECT_EQ(ApplyBatch(view, BatchOf(Seq(1), {FlushEffect{}})).code(), kCode);
}

TEST_F(ViewSnapshotTest, AnImportThatIsCutShortSaysSoAndStartsOver) {
  const auto stored = StoreViewSnapshot(*store_, *view_, kSnapshot);
  ASSERT_TRUE(stored.ok()) << stored.status();
  auto other = OpenView(dir_.File("other"));
  {
    const auto import = ViewImport::Begin(other.get());
    ASSERT_TRUE(import.ok());
    const Effect item = StoreOf("left behind", std::string(5 << 20, 'v'));
    ASSERT_TRUE((*import)->Add(ViewOf(item), {Seq(1), 0}).ok());
  }
  ExpectIncomplete(*other);
  other.reset();
  other = OpenView(dir_.File("other"));
  ExpectIncomplete(*other);
  ASSERT_TRUE(LoadViewSnapshot(*store_, stored->name, stored->manifest, other.get()).ok());
  EXPECT_FALSE(other->incomplete());
  EXPECT_EQ(ItemsOf(*other, log_.now()), ItemsOf(*view_, log_.now()));
}

TEST_F(ViewSnapshotTest, ADamagedObjectLeavesNoHalfView) {
  const auto stored = StoreViewSnapshot(*store_, *view_, kSnapshot);
  ASSERT_TRUE(stored.ok()) << stored.status();
  const std::string path = ObjectPath(stored->name);
  const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(path) / 2);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(middle);
  const int byte = file.get();
  file.seekp(middle);
  file.put(static_cast<char>(byte ^ 4));
  file.close();
  auto other = OpenView(dir_.File("other"));
  EXPECT_EQ(LoadViewSnapshot(*store_, stored->name, stored->manifest, other.get()).status().code(),
            absl::StatusCode::kDataLoss);
  ExpectIncomplete(*other);
  ASSERT_TRUE(other->Reset().ok());
  EXPECT_FALSE(other->incomplete());
}

TEST_F(ViewSnapshotTest, OnlyWhatIsAViewOfThisLogIsLoaded) {
  const auto stored = StoreViewSnapshot(*store_, *view_, kSnapshot);
  ASSERT_TRUE(stored.ok()) << stored.status();
  SnapshotManifest redis = stored->manifest;
  redis.engine = {"redis", "7.0.15"};
  SnapshotManifest elsewhere = stored->manifest;
  elsewhere.log_id = GroupId(8);
  SnapshotManifest later = stored->manifest;
  later.seq += 1;
  auto other = OpenView(dir_.File("other"));
  EXPECT_THAT(LoadViewSnapshot(*store_, stored->name, redis, other.get()).status().ToString(),
              HasSubstr("a snapshot of redis 7.0.15"));
  EXPECT_FALSE(other->incomplete());
  EXPECT_THAT(LoadViewSnapshot(*store_, stored->name, elsewhere, other.get()).status().ToString(),
              HasSubstr("of log 7, not of 8"));
  EXPECT_THAT(LoadViewSnapshot(*store_, stored->name, later, other.get()).status().ToString(),
              HasSubstr("its manifest says"));
}

TEST_F(ViewSnapshotTest, IsTakenOnlyWhereTheChainIsKnown) {
  RecordBatch batch = BatchOf(view_->position().read.seq + 1, {FlushEffect{}}, log_.now());
  batch.chain = 0;
  ASSERT_TRUE(ApplyBatch(*view_, batch).ok());
  EXPECT_EQ(StoreViewSnapshot(*store_, *view_, kSnapshot).status().code(),
            absl::StatusCode::kUnavailable);
  auto empty = OpenView(dir_.File("empty"));
  EXPECT_EQ(StoreViewSnapshot(*store_, *empty, kSnapshot).status().code(),
            absl::StatusCode::kUnavailable);
}

std::string StreamOf(const View& view) {
  const auto scan = ViewScan::Begin(view);
  CHECK(scan.ok());
  ViewStreamWriter writer(kViewLog, scan->get());
  std::string stream;
  char buffer[100];
  for (size_t bytes = 1; bytes > 0;) {
    const auto read = writer.Read(buffer, sizeof buffer);
    CHECK(read.ok());
    bytes = *read;
    stream.append(buffer, bytes);
  }
  return stream;
}

absl::Status ReadStream(std::string_view stream, size_t piece_bytes, GroupId log_id = kViewLog) {
  ViewStreamReader reader(log_id, [](const EffectView&, EffectId) { return absl::OkStatus(); });
  while (!stream.empty()) {
    const absl::Status written = reader.Write(stream.substr(0, piece_bytes));
    if (!written.ok()) return written;
    stream.remove_prefix(std::min(stream.size(), piece_bytes));
  }
  return reader.Finish();
}

std::unique_ptr<View> TinyView(const std::string& directory) {
  auto view = OpenView(directory);
  CHECK(ApplyBatch(*view, BatchOf(Seq(1), {StoreOf("a", "1"), StoreOf("b", "22", kNow + 9),
                                           StoreOf("late", "x", kNow - 9),
                                           StoreOf("gone", "x", kNow - 9'999)}))
            .ok());
  return view;
}

TEST(ViewStreamTest, LeavesOutOnlyWhatAViewMayPurge) {
  testing::TempDir dir;
  const auto view = TinyView(dir.File("view"));
  std::vector<std::string> keys;
  ViewStreamReader reader(kViewLog, [&](const EffectView& item, EffectId) {
    keys.emplace_back(item.key);
    return absl::OkStatus();
  });
  ASSERT_TRUE(reader.Write(StreamOf(*view)).ok());
  ASSERT_TRUE(reader.Finish().ok());
  EXPECT_THAT(keys, ::testing::ElementsAre("a", "b", "late"));
  EXPECT_EQ(reader.position(), view->position());
}

TEST(ViewStreamTest, IsReadInPiecesOfAnySizeAndRefusedUnlessWhole) {
  testing::TempDir dir;
  const std::string stream = StreamOf(*TinyView(dir.File("view")));
  for (const size_t piece_bytes : {size_t{1}, size_t{3}, size_t{64}, stream.size()}) {
    EXPECT_TRUE(ReadStream(stream, piece_bytes).ok()) << piece_bytes;
  }
  for (size_t bytes = 0; bytes < stream.size(); ++bytes) {
    EXPECT_EQ(ReadStream(stream.substr(0, bytes), 64).code(), absl::StatusCode::kDataLoss) << bytes;
  }
  EXPECT_FALSE(ReadStream(stream + "x", 64).ok());
  EXPECT_EQ(ReadStream(stream, 64, GroupId(8)).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ViewStreamTest, EveryFlippedBitIsFound) {
  testing::TempDir dir;
  const std::string stream = StreamOf(*TinyView(dir.File("view")));
  for (size_t bit = 0; bit < 8 * stream.size(); ++bit) {
    std::string flipped = stream;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(ReadStream(flipped, flipped.size()).ok()) << bit;
  }
}

}  // namespace
}  // namespace cairn::adapter::memcache
