// Where the tables of runs go in the database: below level 0, where they stay, whatever the group
// was before; and that a group which was emptied for that leaves without being read.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/listener.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "storage/dir_check.h"
#include "storage/key_codec.h"
#include "storage/rocks_hooks.h"
#include "storage/rocks_log_store.h"
#include "tests/storage/store_testing.h"
#include "tests/support/lossy_fs.h"
#include "tests/support/temp_dir.h"

namespace cairn::storage {
namespace {

constexpr uint64_t kRunEntries = 40;
constexpr size_t kPayloadBytes = 4096;
constexpr int64_t kTrashKeptUs = 60 * kMicrosPerSecond;

// Keeps the database, and counts what it does by itself. Threads: RocksDB's.
class Watch : public rocksdb::EventListener {
 public:
  void OnExternalFileIngested(rocksdb::DB* db, const rocksdb::ExternalFileIngestionInfo&) override {
    db_ = db;
  }
  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { ++flushes_; }
  void OnCompactionBegin(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override {
    ++compactions_;
  }

  [[nodiscard]] int flushes() const { return flushes_; }
  [[nodiscard]] int compactions() const { return compactions_; }
  // Levels of the tables that begin with a row of the group.
  [[nodiscard]] std::vector<int> Levels(GroupId group) const {
    std::vector<rocksdb::LiveFileMetaData> files;
    db_.load()->GetLiveFilesMetaData(&files);
    std::vector<int> levels;
    for (const rocksdb::LiveFileMetaData& file : files) {
      if (file.column_family_name != "entries" && file.column_family_name != "seqs") continue;
      if (GroupOfKey(file.smallestkey) == group) levels.push_back(file.level);
    }
    return levels;
  }

 private:
  std::atomic<rocksdb::DB*> db_ = nullptr;
  std::atomic<int> flushes_ = 0;
  std::atomic<int> compactions_ = 0;
};

class RunPlaceTest : public ::testing::Test {
 protected:
  RunPlaceTest() {
    hooks_.file_system = fs_;
    hooks_.listener = watch_;
    Open();
  }

  void Open() {
    store_.reset();
    RocksOptions options = SmallOptions(dir_.path());
    options.hooks = &hooks_;
    options.clock = &clock_;
    options.trash_keep_us = kTrashKeptUs;
    auto opened = RocksLogStore::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = std::move(*opened);
  }

  void Write(GroupWrite write) { ASSERT_OK(store_->Write(OneWrite(std::move(write)))); }
  void Remove() {
    GroupWrite remove;
    remove.group = kGroup;
    remove.remove = true;
    Write(std::move(remove));
  }
  static StoredEntry Entry(uint64_t index) {
    return MakeEntry(index, 1, std::string(kPayloadBytes, static_cast<char>('a' + index % 26)),
                     index, 1, 100);
  }
  // Entries [first, first + count) as appends.
  void Append(uint64_t first, uint64_t count) {
    for (uint64_t index = first; index < first + count; ++index)
      Write(WriteEntries({Entry(index)}));
  }
  // As a run.
  void TakeRun(uint64_t first) {
    auto builder = store_->BeginRun(kGroup, Index(first - 1));
    ASSERT_TRUE(builder.ok()) << builder.status();
    for (uint64_t index = first; index < first + kRunEntries; ++index) {
      ASSERT_OK((*builder)->Add(RefTo(Entry(index))));
    }
    GroupWrite write;
    write.group = kGroup;
    const auto run = (*builder)->Finish();
    ASSERT_TRUE(run.ok()) << run.status();
    write.run = *run;
    Write(std::move(write));
  }
  // The whole log, from the store.
  void ExpectEntries(uint64_t last) {
    const auto range = store_->ReadEntries(kGroup, Index(1), Index(last + 1), ~uint64_t{0});
    ASSERT_TRUE(range.ok()) << range.status();
    ASSERT_EQ(range->entries.size(), last);
    for (uint64_t i = 0; i < last; ++i) {
      EXPECT_EQ(range->entries[i].payload.view(), Entry(i + 1).payload.view());
    }
    for (uint64_t seq = 1; seq <= last; ++seq)
      EXPECT_EQ(*store_->SeekSeq(kGroup, Seq(seq)), Index(seq));
  }
  // Of runs, and of what was compacted before.
  void ExpectBelowLevel0(size_t tables) {
    const std::vector<int> levels = watch_->Levels(kGroup);
    EXPECT_EQ(levels.size(), tables);
    for (const int level : levels) EXPECT_GT(level, 0);
  }

  testing::TempDir dir_;
  ManualClock clock_;
  std::shared_ptr<testing::LossyFs> fs_ =
      std::make_shared<testing::LossyFs>(rocksdb::FileSystem::Default());
  std::shared_ptr<Watch> watch_ = std::make_shared<Watch>();
  RocksHooks hooks_;
  std::unique_ptr<RocksLogStore> store_;
};

TEST_F(RunPlaceTest, BelowLevel0) {
  Write(MakeGroup());
  Append(1, 2);
  for (uint64_t run = 0; run < 5; ++run) TakeRun(3 + run * kRunEntries);
  ExpectBelowLevel0(10);
  ExpectEntries(2 + 5 * kRunEntries);
}

// What was filled by runs goes as it came: by tables. What is left to delete lies before the next
// run, which hence waits for nothing.
TEST_F(RunPlaceTest, OfAGroupThatComesBackUnread) {
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(fmt::format("round {}", round));
    Write(MakeGroup());
    Append(1, 2);
    for (uint64_t run = 0; run < 3; ++run) TakeRun(3 + run * kRunEntries);
    ExpectBelowLevel0(6);
    ExpectEntries(2 + 3 * kRunEntries);
    Remove();
  }
  EXPECT_EQ(watch_->flushes(), 0);
  EXPECT_EQ(watch_->compactions(), 0);
}

// A tombstone over what was appended covers the next run, and goes first.
TEST_F(RunPlaceTest, OfAGroupThatWasAppendedTo) {
  Write(MakeGroup());
  Append(1, kRunEntries);
  Remove();
  Write(MakeGroup());
  Append(1, 2);
  TakeRun(3);
  ExpectBelowLevel0(4);
  EXPECT_GT(watch_->compactions(), 0);
  Open();
  ExpectEntries(2 + kRunEntries);
}

// The group had more entries than it has when it comes back: they must not come to light with the
// tables that held their tombstones.
TEST_F(RunPlaceTest, OfAGroupThatWasLonger) {
  Write(MakeGroup());
  Append(1, 3 * kRunEntries);
  Remove();
  Write(MakeGroup());
  Append(1, 2);
  TakeRun(3);
  Remove();
  Write(MakeGroup());
  Append(1, 1);
  Open();
  ExpectEntries(1);
  TakeRun(2);
  Open();
  ExpectEntries(1 + kRunEntries);
}

TEST_F(RunPlaceTest, ARemovedGroupLeavesTheDiskUnread) {
  Write(MakeGroup());
  TakeRun(1);
  Write(MakeGroup(GroupId(8)));
  Remove();
  EXPECT_EQ(watch_->Levels(kGroup).size(), 2u);
  clock_.now_us += kTrashKeptUs;
  GroupWrite vote;
  vote.group = GroupId(8);
  vote.hard_state = StoredHardState{Term(2), NodeId(1), Index(0)};
  Write(std::move(vote));
  EXPECT_EQ(watch_->Levels(kGroup).size(), 0u);
  EXPECT_EQ(watch_->compactions(), 0);
}

// Power goes while the tables do, before the turn that deletes what is left: the group counts for
// nobody by then, a check included.
TEST_F(RunPlaceTest, ACrashWhileTablesAreDropped) {
  for (uint64_t changes = 0; changes < 6; ++changes) {
    SCOPED_TRACE(fmt::format("{} changes", changes));
    Write(MakeGroup());
    Append(1, 2);
    TakeRun(3);
    Remove();
    fs_->CutAfter(changes, "MANIFEST");
    const absl::Status written = store_->Write(OneWrite(MakeGroup()));
    store_.reset();
    Random random(changes);
    fs_->Lose(testing::Loss::kNothing, random);
    const auto report = CheckDirectory(dir_.path(), [](auto...) {});
    ASSERT_TRUE(report.ok()) << report.status();
    Open();
    EXPECT_EQ(store_->Verdict(), RecoveryVerdict::kSound) << store_->VerdictDetail();
    // RocksDB changes its tables by itself, too: power can go by that when the turn is written and
    // not synced, and then nobody knows what became of it.
    const bool there = !store_->LoadGroups()->empty();
    EXPECT_TRUE(there || !written.ok());
    EXPECT_TRUE(there || report->whole()) << report->findings.front().what;
    if (there) Remove();
  }
}

}  // namespace
}  // namespace cairn::storage
