// The archive with real clusters: records that are trimmed are read as if they were not, whoever is
// killed meanwhile; a cluster is made again from the archive alone; what is damaged or gone is
// named, and holds nothing back but trims.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "cairn/admin.h"
#include "cairn/client.h"
#include "cairn/error.h"
#include "cairn/log.h"
#include "cairn/producer.h"
#include "cairn/tailer.h"
#include "tests/integration/log_world.h"
#include "tests/storage/objects/s3rver.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

constexpr uint64_t kSmallSegment = 64 << 10;

// A cluster that archives to `url`.
class World : public LogWorld {
 public:
  World(const std::string& dir, size_t nodes, const std::string& url)
      : LogWorld(
            dir, nodes,
            {"--archive-url", url, "--archive-object-bytes", "65536", "--archive-age-ms", "100",
             // What is read is fetched.
             "--archive-cache-bytes", "0"}) {}

  Log Create(const std::string& name, LogSettings settings = {}) {
    settings.segment_bytes = kSmallSegment;
    settings.archive = ArchivePolicy::kOn;
    return LogWorld::Create(name, settings);
  }
  LogDescription Describe(const std::string& name) {
    auto log = client().OpenLog(name);
    if (!log.ok()) return {};
    auto described = log->Describe({.linearizable = true});
    return described.ok() ? *std::move(described) : LogDescription{};
  }
  bool AwaitArchived(const std::string& name) {
    return Eventually([&] {
      const LogDescription log = Describe(name);
      return log.archive && log.last_seq && log.archive->archived_seq == log.last_seq;
    });
  }
  std::string ContentsAt(size_t node, const std::string& log) {
    return Run({"read", log, "-o", "json", "--node", cluster().Endpoint(node)});
  }
  // Where it ends.
  std::string End(const std::string& name) {
    const LogDescription log = Describe(name);
    return fmt::format("{}, chain {:016x}", log.last_seq, log.chain);
  }
};

class ArchiveTest : public ::testing::Test {
 protected:
  ArchiveTest() { fs::create_directory(store_); }

  std::string Bytes(size_t most) {
    std::string bytes(random_.Below(most) + 1, '\0');
    for (char& byte : bytes) byte = static_cast<char>('a' + random_.Below(26));
    return bytes;
  }
  void Append(Log& log, int batches, size_t most_bytes = 3000) {
    for (int i = 0; i < batches; ++i) {
      const std::vector<NewRecord> batch(
          i % 3 + 1,
          NewRecord{.payload = Bytes(most_bytes), .metadata = {{"n", fmt::format("{}", i)}}});
      const auto done = log.Append(batch);
      ASSERT_TRUE(done.ok()) << done.status();
    }
  }
  // The files of the runs.
  [[nodiscard]] std::vector<fs::path> Objects() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(store_)) {
      const std::string name = entry.path().filename();
      if (entry.is_regular_file() && name != "log.json" && name.front() != '.') {
        found.push_back(entry.path());
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  // From the first record on, with chains, through the border and back, at each node.
  void ExpectReadsAsOne(World& world, const std::string& log, const std::string& before) {
    EXPECT_GT(world.Describe(log).first_seq, Seq(1));
    for (size_t node = 0; node < world.cluster().size(); ++node) {
      EXPECT_EQ(world.ContentsAt(node, log), before) << "node " << node;
    }
  }

  cairn::testing::TempDir dir_;
  const std::string store_ = dir_.File("store");
  const std::string url_ = "file://" + store_;
  Random random_{11};
};

TEST_F(ArchiveTest, WhatIsTrimmedIsReadAsIfItWereNot) {
  World world(dir_.File("cluster"), 3, url_);
  Log log = world.Create("team/orders");
  ASSERT_NO_FATAL_FAILURE(Append(log, 300));
  const auto epoch = log.AcquireLease("primary", "somebody", absl::Seconds(60));
  ASSERT_TRUE(epoch.ok());
  ASSERT_TRUE(world.AwaitArchived("team/orders"));
  const std::string before = world.Contents("team/orders");
  ASSERT_THAT(before, HasSubstr("exit 0"));
  const LogDescription described = world.Describe("team/orders");
  EXPECT_EQ(described.archive->chain, described.chain);
  EXPECT_THAT(described.archive->trouble, "");

  // Within a segment, and within a run.
  ASSERT_TRUE(log.Trim(Seq(described.last_seq.value() / 2)).ok());
  ExpectReadsAsOne(world, "team/orders", before);
  const Seq first = world.Describe("team/orders").first_seq;
  const auto cut = [&](const std::string& from, const std::string& to) {
    return world.Run({"read", "team/orders", "--from", from, "--to", to, "-o", "json"});
  };
  const auto part = [&](Seq from, Seq to) {
    return cut(fmt::format("{}", from), fmt::format("{}", to));
  };
  EXPECT_THAT(part(Seq(3), Seq(3)), HasSubstr("\"seq\":3"));
  EXPECT_THAT(part(first.Previous(), first), HasSubstr(fmt::format("\"seq\":{}", first)));
  EXPECT_THAT(part(first.Previous(), first.Previous()),
              HasSubstr(fmt::format("\"seq\":{}", first.Previous())));

  // Everything, though the last records are trimmed too.
  ASSERT_TRUE(log.Trim(described.last_seq + 1).ok());
  ExpectReadsAsOne(world, "team/orders", before);
  // A tail that begins in the archive goes on with what is appended.
  std::vector<Seq> seen;
  auto tailer = Tailer::Open(log, {.start = TailStart::AtSeq(Seq(1))});
  ASSERT_TRUE(tailer.ok()) << tailer.status();
  ASSERT_NO_FATAL_FAILURE(Append(log, 3));
  const Seq last = world.Describe("team/orders").last_seq;
  while (seen.empty() || seen.back() < last) {
    const auto event = (*tailer)->Next(absl::Seconds(30));
    ASSERT_TRUE(event.ok()) << event.status();
    for (const RecordBatch& batch : event->batches) {
      for (const Record& record : batch.records) seen.push_back(record.seq);
    }
  }
  for (size_t i = 0; i < seen.size(); ++i) ASSERT_EQ(seen[i], Seq(i + 1));
}

TEST_F(ArchiveTest, AClusterIsMadeAgainFromTheArchiveAlone) {
  std::string orders_end;
  std::string orders;
  std::string late_end;
  {
    World world(dir_.File("old"), 3, url_);
    Log log = world.Create("orders");
    ASSERT_NO_FATAL_FAILURE(Append(log, 200));
    Log late = world.Create("late", {.fenced = true});
    const auto epoch = late.AcquireLease("primary", "x", absl::Seconds(60));
    ASSERT_TRUE(epoch.ok());
    ASSERT_TRUE(late.Append("under a lease", {.if_lease_epoch = *epoch}).ok());
    ASSERT_TRUE(world.AwaitArchived("orders"));
    ASSERT_TRUE(world.AwaitArchived("late"));
    ASSERT_TRUE(log.Trim(Seq(100)).ok());
    orders = world.Contents("orders");
    orders_end = world.End("orders");
    late_end = world.End("late");
  }
  fs::remove_all(dir_.File("old"));

  World world(dir_.File("new"), 3, url_);
  EXPECT_THAT(world.RunAlone({"archive", "verify", "--url", url_}), HasSubstr("exit 0"));
  // The nodes say where it is, once they have opened it.
  ASSERT_TRUE(Eventually([&] {
    return world.Run({"archive", "ls"}).find("exit 0") != std::string::npos;
  }));
  const std::string restored = world.Run({"archive", "restore"});
  ASSERT_THAT(restored, HasSubstr("exit 0"));
  EXPECT_EQ(world.End("orders"), orders_end);
  EXPECT_EQ(world.End("late"), late_end);
  EXPECT_EQ(world.Contents("orders"), orders);
  EXPECT_EQ(world.Describe("late").settings.fenced, true);
  EXPECT_EQ(world.Describe("orders").settings.archive, ArchivePolicy::kOn);
  EXPECT_THAT(world.Run({"segment", "verify", "orders"}), HasSubstr("exit 0"));
  // Once more changes nothing. Up to a record, under another name.
  EXPECT_THAT(world.Run({"archive", "restore", "--url", url_}), HasSubstr("was there"));
  const auto restore_to = [&](const char* at) {
    return world.Run({"archive", "restore", "--log", "orders", "--at", at, "--prefix", "to/"});
  };
  EXPECT_THAT(restore_to("100"), HasSubstr("appended together with others"));
  EXPECT_THAT(restore_to("102"), HasSubstr("exit 0"));
  EXPECT_EQ(world.Describe("to/orders").last_seq, Seq(102));
  // It is archived again, as the log that it now is, from its first record on.
  ASSERT_TRUE(world.AwaitArchived("orders"));
  EXPECT_THAT(world.RunAlone({"archive", "verify", "--url", url_}), HasSubstr("exit 0"));
}

TEST_F(ArchiveTest, AKilledLeaderLeavesNoHole) {
  World world(dir_.File("cluster"), 3, url_);
  Log log = world.Create("orders");
  auto producer = Producer::Open(log, {});
  ASSERT_TRUE(producer.ok()) << producer.status();
  const auto send = [&](int records) {
    for (int i = 0; i < records; ++i) ASSERT_TRUE((*producer)->Send(Bytes(3000)).ok());
    ASSERT_TRUE((*producer)->Flush().ok());
  };
  for (int kill = 0; kill < 4; ++kill) {
    ASSERT_NO_FATAL_FAILURE(send(120));
    NodeId leader;
    ASSERT_TRUE(Eventually([&] {
      leader = world.Describe("orders").leader_node_id;
      return leader != NodeId();
    }));
    // While it archives: there is more than an object's worth.
    const size_t victim = static_cast<size_t>(leader.value() - 1);
    world.cluster().Kill(victim);
    ASSERT_NO_FATAL_FAILURE(send(40));
    world.cluster().Start(victim);
    ASSERT_TRUE(world.cluster().AwaitAllReady());
  }
  ASSERT_TRUE(world.AwaitArchived("orders"));
  const std::string before = world.Contents("orders");
  EXPECT_THAT(world.RunAlone({"archive", "verify", "--url", url_}), HasSubstr("exit 0"));
  ASSERT_TRUE(log.Trim(world.Describe("orders").last_seq).ok());
  ExpectReadsAsOne(world, "orders", before);
}

TEST_F(ArchiveTest, ADamagedObjectIsNamedAndNotPassedOver) {
  World world(dir_.File("cluster"), 1, url_);
  Log log = world.Create("orders");
  ASSERT_NO_FATAL_FAILURE(Append(log, 300));
  ASSERT_TRUE(world.AwaitArchived("orders"));
  ASSERT_TRUE(log.Trim(world.Describe("orders").last_seq).ok());
  const std::vector<fs::path> objects = Objects();
  ASSERT_GT(objects.size(), 4u);
  const std::string name = objects[2].filename();
  {
    std::fstream file(objects[2], std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1000);
    file.put('\xff');
  }
  const std::string read = world.Contents("orders");
  EXPECT_THAT(read, HasSubstr(name));
  EXPECT_THAT(read, HasSubstr("exit 7"));
  // What is before it was shown, and nothing behind it.
  EXPECT_THAT(read, HasSubstr("\"seq\":2,"));
  EXPECT_THAT(read, Not(HasSubstr(fmt::format("\"seq\":{},", world.Describe("orders").last_seq))));
  const std::string verified = world.RunAlone({"archive", "verify", "--url", url_});
  EXPECT_THAT(verified, HasSubstr(name));
  EXPECT_THAT(verified, HasSubstr("exit 7"));

  // Gone altogether: the gap is named.
  fs::remove(objects[2]);
  EXPECT_THAT(world.RunAlone({"archive", "verify", "--url", url_}), HasSubstr("are missing"));
  EXPECT_THAT(world.Run({"read", "orders", "--from", "1"}), Not(HasSubstr("exit 0")));
  const std::string restored = world.Run({"archive", "restore", "--prefix", "half/"});
  EXPECT_THAT(restored, HasSubstr("1 … "));
  EXPECT_THAT(restored, HasSubstr("exit 0"));
}

TEST_F(ArchiveTest, AStoreThatIsAwayHoldsBackTrimsOnly) {
  World world(dir_.File("cluster"), 1, url_);
  Log log = world.Create("orders", {.retention_bytes = 2 * kSmallSegment});
  ASSERT_NO_FATAL_FAILURE(Append(log, 20));
  ASSERT_TRUE(world.AwaitArchived("orders"));
  fs::rename(store_, dir_.File("away"));
  ASSERT_NO_FATAL_FAILURE(Append(log, 200));
  ASSERT_TRUE(Eventually([&] { return !world.Describe("orders").archive->trouble.empty(); }));
  const LogDescription described = world.Describe("orders");
  EXPECT_LT(described.archive->archived_seq, described.last_seq);
  // By nobody, and not by retention either.
  const auto trimmed = log.Trim(described.last_seq);
  EXPECT_EQ(GetReason(trimmed.status()), Reason::kTrimGuarded) << trimmed.status();
  EXPECT_LE(world.Describe("orders").first_seq, described.archive->archived_seq + 1);
  std::string metrics;
  ASSERT_EQ(world.cluster().Get(0, "/metrics", &metrics), 200);
  EXPECT_THAT(metrics, Not(HasSubstr("cairn_archive_errors_total 0\n")));

  fs::rename(dir_.File("away"), store_);
  ASSERT_TRUE(world.AwaitArchived("orders"));
  EXPECT_TRUE(Eventually([&] { return world.Describe("orders").first_seq > Seq(1); }))
      << "retention goes on";
  EXPECT_THAT(world.Contents("orders"), HasSubstr("\"seq\":1,"));
}

TEST_F(ArchiveTest, ABucketIsAsGood) {
  using objects::testing::S3rver;
  const auto s3 = S3rver::Start(S3rver::Transport::kPlain);
  if (s3 == nullptr) GTEST_SKIP() << "npm cannot get s3rver";
  setenv("AWS_ACCESS_KEY_ID", "S3RVER", 1);
  setenv("AWS_SECRET_ACCESS_KEY", "S3RVER", 1);
  const std::string url = "s3://snapshots/logs?endpoint=" + s3->endpoint();
  std::string end;
  {
    World world(dir_.File("old"), 1, url);
    Log log = world.Create("orders");
    ASSERT_NO_FATAL_FAILURE(Append(log, 200));
    ASSERT_TRUE(world.AwaitArchived("orders"));
    const std::string before = world.Contents("orders");
    ASSERT_TRUE(log.Trim(Seq(200)).ok());
    ExpectReadsAsOne(world, "orders", before);
    end = world.End("orders");
    EXPECT_THAT(world.Run({"archive", "ls"}), HasSubstr("orders"));
  }
  World world(dir_.File("new"), 1, url);
  ASSERT_THAT(world.Run({"archive", "restore", "--url", url}), HasSubstr("exit 0"));
  EXPECT_EQ(world.End("orders"), end);
}

}  // namespace
}  // namespace cairn::integration
