// `cairn recover`: two of three nodes are lost for good, and the third one goes on as a cluster of
// its own. What it held is there, with its chains; nobody of the old cluster is let in; the new one
// grows to three again.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "cairn/admin.h"
#include "cairn/client.h"
#include "cairn/error.h"
#include "cairn/log.h"
#include "storage/dir_check.h"
#include "tests/fault/small_disk.h"
#include "tests/integration/exactly_once_load.h"
#include "tests/integration/process_cluster.h"
#include "tests/support/directory_print.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr char kLedger[] = "ledger";
constexpr char kLoad[] = "load";
constexpr size_t kLeft = 2;  // The node that is left.

Reason ReasonOf(const absl::Status& status) {
  const std::optional<ErrorInfo> info = GetErrorInfo(status);
  return info ? info->reason : Reason::kUnspecified;
}

std::unique_ptr<Client> Connect(std::vector<std::string> endpoints) {
  ClientOptions options;
  options.endpoints = std::move(endpoints);
  options.default_timeout = absl::Seconds(20);
  auto client = Client::Connect(std::move(options));
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

// The holder of the ledger's lease: appends one record after the other and notes their chains.
class Writer {
 public:
  Writer(Log log, Epoch epoch) : log_(std::move(log)), thread_([this, epoch] { Run(epoch); }) {}
  ~Writer() { Stop(); }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] size_t acknowledged() const {
    absl::MutexLock lock(&mutex_);
    return chains_.size();
  }
  // Of acknowledged records, by seq.
  [[nodiscard]] std::map<uint64_t, uint64_t> chains() const {
    absl::MutexLock lock(&mutex_);
    return chains_;
  }

 private:
  void Run(Epoch epoch) {
    AppendOptions options;
    options.if_lease_epoch = epoch;
    options.call.timeout = absl::Seconds(2);
    for (int i = 0; !stop_; ++i) {
      const auto done = log_.Append(fmt::format("entry {}", i), options);
      if (!done.ok()) continue;
      absl::MutexLock lock(&mutex_);
      chains_[done->last_seq.value()] = done->chain;
    }
  }

  Log log_;
  std::atomic<bool> stop_{false};
  mutable absl::Mutex mutex_;
  std::map<uint64_t, uint64_t> chains_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

class RecoverTest : public ::testing::Test {
 protected:
  void Start(size_t nodes) {
    cluster_ = std::make_unique<ProcessCluster>(
        ProcessCluster::Options{.program = CAIRN_BIN_DIR "/cairnd",
                                .dir = dir_.path(),
                                .nodes = nodes,
                                .flags = {"--segment-bytes", "65536"}});
    cluster_->StartAll();
    ASSERT_TRUE(cluster_->AwaitAllReady());
  }

  // What `cairn` prints, and its exit status.
  std::pair<std::string, int> Cairn(std::vector<std::string> words) {
    const std::string output = dir_.File(fmt::format("told-{}", ++asked_));
    words.insert(words.begin(), CAIRN_BIN_DIR "/cairn");
    Process process;
    process.Start({.argv = std::move(words), .environment = {}, .output = output});
    const std::optional<int> status = process.AwaitExit(120);
    return {ReadWholeFile(output), status.value_or(-1)};
  }
  std::pair<std::string, int> Recover(const std::vector<std::string>& words) {
    std::vector<std::string> all = {"recover"};
    all.insert(all.end(), words.begin(), words.end());
    return Cairn(std::move(all));
  }
  static const Json& LogIn(const Json& told, const std::string& name) {
    static const Json kNone;
    for (const Json& log : told.at("logs")) {
      if (log.at("name") == name) return log;
    }
    ADD_FAILURE() << name << " is not in " << told;
    return kNone;
  }

  cairn::testing::TempDir dir_;
  std::unique_ptr<ProcessCluster> cluster_;
  int asked_ = 0;
};

// Two nodes are lost under load. Either all have the same, or the one that is left has not heard of
// the last appends, and of another holder of the lease.
class RecoverFromLossTest : public RecoverTest {
 protected:
  void Lose(bool lags);
  // Makes the new directory; returns what was told.
  Json RecoverIt();
  void CheckKept(const Json& told);
  void CheckOldOnesAreRefused();
  void CheckAnEqualEpochIsRefused();
  void CheckOldMemberIsRefused(size_t node);
  void Grow();

  [[nodiscard]] std::string NewDir() const { return dir_.File("recovered"); }
  void StartLeft() {
    cluster_->Start(kLeft, {"--data-dir", NewDir()});
    ASSERT_TRUE(Eventually([&] { return cluster_->IsReady(kLeft); })) << cluster_->Output(kLeft);
    new_client_ = Connect({cluster_->Endpoint(kLeft)});
    const auto log = new_client_->OpenLog(kLedger);
    ASSERT_TRUE(log.ok()) << log.status();
    new_log_ = *log;
  }

  std::unique_ptr<Client> old_client_;
  std::optional<Log> old_log_;
  Epoch old_epoch_;
  Epoch lost_epoch_;  // Granted where the one that is left did not hear of it; 0: none was.
  std::map<uint64_t, uint64_t> chains_;
  Seq kept_;  // Of the ledger.
  std::unique_ptr<Client> new_client_;
  std::optional<Log> new_log_;
};

void RecoverFromLossTest::Lose(bool lags) {
  Start(3);
  old_client_ = Connect(cluster_->Endpoints());
  auto ledger =
      old_client_->OpenLog(kLedger, {.call = {}, .create_if_missing = true, .settings = {}});
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  old_log_ = *ledger;
  const auto epoch = old_log_->AcquireLease("primary", "writer", absl::Seconds(60));
  ASSERT_TRUE(epoch.ok()) << epoch.status();
  old_epoch_ = *epoch;
  auto load = ExactlyOnceLoad::Start({.endpoints = cluster_->Endpoints(),
                                      .log = kLoad,
                                      .producers = 2,
                                      .records_per_s = 300,
                                      .record_bytes = 300,
                                      .delivery_timeout = absl::Seconds(5)});
  ASSERT_TRUE(load.ok()) << load.status();
  Writer writer(*old_log_, old_epoch_);
  ASSERT_TRUE(
      Eventually([&] { return writer.acknowledged() >= 200 && (*load)->acknowledged() >= 200; }));
  if (lags) {
    cluster_->Signal(kLeft, SIGSTOP);
    const size_t before = writer.acknowledged();
    ASSERT_TRUE(Eventually([&] { return writer.acknowledged() >= before + 100; }));
    writer.Stop();
    ASSERT_TRUE(Eventually([&] {
      return old_log_->ReleaseLease("primary", old_epoch_).ok() ||
             !old_log_->GetLease("primary")->epoch;
    }));
    const auto lost = old_log_->AcquireLease("primary", "another", absl::Seconds(60));
    ASSERT_TRUE(lost.ok()) << lost.status();
    lost_epoch_ = *lost;
  }
  for (size_t node = 0; node < 3; ++node) cluster_->Kill(node);
  writer.Stop();
  chains_ = writer.chains();
}

Json RecoverFromLossTest::RecoverIt() {
  const std::string from = cluster_->DataDir(kLeft);
  const std::string before = cairn::testing::DirectoryPrint(from);
  const auto [plan, planned] = Recover({"--from", from, "--dry-run", "-o", "json"});
  EXPECT_EQ(planned, 0) << plan;
  EXPECT_FALSE(fs::exists(from + ".recovered"));
  const auto [text, status] = Recover({"--from", from, "--to", NewDir(), "-o", "json"});
  EXPECT_EQ(status, 0) << text;
  EXPECT_EQ(cairn::testing::DirectoryPrint(from), before);
  EXPECT_FALSE(fs::exists(NewDir() + ".recovering"));
  Json told = Json::parse(text);
  EXPECT_EQ(LogIn(Json::parse(plan), kLedger).at("chain"), LogIn(told, kLedger).at("chain"));
  const auto whole = storage::CheckDirectory(NewDir(), [](std::string_view, uint64_t, uint64_t) {});
  EXPECT_TRUE(whole.ok() && whole->whole()) << whole.status();
  return told;
}

void RecoverFromLossTest::CheckKept(const Json& told) {
  const Json& ledger = LogIn(told, kLedger);
  kept_ = Seq(ledger.at("last_seq").get<uint64_t>());
  const uint64_t acknowledged = chains_.rbegin()->first;
  if (lost_epoch_) {
    EXPECT_LT(kept_.value(), acknowledged);
  } else {
    EXPECT_GE(kept_.value() + 1, acknowledged) << "all but what was on its way";
  }
  EXPECT_LE(ledger.at("committed_seq"), kept_.value());
  EXPECT_GE(ledger.at("committed_seq"), 1u);
  EXPECT_LT(ledger.at("age_ms"), 600'000u);
  EXPECT_EQ(ledger.at("leases_ended"), 1u);
  EXPECT_EQ(LogIn(told, kLoad).at("producers_dropped"), 2u);
  EXPECT_NE(told.at("cluster_id"), told.at("old_cluster_id"));
  EXPECT_EQ(told.at("node_id"), 1001u);

  // Every record that was acknowledged and kept is there, with its chain.
  ReadOptions options;
  ReadStream stream = new_log_->Read(options);
  size_t compared = 0;
  bool expired = false;
  for (auto batch = stream.Next(); batch.ok() && *batch; batch = stream.Next()) {
    const uint64_t last = (*batch)->last_seq().value();
    if (const auto known = chains_.find(last); known != chains_.end() && last <= kept_.value()) {
      EXPECT_EQ((*batch)->chain, known->second) << "at " << last;
      ++compared;
    }
    for (const Record& record : (*batch)->records) {
      expired = expired || (record.kind == RecordKind::kLeaseExpired && record.seq == kept_ + 1);
    }
  }
  EXPECT_GE(compared, 100u);
  EXPECT_TRUE(expired) << "whoever tails the log sees that nobody holds the lease";
}

void RecoverFromLossTest::CheckOldOnesAreRefused() {
  EXPECT_GT(new_log_->id(), old_log_->id());
  EXPECT_EQ(ReasonOf(old_log_->Append("from the old cluster").status()), Reason::kLogRecreated);
  AppendOptions fenced;
  fenced.if_lease_epoch = old_epoch_;
  EXPECT_EQ(ReasonOf(old_log_->Append("x", fenced).status()), Reason::kLogRecreated);
  EXPECT_EQ(ReasonOf(new_log_->Append("x", fenced).status()), Reason::kLeaseLost);
}

// The new cluster grants an epoch of the very number that a holder whom the one that is left never
// heard of has.
void RecoverFromLossTest::CheckAnEqualEpochIsRefused() {
  for (Seq last; last + 1 < Seq(lost_epoch_.value());) {
    const auto done = new_log_->Append("filler");
    ASSERT_TRUE(done.ok()) << done.status();
    last = done->last_seq;
  }
  const auto granted = new_log_->AcquireLease("primary", "new", absl::Seconds(60));
  ASSERT_TRUE(granted.ok()) << granted.status();
  ASSERT_EQ(*granted, lost_epoch_);
  AppendOptions fenced;
  fenced.if_lease_epoch = lost_epoch_;
  EXPECT_EQ(ReasonOf(old_log_->Append("x", fenced).status()), Reason::kLogRecreated);
  EXPECT_EQ(ReasonOf(old_log_->RenewLease("primary", lost_epoch_).status()), Reason::kLogRecreated);
  EXPECT_TRUE(new_log_->Append("x", fenced).ok());
}

void RecoverFromLossTest::CheckOldMemberIsRefused(size_t node) {
  cluster_->Start(node);
  EXPECT_TRUE(Eventually([&] {
    return cluster_->Output(node).find("does not let") != std::string::npos ||
           cluster_->Output(node).find("can only come with an empty data directory") !=
               std::string::npos;
  })) << cluster_->Output(node);
  EXPECT_FALSE(cluster_->IsReady(node));
  cluster_->Kill(node);
}

void RecoverFromLossTest::Grow() {
  for (const size_t node : {size_t{0}, size_t{1}}) {
    fs::remove_all(cluster_->DataDir(node));
    const auto id = new_client_->admin().AddMember(
        {.name = fmt::format("n{}", node + 1), .address = cluster_->Endpoint(node)});
    ASSERT_TRUE(id.ok()) << id.status();
    EXPECT_GT(*id, NodeId(1001));
    cluster_->Start(node);
    ASSERT_TRUE(Eventually([&] { return cluster_->IsReady(node); })) << cluster_->Output(node);
  }
  for (const char* name : {kLedger, kLoad}) {
    ASSERT_TRUE(Eventually([&] {
      const auto members = new_client_->admin().GetMembers();
      const auto log = new_client_->admin().DescribeLog(name);
      return members.ok() && members->moving == 0 && log.ok() && log->replicas.size() == 3;
    })) << name;
  }
  const auto done = new_log_->Append("by three");
  ASSERT_TRUE(done.ok()) << done.status();
  for (const char* name : {kLedger, kLoad}) {
    const auto [text, status] =
        Cairn({"segment", "verify", name, "--endpoints", cluster_->Endpoint(kLeft)});
    EXPECT_EQ(status, 0) << text;
  }
}

TEST_F(RecoverFromLossTest, TheOneThatIsLeftGoesOnAndGrows) {
  ASSERT_NO_FATAL_FAILURE(Lose(/*lags=*/false));
  const Json told = RecoverIt();
  ASSERT_NO_FATAL_FAILURE(StartLeft());
  CheckKept(told);
  CheckOldOnesAreRefused();
  CheckOldMemberIsRefused(0);
  Grow();
  // It is a cluster like any other: the node that was left may go.
  cluster_->Kill(kLeft);
  const auto client = Connect(cluster_->Endpoints());
  auto log = client->OpenLog(kLedger);
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_TRUE(Eventually([&] { return log->Append("by two").ok(); }));
}

TEST_F(RecoverFromLossTest, OneThatLagsKeepsWhatItHadAndLetsNoLostEpochIn) {
  ASSERT_NO_FATAL_FAILURE(Lose(/*lags=*/true));
  const Json told = RecoverIt();
  ASSERT_NO_FATAL_FAILURE(StartLeft());
  CheckKept(told);
  CheckOldOnesAreRefused();
  CheckAnEqualEpochIsRefused();
  Grow();
}

// ---- The tool, on a directory with little in it -------------------------------------------------

class RecoverToolTest : public RecoverTest {
 protected:
  void SetUp() override {
    Start(1);
    const auto client = Connect(cluster_->Endpoints());
    for (const char* name : {"a", "b"}) {
      auto log = client->OpenLog(name, {.call = {}, .create_if_missing = true, .settings = {}});
      ASSERT_TRUE(log.ok()) << log.status();
      for (int i = 0; i < 50; ++i) ASSERT_TRUE(log->Append(std::string(3000, 'x')).ok());
    }
    data_ = cluster_->DataDir(0);
  }
  // Ends the node, and makes `small_`, to which a disk may be put. Errors: not on this machine.
  absl::Status PrepareSmallDisk() {
    cluster_->Kill(0);
    if (getuid() != 0) return absl::PermissionDeniedError("only root may put a small disk there");
    fs::create_directory(small_);
    return fault::EnterMountNamespace();
  }
  std::string data_;
  const std::string small_ = dir_.File("small");
};

TEST_F(RecoverToolTest, WhatCannotBeRecoveredIsSaidWithTheWayOut) {
  const auto [busy, busy_status] = Recover({"--from", data_});
  EXPECT_THAT(busy, HasSubstr("in use by process"));
  EXPECT_EQ(busy_status, 3);
  cluster_->Kill(0);
  const auto [usage, usage_status] = Recover({"--to", data_});
  EXPECT_THAT(usage, HasSubstr("--from"));
  EXPECT_EQ(usage_status, 2);
  const auto [nothing, nothing_status] = Recover({"--from", dir_.File("nowhere")});
  EXPECT_EQ(nothing_status, 4) << nothing;
  const auto [no_store, no_store_status] = Recover({"--from", data_ + "/db"});
  EXPECT_THAT(no_store, HasSubstr("holds no store"));
  EXPECT_EQ(no_store_status, 4);
  const auto [taken, taken_status] = Recover({"--from", data_, "--to", data_});
  EXPECT_THAT(taken, HasSubstr("not empty"));
  EXPECT_EQ(taken_status, 3);
  const auto [homeless, homeless_status] =
      Recover({"--from", data_, "--to", dir_.File("no/where")});
  EXPECT_THAT(homeless, HasSubstr("no directory"));
  EXPECT_EQ(homeless_status, 4);
}

TEST_F(RecoverToolTest, AfterKillsInTheMiddleItIsSimplyRepeated) {
  cluster_->Kill(0);
  const std::string to = dir_.File("new");
  // Killed when these are there: nothing, a database, a directory that is complete for a start.
  for (const char* moment : {"", "/LOCK", "/db/CURRENT", "/FORMAT", "/IDENTITY"}) {
    Process process;
    process.Start({.argv = {CAIRN_BIN_DIR "/cairnd", "--recover-data", "--from", data_, "--to", to},
                   .environment = {},
                   .output = dir_.File("killed")});
    ASSERT_TRUE(Eventually([&] {
      return fs::exists(to + ".recovering" + moment) || fs::exists(to);
    })) << moment;
    process.Kill();
    if (fs::exists(to)) break;  // It was quicker: complete, then.
  }
  const bool made = fs::exists(to);
  const auto [text, status] = Recover({"--from", data_, "--to", to});
  EXPECT_EQ(status, made ? 3 : 0) << text;
  EXPECT_FALSE(fs::exists(to + ".recovering") && !made);
  cluster_->Start(0, {"--data-dir", to});
  ASSERT_TRUE(cluster_->AwaitAllReady()) << cluster_->Output(0);
  EXPECT_TRUE(Connect(cluster_->Endpoints())->OpenLog("b").ok());
}

TEST_F(RecoverToolTest, AFullDiskIsSaidAndNothingIsLeft) {
  const absl::Status prepared = PrepareSmallDisk();
  if (!prepared.ok()) GTEST_SKIP() << prepared;
  const auto disk = fault::SmallDisk::Put(small_, 256 << 10);
  ASSERT_TRUE(disk.ok()) << disk.status();
  const auto [text, status] = Recover({"--from", data_, "--to", small_ + "/new"});
  EXPECT_THAT(text, HasSubstr("on a larger disk"));
  EXPECT_EQ(status, 1);
  EXPECT_TRUE(fs::is_empty(small_));
}

TEST_F(RecoverToolTest, ADiskThatIsFullInTheMiddleIsSaidAndNothingIsLeft) {
  const absl::Status prepared = PrepareSmallDisk();
  if (!prepared.ok()) GTEST_SKIP() << prepared;
  const auto disk = fault::SmallDisk::Put(small_, 1 << 30);
  ASSERT_TRUE(disk.ok()) << disk.status();
  const std::vector<std::string> words = {"--from", data_, "--to", small_ + "/new"};
  // There is room for the bytes, and for ever more of the files.
  uint64_t files = 2;
  for (; files < 200; ++files) {
    ASSERT_TRUE((*disk)->LimitFiles(files).ok());
    const auto [text, status] = Recover(words);
    if (status == 0) break;
    EXPECT_EQ(status, 1) << text;
    EXPECT_THAT(text, HasSubstr("No space left on device"));
    EXPECT_TRUE(fs::is_empty(small_)) << files << " files: " << text;
  }
  EXPECT_GT(files, 10u);
  EXPECT_TRUE(fs::exists(small_ + "/new/db"));
}

TEST_F(RecoverToolTest, EachRunMakesAnotherClusterAndTheTextSaysWhatIsNext) {
  cluster_->Kill(0);
  const auto [first, first_status] = Recover({"--from", data_, "-o", "json"});
  const auto [second, second_status] = Recover(
      {"--from", data_, "--to", dir_.File("second"), "--name", "x", "--zone", "z", "-o", "json"});
  ASSERT_EQ(first_status, 0) << first;
  ASSERT_EQ(second_status, 0) << second;
  const Json one = Json::parse(first);
  const Json two = Json::parse(second);
  EXPECT_EQ(one.at("directory"), data_ + ".recovered");
  EXPECT_EQ(one.at("name"), "n1");
  EXPECT_EQ(two.at("name"), "x");
  EXPECT_NE(one.at("cluster_id"), two.at("cluster_id"));
  EXPECT_NE(LogIn(one, "a").at("log_id"), LogIn(two, "a").at("log_id"));
  const auto [text, status] = Recover({"--from", data_, "--dry-run"});
  EXPECT_EQ(status, 0);
  EXPECT_THAT(text, HasSubstr("--dry-run"));
  // What was recovered can be lost again.
  const auto [again, again_status] =
      Recover({"--from", data_ + ".recovered", "--to", dir_.File("third"), "-o", "json"});
  ASSERT_EQ(again_status, 0) << again;
  EXPECT_EQ(Json::parse(again).at("node_id"), 2001u);
  EXPECT_EQ(LogIn(Json::parse(again), "a").at("chain"), LogIn(one, "a").at("chain"));
}

TEST_F(RecoverToolTest, DamageEndsALogWhereItIsAndIsSaid) {
  cluster_->Kill(0);
  // A byte in the middle of the newest write-ahead log's records.
  fs::path wal;
  for (const auto& item : fs::directory_iterator(data_ + "/db")) {
    if (item.path().extension() == ".log") wal = item.path();
  }
  ASSERT_FALSE(wal.empty());
  {
    std::fstream file(wal, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(200'000);
    file.put('!');
  }
  const auto [text, status] = Recover({"--from", data_, "-o", "json"});
  EXPECT_EQ(status, 7) << text;
  const Json told = Json::parse(text);
  EXPECT_FALSE(told.at("complete").get<bool>());
  EXPECT_LT(LogIn(told, "b").at("last_seq"), 50u);
  EXPECT_THAT(told.at("findings").dump(), HasSubstr("damage"));
  cluster_->Start(0, {"--data-dir", data_ + ".recovered"});
  ASSERT_TRUE(cluster_->AwaitAllReady()) << cluster_->Output(0);
}

}  // namespace
}  // namespace cairn::integration
