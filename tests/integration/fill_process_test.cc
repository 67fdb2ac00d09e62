// A node is filled with a log of hundreds of MiB, and killed in the middle of it, as is the node
// that fills it: real processes. In the end all replicas hold the same log, to the last bit.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "cairn/admin.h"
#include "cairn/client.h"
#include "cairn/producer.h"
#include "storage/dir_check.h"
#include "tests/integration/process_cluster.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

constexpr char kLog[] = "large";
constexpr size_t kRecordBytes = 64 << 10;
constexpr size_t kRecords = 256 * 16;  // 256 MiB.
constexpr size_t kNewcomer = 3;

class FillProcessTest : public ::testing::Test {
 protected:
  void Start(std::vector<std::string> flags) {
    // So that next to nothing of the log is in memory, and a segment takes its second.
    flags.insert(flags.end(), {"--cache-bytes", "1048576", "--segment-bytes", "16777216",
                               "--fill-bytes-per-second", "33554432"});
    cluster_ =
        std::make_unique<ProcessCluster>(ProcessCluster::Options{.program = CAIRN_BIN_DIR "/cairnd",
                                                                 .dir = dir_.path(),
                                                                 .nodes = 4,
                                                                 .founders = 3,
                                                                 .flags = std::move(flags)});
    cluster_->StartFounders();
    ASSERT_TRUE(cluster_->AwaitFoundersReady());
    ClientOptions options;
    options.endpoints = cluster_->Endpoints();
    auto client = Client::Connect(std::move(options));
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
  }

  void Append(size_t records) {
    const OpenLogOptions open{.call = {}, .create_if_missing = true, .settings = {}};
    auto log = client_->OpenLog(kLog, open);
    ASSERT_TRUE(log.ok()) << log.status();
    auto producer = Producer::Open(*log, {.delivery_timeout = absl::Seconds(120)});
    ASSERT_TRUE(producer.ok()) << producer.status();
    std::string payload(kRecordBytes, '\0');
    for (size_t i = 0; i < records; ++i) {
      for (size_t at = 0; at < payload.size(); at += sizeof(uint64_t)) {
        const uint64_t drawn = random_.Next();
        payload.replace(at, sizeof drawn, reinterpret_cast<const char*>(&drawn), sizeof drawn);
      }
      ASSERT_TRUE((*producer)->Send(payload).ok());
    }
    const absl::Status flushed = (*producer)->Flush();
    ASSERT_TRUE(flushed.ok()) << flushed;
  }

  // The fourth node joins and takes the first one's replica.
  void BeginToFill() {
    const auto id =
        client_->admin().AddMember({.name = "n4", .address = cluster_->Endpoint(kNewcomer)});
    ASSERT_TRUE(id.ok()) << id.status();
    cluster_->Start(kNewcomer);
    ASSERT_TRUE(Eventually([&] { return cluster_->IsReady(kNewcomer); }));
    ASSERT_TRUE(
        Eventually([&] { return client_->admin().MoveReplica(kLog, NodeId(1), *id).ok(); }));
  }
  // Something of a run is on the newcomer's disk, and not in its log.
  void AwaitRunOnItsWay() {
    ASSERT_TRUE(Eventually([&] {
      std::error_code gone;
      const fs::path runs = fs::path(cluster_->DataDir(kNewcomer)) / "runs";
      for (fs::directory_iterator it(runs, gone), end; !gone && it != end; it.increment(gone)) {
        if (it->file_size(gone) > (1 << 20) && !gone) return true;
      }
      return false;
    })) << cluster_->Output(kNewcomer);
  }
  void AwaitFilled() {
    ASSERT_TRUE(Eventually(
        [&] {
          const auto members = client_->admin().GetMembers();
          const auto info = client_->admin().DescribeLog(kLog);
          if (!members.ok() || members->moving != 0 || !info.ok()) return false;
          for (const auto& replica : info->replicas) {
            if (replica.node_id == NodeId(kNewcomer + 1)) return true;
          }
          return false;
        },
        /*seconds=*/120))
        << cluster_->Output(kNewcomer);
  }
  size_t Leader() {
    size_t leader = 0;
    EXPECT_TRUE(Eventually([&] {
      const auto info = client_->admin().DescribeLog(kLog);
      if (!info.ok() || !info->leader_node_id) return false;
      leader = info->leader_node_id.value() - 1;
      return true;
    }));
    return leader;
  }

  // Where a replica of the log stands; nullopt: its node cannot tell.
  std::optional<GroupStatus> Replica(size_t node) {
    const auto status = client_->admin().Status(cluster_->Endpoint(node), /*with_groups=*/true);
    if (!status.ok()) return std::nullopt;
    for (const GroupStatus& group : status->groups) {
      if (group.log == kLog) return group;
    }
    return std::nullopt;
  }
  void AwaitSame() {
    ASSERT_TRUE(Eventually([&] {
      const std::optional<GroupStatus> first = Replica(1);
      for (size_t node = 1; node < cluster_->size(); ++node) {
        const std::optional<GroupStatus> replica = Replica(node);
        if (!first || !replica || replica->applied_index != first->last_index) return false;
      }
      return true;
    }));
  }

  // Every byte of every replica, as it stands on disk after a kill: what is damaged, where the log
  // ends and its chain there.
  void ExpectSameReplicas() {
    AwaitSame();
    for (size_t node = 0; node < cluster_->size(); ++node) cluster_->Kill(node);
    std::vector<storage::CheckedLog> replicas;
    for (size_t node = 1; node < cluster_->size(); ++node) {
      const auto report = storage::CheckDirectory(cluster_->DataDir(node),
                                                  [](std::string_view, uint64_t, uint64_t) {});
      ASSERT_TRUE(report.ok()) << report.status();
      for (const storage::Finding& finding : report->findings) {
        EXPECT_NE(finding.kind, storage::Finding::Kind::kDamage)
            << "node " << node + 1 << ": " << finding.file << ": " << finding.what;
      }
      for (const storage::CheckedLog& log : report->logs) {
        if (log.name == kLog && !log.removed) replicas.push_back(log);
      }
    }
    ASSERT_EQ(replicas.size(), 3u);
    for (const storage::CheckedLog& replica : replicas) {
      EXPECT_EQ(replica.first_seq, replicas[0].first_seq);
      EXPECT_EQ(replica.last_seq, replicas[0].last_seq);
      EXPECT_EQ(replica.chain, replicas[0].chain);
    }
  }

  cairn::testing::TempDir dir_;
  Random random_{11};
  std::unique_ptr<ProcessCluster> cluster_;
  std::unique_ptr<Client> client_;
};

TEST_F(FillProcessTest, RunsSurviveTheEndOfBothNodes) {
  Start({});
  Append(kRecords);
  BeginToFill();
  AwaitRunOnItsWay();
  cluster_->Kill(kNewcomer);
  cluster_->Start(kNewcomer);
  AwaitRunOnItsWay();
  const size_t leader = Leader();
  cluster_->Kill(leader);
  Append(10);
  cluster_->Start(leader);
  AwaitFilled();
  EXPECT_THAT(cluster_->Output(kNewcomer), HasSubstr("fetched entries"));
  Append(10);
  // The newcomer starts with what it was given.
  for (size_t node = 0; node < cluster_->size(); ++node) cluster_->Kill(node);
  for (size_t node = 0; node < cluster_->size(); ++node) cluster_->Start(node);
  ASSERT_TRUE(cluster_->AwaitAllReady());
  Append(10);
  ExpectSameReplicas();
}

TEST_F(FillProcessTest, WithoutRunsEntriesAreSentOneByOne) {
  Start({"--fill-by-runs", "false"});
  Append(kRecords / 8);
  BeginToFill();
  AwaitFilled();
  EXPECT_THAT(cluster_->Output(kNewcomer), Not(HasSubstr("fetched entries")));
  ExpectSameReplicas();
}

}  // namespace
}  // namespace cairn::integration
