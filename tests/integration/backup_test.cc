// `cairn snapshot save` and `restore` between two real clusters: what comes back has the seqs, log
// times, kinds and chains that were saved, whatever is killed meanwhile; what is damaged is named.
#include "cairn/backup.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "cairn/admin.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "cairn/producer.h"
#include "tests/integration/log_world.h"
#include "tests/support/random_bytes.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class World : public LogWorld {
 public:
  using LogWorld::LogWorld;

  // first_seq, last_seq and chain.
  std::string Standing(const std::string& name) {
    auto log = client().OpenLog(name);
    if (!log.ok()) return log.status().ToString();
    const auto described = log->Describe({.linearizable = true});
    if (!described.ok()) return described.status().ToString();
    return fmt::format("{} … {}, chain {:016x}", described->first_seq, described->last_seq,
                       described->chain);
  }
};

class BackupTest : public ::testing::Test {
 protected:
  static std::string Bytes(Random& random, size_t most) {
    return testing::RandomBytes(random, random.Below(most) + 1);
  }

  // Big and tiny records with metadata, a producer's, leases, a log that begins within a segment,
  // a fenced one and one without records.
  void Fill(World& world) {
    Log orders = world.Create("team/orders");
    for (int i = 0; i < 40; ++i) {
      const std::vector<NewRecord> batch(
          i % 3 + 1, NewRecord{.payload = Bytes(random_, i == 7 ? 900'000 : 300),
                               .metadata = {{"a", "1"}, {"b", "2"}, {"c", std::to_string(i)}}});
      ASSERT_TRUE(orders.Append(batch).ok());
    }
    Log trimmed = world.Create("trimmed", {.segment_bytes = 65536});
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(trimmed.Append(Bytes(random_, 3000)).ok());
    ASSERT_TRUE(trimmed.Trim(Seq(101)).ok());
    Log fenced = world.Create("fenced", {.fenced = true});
    const auto epoch = fenced.AcquireLease("primary", "somebody", absl::Seconds(60));
    ASSERT_TRUE(epoch.ok());
    ASSERT_TRUE(fenced.Append("under a lease", {.if_lease_epoch = *epoch}).ok());
    last_epoch_ = *epoch;
    world.Create("empty");
    Log produced = world.Create("produced");
    auto producer = Producer::Open(produced, {});
    ASSERT_TRUE(producer.ok()) << producer.status();
    for (int i = 0; i < 2000; ++i) {
      ASSERT_TRUE((*producer)->Send(fmt::format("record {}", i)).ok());
    }
    ASSERT_TRUE((*producer)->Flush().ok());
  }

  void ExpectSame(World& saved, World& restored) {
    for (const char* log : {"team/orders", "trimmed", "fenced", "empty", "produced"}) {
      SCOPED_TRACE(log);
      EXPECT_EQ(restored.Standing(log), saved.Standing(log));
      EXPECT_EQ(restored.Contents(log), saved.Contents(log));
      EXPECT_THAT(restored.Run({"segment", "verify", log}), HasSubstr("exit 0"));
    }
  }

  // Enough that a restore takes a while: each record has a log time of its own.
  void FillMuch(World& world) {
    Log log = world.Create("much");
    for (int i = 0; i < kMuch; ++i) ASSERT_TRUE(log.Append(Bytes(random_, 4000)).ok());
  }
  // True once a part of it has been imported, and not all.
  static bool IsHalfWay(World& world) {
    auto log = world.client().OpenLog("much");
    if (!log.ok()) return false;
    const auto point = Backup(log->core()).GetChain(*log);
    return point.ok() && point->importing && point->seq > Seq(0);
  }

  static constexpr int kMuch = 3000;
  cairn::testing::TempDir dir_;
  Random random_{5};
  Epoch last_epoch_;
};

TEST_F(BackupTest, AnotherClusterHasTheSameLogs) {
  World old_world(dir_.File("old"), 3);
  ASSERT_NO_FATAL_FAILURE(Fill(old_world));
  const std::string backup = dir_.File("backup");
  ASSERT_THAT(old_world.Run({"snapshot", "save", backup}), HasSubstr("exit 0"));
  // A directory that holds something is not written to.
  EXPECT_THAT(old_world.Run({"snapshot", "save", backup}), HasSubstr("is not empty"));

  World new_world(dir_.File("new"), 3);
  const std::string restored = new_world.Run({"snapshot", "restore", backup});
  ASSERT_THAT(restored, HasSubstr("exit 0"));
  ExpectSame(old_world, new_world);

  // They are logs like any other now: no lease is held, and epochs go on.
  auto fenced = new_world.client().OpenLog("fenced");
  ASSERT_TRUE(fenced.ok());
  const auto epoch = fenced->AcquireLease("primary", "somebody else", absl::Seconds(60));
  ASSERT_TRUE(epoch.ok()) << epoch.status();
  EXPECT_GT(*epoch, last_epoch_);
  EXPECT_FALSE(fenced->Append("without a lease").ok());
  EXPECT_TRUE(fenced->Append("with one", {.if_lease_epoch = *epoch}).ok());
  // Log time is wall time again.
  auto orders = new_world.client().OpenLog("team/orders");
  ASSERT_TRUE(orders.ok());
  const auto appended = orders->Append("after the restore");
  ASSERT_TRUE(appended.ok());
  EXPECT_GT(appended->timestamp_us, absl::ToUnixMicros(absl::Now() - absl::Seconds(30)));

  // Once more changes nothing, also where the logs have gone on since.
  const std::string again = new_world.Run({"snapshot", "restore", backup});
  EXPECT_THAT(again, HasSubstr("was there"));
  EXPECT_THAT(again, HasSubstr("exit 0"));
  // A restart finds what was imported.
  for (size_t node = 0; node < 3; ++node) new_world.cluster().Kill(node);
  new_world.cluster().StartAll();
  ASSERT_TRUE(new_world.cluster().AwaitAllReady());
  EXPECT_EQ(new_world.Standing("trimmed"), old_world.Standing("trimmed"));
  EXPECT_EQ(new_world.Contents("trimmed"), old_world.Contents("trimmed"));
}

TEST_F(BackupTest, NamesThatAreTakenAreRefusedAndCanBeChanged) {
  World world(dir_.File("old"), 1);
  ASSERT_NO_FATAL_FAILURE(Fill(world));
  const std::string backup = dir_.File("backup");
  ASSERT_THAT(world.Run({"snapshot", "save", backup, "--log", "trimmed", "--log", "fenced"}),
              HasSubstr("exit 0"));
  // The log is another one now, of the same name.
  ASSERT_THAT(world.Run({"log", "rm", "trimmed", "--yes"}), HasSubstr("exit 0"));
  Log other = world.Create("trimmed");
  ASSERT_TRUE(other.Append("something else").ok());
  const std::string before = world.Standing("trimmed");
  const std::string refused = world.Run({"snapshot", "restore", backup});
  EXPECT_THAT(refused, HasSubstr("--rename"));
  EXPECT_THAT(refused, HasSubstr("exit 3"));
  EXPECT_EQ(world.Standing("trimmed"), before);

  EXPECT_THAT(world.Run({"snapshot", "restore", backup, "--rename", "trimmed=yesterday", "--prefix",
                         "old/"}),
              HasSubstr("exit 0"));
  EXPECT_EQ(world.Standing("old/fenced"), world.Standing("fenced"));
  EXPECT_THAT(world.Standing("yesterday"), HasSubstr("101 … 200"));
  EXPECT_THAT(world.Run({"snapshot", "restore", backup, "--log", "nothing"}), HasSubstr("exit 4"));
  EXPECT_THAT(world.Run({"snapshot", "restore", dir_.path()}), HasSubstr("is no backup"));
}

TEST_F(BackupTest, ADamagedFileIsNamedAndNothingIsWritten) {
  World old_world(dir_.File("old"), 1);
  ASSERT_NO_FATAL_FAILURE(Fill(old_world));
  const std::string backup = dir_.File("backup");
  ASSERT_THAT(old_world.Run({"snapshot", "save", backup}), HasSubstr("exit 0"));
  World new_world(dir_.File("new"), 1);
  for (const auto& item : std::filesystem::directory_iterator(backup)) {
    SCOPED_TRACE(item.path());
    const std::string bytes = ReadWholeFile(item.path());
    std::string flipped = bytes;
    flipped[random_.Below(bytes.size())] ^= static_cast<char>(1 << random_.Below(8));
    std::ofstream(item.path(), std::ios::binary | std::ios::trunc) << flipped;
    const std::string refused = new_world.Run({"snapshot", "restore", backup});
    EXPECT_THAT(refused, HasSubstr(item.path().filename().string()));
    EXPECT_THAT(refused, HasSubstr("exit 7"));
    std::ofstream(item.path(), std::ios::binary | std::ios::trunc) << bytes;
  }
  EXPECT_THAT(new_world.Run({"log", "ls", "-o", "json"}), HasSubstr(R"({"logs":[]})"));
  EXPECT_THAT(new_world.Run({"snapshot", "restore", backup}), HasSubstr("exit 0"));
}

// What was read and could not be written is not passed over, in the hope that the next is.
TEST_F(BackupTest, ASaveEndsWithTheFirstWriteThatFails) {
  World world(dir_.path() + "/world", 1);
  Log log = world.Create("orders");
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(log.Append(std::string(500'000, 'x')).ok());
  const std::string backup = dir_.path() + "/backup";
  const std::string output = dir_.path() + "/output";
  // No file above 2,000 blocks of 512 bytes.
  Process save;
  save.Start({.argv = {"/bin/sh", "-c", R"(ulimit -f 2000; trap '' XFSZ; exec "$0" "$@")",
                       CAIRN_BIN_DIR "/cairn", "snapshot", "save", backup, "--endpoints",
                       world.cluster().Endpoint(0)},
              .environment = {},
              .output = output});
  EXPECT_EQ(save.AwaitExit(), 1);
  EXPECT_THAT(ReadWholeFile(output), HasSubstr("log-000001-1: write: File too large"));
  EXPECT_FALSE(std::filesystem::exists(backup + "/backup.json"));
}

TEST_F(BackupTest, ARestoreOutlivesTheDeathOfTheLeader) {
  World old_world(dir_.File("old"), 1);
  ASSERT_NO_FATAL_FAILURE(FillMuch(old_world));
  const std::string backup = dir_.File("backup");
  ASSERT_THAT(old_world.Run({"snapshot", "save", backup}), HasSubstr("exit 0"));
  World new_world(dir_.File("new"), 3);
  Process restore;
  new_world.Start(restore, {"snapshot", "restore", backup}, dir_.File("restore"));
  ASSERT_TRUE(Eventually([&] { return IsHalfWay(new_world); }));
  auto log = new_world.client().OpenLog("much");
  ASSERT_TRUE(log.ok());
  const auto described = log->Describe();
  ASSERT_TRUE(described.ok());
  ASSERT_TRUE(described->leader_node_id);
  const size_t leader = described->leader_node_id.value() - 1;
  new_world.cluster().Kill(leader);
  EXPECT_EQ(restore.AwaitExit(120), 0) << ReadWholeFile(dir_.File("restore"));
  EXPECT_EQ(new_world.Standing("much"), old_world.Standing("much"));
  new_world.cluster().Start(leader);
  ASSERT_TRUE(new_world.cluster().AwaitAllReady());
  EXPECT_EQ(new_world.Contents("much"), old_world.Contents("much"));
  ASSERT_TRUE(Eventually([&] {
    const std::string told = new_world.Run({"segment", "verify", "much"});
    return told.find("behind") == std::string::npos && told.find("exit 0") != std::string::npos;
  }));
}

TEST_F(BackupTest, ARestoreThatWasKilledGoesOn) {
  World old_world(dir_.File("old"), 1);
  ASSERT_NO_FATAL_FAILURE(FillMuch(old_world));
  const std::string backup = dir_.File("backup");
  ASSERT_THAT(old_world.Run({"snapshot", "save", backup}), HasSubstr("exit 0"));
  World new_world(dir_.File("new"), 1);
  Process restore;
  new_world.Start(restore, {"snapshot", "restore", backup}, dir_.File("restore"));
  ASSERT_TRUE(Eventually([&] { return IsHalfWay(new_world); }));
  restore.Kill();
  ASSERT_TRUE(IsHalfWay(new_world));
  // Nobody else may write to it, and none of it is lost by a restart.
  auto log = new_world.client().OpenLog("much");
  ASSERT_TRUE(log.ok());
  EXPECT_THAT(log->Append("too early").status().ToString(), HasSubstr("is being imported"));
  EXPECT_FALSE(log->AcquireLease("primary", "somebody", absl::Seconds(10)).ok());
  EXPECT_THAT(new_world.Run({"log", "describe", "much"}), ContainsRegex("importing +yes"));
  new_world.cluster().Kill(0);
  new_world.cluster().Start(0);
  ASSERT_TRUE(new_world.cluster().AwaitAllReady());
  EXPECT_THAT(new_world.Run({"snapshot", "restore", backup}), HasSubstr("exit 0"));
  EXPECT_EQ(new_world.Standing("much"), old_world.Standing("much"));
  EXPECT_EQ(new_world.Contents("much"), old_world.Contents("much"));
  EXPECT_THAT(new_world.Run({"log", "describe", "much"}), ContainsRegex("importing +no"));
}

}  // namespace
}  // namespace cairn::integration
