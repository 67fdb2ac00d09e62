// One contract for both stores: a directory, and S3 as s3rver speaks it. The S3 half is one entry
// of ctest, as one server serves all of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "adapter/snapshot_catalog.h"
#include "adapter/snapshot_transfer.h"
#include "base/random.h"
#include "storage/objects/object_store.h"
#include "tests/storage/objects/s3rver.h"
#include "tests/support/temp_dir.h"

namespace cairn::adapter {
namespace {

// Larger than two of the smallest parts, and no multiple of them.
constexpr size_t kManyPartsBytes = (size_t{11} << 20) + 12'345;

const char* Environment(const char* name) {
  if (std::string_view(name) == "AWS_ACCESS_KEY_ID") return "S3RVER";
  if (std::string_view(name) == "AWS_SECRET_ACCESS_KEY") return "S3RVER";
  return nullptr;
}

std::string RandomBytes(size_t bytes, uint64_t seed) {
  Random random(seed);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random.Next() >> 56);
  return text;
}

class Place {
 public:
  virtual ~Place() = default;
  // "" when it is not to be had here.
  virtual std::string NewUrl() = 0;
};

class Directory final : public Place {
 public:
  std::string NewUrl() override {
    directories_.push_back(std::make_unique<cairn::testing::TempDir>());
    return "file://" + directories_.back()->path();
  }

 private:
  std::vector<std::unique_ptr<cairn::testing::TempDir>> directories_;
};

class Bucket final : public Place {
 public:
  std::string NewUrl() override {
    static const std::unique_ptr<objects::testing::S3rver> server =
        objects::testing::S3rver::Start(objects::testing::S3rver::Transport::kPlain);
    if (server == nullptr) return "";
    static int folders = 0;
    return "s3://snapshots/a%20folder/" + std::to_string(++folders) +
           "?part-mib=5&region=us-east-1&endpoint=" + server->endpoint();
  }
};

template <class PlaceType>
class SnapshotStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string url = place_.NewUrl();
    if (url.empty()) GTEST_SKIP() << "npm cannot get s3rver";
    auto store = objects::OpenObjectStore(url, Environment);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  absl::Status Put(std::string_view key, std::string_view bytes) {
    return objects::PutBytes(*store_, key, bytes);
  }
  absl::StatusOr<std::string> Get(std::string_view key) {
    return objects::GetBytes(*store_, key, size_t{64} << 20);
  }
  std::vector<std::string> Keys(std::string_view prefix) {
    const auto listed = store_->List(prefix);
    EXPECT_TRUE(listed.ok()) << listed.status();
    std::vector<std::string> keys;
    for (const objects::StoredObject& object : *listed) keys.push_back(object.key);
    return keys;
  }

  PlaceType place_;
  std::unique_ptr<objects::ObjectStore> store_;
};

// Numbers, by which CMake tells them apart: 0 and 1.
using Places = ::testing::Types<Directory, Bucket>;
TYPED_TEST_SUITE(SnapshotStoreTest, Places);

TYPED_TEST(SnapshotStoreTest, WhatWasPutIsThere) {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{5} << 20, kManyPartsBytes}) {
    const std::string content = RandomBytes(bytes, bytes);
    ASSERT_TRUE(this->Put("a/b=1/c.bin", content).ok());
    const auto got = this->Get("a/b=1/c.bin");
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_TRUE(*got == content) << bytes << " bytes";
    const auto head = this->store_->Head("a/b=1/c.bin");
    ASSERT_TRUE(head.ok()) << head.status();
    EXPECT_EQ(head->bytes, bytes);
    EXPECT_NEAR(static_cast<double>(head->modified_us), static_cast<double>(SystemClock().Wall()),
                60.0 * kMicrosPerSecond);
  }
}

TYPED_TEST(SnapshotStoreTest, WhatIsNotThereIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(this->Get("a/none").status()));
  EXPECT_TRUE(absl::IsNotFound(this->store_->Head("a/none").status()));
  EXPECT_TRUE(this->store_->Delete("a/none").ok());
  EXPECT_TRUE(this->Keys("").empty());
  EXPECT_TRUE(this->Keys("a/").empty());
}

TYPED_TEST(SnapshotStoreTest, ListsByPrefixInOrder) {
  for (const char* key : {"log/1/b", "log/1/a", "log/10/a", "log/2/z", "other/x", "log/1/a.b/c"}) {
    ASSERT_TRUE(this->Put(key, key).ok());
  }
  EXPECT_EQ(this->Keys("log/1/"), (std::vector<std::string>{"log/1/a", "log/1/a.b/c", "log/1/b"}));
  EXPECT_EQ(this->Keys("log/1"),
            (std::vector<std::string>{"log/1/a", "log/1/a.b/c", "log/1/b", "log/10/a"}));
  EXPECT_EQ(this->Keys("").size(), 6u);
  EXPECT_TRUE(this->store_->Delete("log/1/a").ok());
  EXPECT_EQ(this->Keys("log/1/"), (std::vector<std::string>{"log/1/a.b/c", "log/1/b"}));
}

TYPED_TEST(SnapshotStoreTest, AFailedPutLeavesWhatWasThere) {
  ASSERT_TRUE(this->Put("a/x", "before").ok());
  for (const size_t fails_after : {size_t{0}, size_t{100}, kManyPartsBytes}) {
    size_t handed = 0;
    const auto put = this->store_->Put("a/x", [&](char* buffer, size_t capacity) {
      if (handed >= fails_after) return absl::StatusOr<size_t>(absl::AbortedError("engine died"));
      const size_t bytes = std::min(capacity, fails_after - handed);
      std::fill_n(buffer, bytes, 'n');
      handed += bytes;
      return absl::StatusOr<size_t>(bytes);
    });
    EXPECT_EQ(put.status(), absl::AbortedError("engine died"));
    EXPECT_EQ(*this->Get("a/x"), "before");
    EXPECT_EQ(this->Keys(""), std::vector<std::string>{"a/x"});
  }
}

TYPED_TEST(SnapshotStoreTest, TheSinksErrorEndsAGet) {
  ASSERT_TRUE(this->Put("a/x", RandomBytes(size_t{3} << 20, 1)).ok());
  int calls = 0;
  const absl::Status got = this->store_->Get("a/x", [&](std::string_view) {
    return ++calls == 2 ? absl::AbortedError("disk") : absl::OkStatus();
  });
  EXPECT_EQ(got, absl::AbortedError("disk"));
  EXPECT_EQ(calls, 2);
}

TYPED_TEST(SnapshotStoreTest, KeysThatAreNoneAreRefused) {
  for (const char* key : {"", "/a", "a/", "a//b", "..", "a/../b", "a/.b", "a b", "a\nb", "ä"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(this->Put(key, "x"))) << key;
    EXPECT_TRUE(absl::IsInvalidArgument(this->Get(key).status())) << key;
    EXPECT_TRUE(absl::IsInvalidArgument(this->store_->Delete(key))) << key;
  }
}

TYPED_TEST(SnapshotStoreTest, StopEndsAll) {
  const auto put = this->store_->Put("a/x", [&](char* buffer, size_t capacity) {
    this->store_->Stop();
    std::fill_n(buffer, capacity, 'x');
    return absl::StatusOr<size_t>(capacity);
  });
  EXPECT_TRUE(absl::IsCancelled(put.status())) << put.status();
  EXPECT_TRUE(absl::IsCancelled(this->Get("a/x").status()));
}

TYPED_TEST(SnapshotStoreTest, ASnapshotFromEndToEnd) {
  const std::string content = RandomBytes(100'000, 3) + std::string(9'000'000, 'r');
  const SnapshotName name = NewSnapshotName("eu/cache", GroupId(7), Seq(42), 0xabc);
  std::string_view rest = content;
  const auto object = UploadObject(*this->store_, name, "dump.rdb.zst", Compression::kZstd,
                                   [&](char* buffer, size_t capacity) {
                                     const size_t taken = rest.copy(buffer, capacity);
                                     rest.remove_prefix(taken);
                                     return absl::StatusOr<size_t>(taken);
                                   });
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->content_bytes, content.size());
  EXPECT_LT(object->bytes, content.size() / 10);
  const SnapshotManifest manifest = {.log_name = "eu/cache",
                                     .log_id = GroupId(7),
                                     .seq = Seq(42),
                                     .engine = {"redis", "7.0.15"},
                                     .objects = {*object}};
  SnapshotQuery query = {
      .log_name = "eu/cache", .log_id = GroupId(7), .reader = {"redis", "7.2.0"}};
  EXPECT_TRUE(absl::IsNotFound(FindSnapshot(*this->store_, query).status()));
  ASSERT_TRUE(PublishSnapshot(*this->store_, name, manifest).ok());

  const auto found = FindSnapshot(*this->store_, query);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->manifest, manifest);
  std::string loaded;
  const absl::Status downloaded =
      DownloadObject(*this->store_, found->name, found->manifest.objects[0], [&](auto bytes) {
        loaded += bytes;
        return absl::OkStatus();
      });
  ASSERT_TRUE(downloaded.ok()) << downloaded;
  EXPECT_TRUE(loaded == content);
}

TEST(S3TlsTest, OnlyACertificateThatIsTrustedIsTalkedTo) {
  const auto server = objects::testing::S3rver::Start(objects::testing::S3rver::Transport::kTls);
  if (server == nullptr) GTEST_SKIP() << "npm cannot get s3rver";
  const std::string url = "s3://snapshots/tls?endpoint=" + server->endpoint();
  const auto stranger = objects::OpenObjectStore(url, Environment);
  const absl::Status refused = objects::PutBytes(**stranger, "a/x", "x");
  EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
  EXPECT_NE(std::string(refused.message()).find("ca-file="), std::string::npos) << refused;

  const auto trusted =
      objects::OpenObjectStore(url + "&ca-file=" + server->certificate_file(), Environment);
  EXPECT_TRUE(objects::PutBytes(**trusted, "a/x", "x").ok());
  EXPECT_EQ(objects::GetBytes(**trusted, "a/x", 10).value_or("none"), "x");
}

}  // namespace
}  // namespace cairn::adapter
