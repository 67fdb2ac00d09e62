// A database that cannot be read whole is rebuilt from what can be read, if other nodes hold the
// data (storage/rocks_rebuild.cc). Nothing is lost without a word: a log that was cut says so, or
// the verdict does.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/strings.h"
#include "storage/rocks_log_store.h"
#include "tests/storage/store_testing.h"
#include "tests/support/random_bytes.h"
#include "tests/support/temp_dir.h"

namespace cairn::storage {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kGroups = 4;
constexpr uint64_t kEntries = 300;
constexpr uint64_t kEntriesPerSegment = 100;
constexpr size_t kPayloadBytes = 1500;
constexpr const char* kFormed = "a cluster of three";

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

void FlipBit(const fs::path& path, uint64_t bit) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  const auto byte = static_cast<char>(file.get() ^ (1 << (bit % 8)));
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(byte);
}

// Incompressible, and the same for the same place.
std::string Payload(uint64_t group, uint64_t index) {
  Random random(group * 1'000'003 + index);
  return testing::RandomBytes(random, kPayloadBytes);
}

// The same, made once.
const std::string& Written(GroupId group, Index index) {
  static auto* const kAll = new std::map<std::pair<GroupId, Index>, std::string>();
  std::string& payload = (*kAll)[{group, index}];
  if (payload.empty()) payload = Payload(group.value(), index.value());
  return payload;
}

StoredEntry EntryOf(uint64_t group, uint64_t index) {
  return MakeEntry(index, 1 + index / 150, Written(GroupId(group), Index(index)), index, 1,
                   static_cast<int64_t>(index));
}

// Entries of all logs, mixed in each table of level 0, behind segment rows.
void Fill(RocksLogStore& store) {
  ASSERT_OK(store.SetFormed(kFormed));
  for (uint64_t group = 1; group <= kGroups; ++group) {
    ASSERT_OK(store.Write(OneWrite(MakeGroup(GroupId(group)))));
  }
  for (uint64_t index = 1; index <= kEntries; ++index) {
    StoreBatch batch;
    for (uint64_t group = 1; group <= kGroups; ++group) {
      GroupWrite write = WriteEntries({EntryOf(group, index)}, GroupId(group));
      if (index % kEntriesPerSegment == 0) {
        write.segments.push_back(MakeSegment(index, 1 + index / 150, index + 1));
      }
      batch.groups.push_back(std::move(write));
    }
    ASSERT_OK(store.Write(batch));
  }
}

struct Health {
  bool lost = false;          // The whole directory.
  uint64_t damaged_logs = 0;  // Those that were cut.
};

class RebuildTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    original_ = new testing::TempDir();
    std::unique_ptr<RocksLogStore> store = OpenAt(original_->path());
    ASSERT_NE(store, nullptr);
    Fill(*store);
    identity_ = store->Identity();
    store.reset();
    // Opening flushes the log, so that all of it stands in tables.
    ASSERT_NE(OpenAt(original_->path()), nullptr);
  }
  static void TearDownTestSuite() {
    delete original_;
    original_ = nullptr;
  }

  static RocksOptions Options(const std::string& dir, bool has_peers = true) {
    RocksOptions options = SmallOptions(dir);
    options.wal_pool_files = 0;
    options.boot_id = "a boot";
    if (has_peers) {
      options.peers_hold_it = [](const std::string& formed) { return formed == kFormed; };
    }
    return options;
  }

  static std::unique_ptr<RocksLogStore> OpenAt(const std::string& dir) {
    auto opened = RocksLogStore::Open(Options(dir));
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? std::move(*opened) : nullptr;
  }

  fs::path Copy() {
    copy_ = std::make_unique<testing::TempDir>();
    fs::copy(original_->path(), copy_->path(),
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    return copy_->path();
  }

  [[nodiscard]] std::unique_ptr<RocksLogStore> Reopen() const { return OpenAt(copy_->path()); }

  static std::vector<std::string> Files(const std::string& part) {
    std::vector<std::string> names;
    for (const auto& item : fs::directory_iterator(original_->path() + "/db")) {
      const std::string name = item.path().filename();
      if (name.find(part) != std::string::npos) names.push_back("db/" + name);
    }
    std::sort(names.begin(), names.end());
    EXPECT_FALSE(names.empty()) << part;
    return names;
  }

  // The largest table: one of entries.
  static std::string EntriesTable() {
    const std::vector<std::string> tables = Files(".sst");
    return *std::max_element(tables.begin(), tables.end(), [](const auto& a, const auto& b) {
      return fs::file_size(original_->path() + "/" + a) <
             fs::file_size(original_->path() + "/" + b);
    });
  }

  // Reads all of it, in both directions, whatever comes of that, and has what is damaged rebuilt
  // by the next start.
  static void MeetDamage(RocksLogStore& store) {
    for (uint64_t group = 1; group <= kGroups; ++group) {
      for (uint64_t index = 1; index <= kEntries; index += 10) {
        (void)store.ReadEntries(GroupId(group), Index(index), Index(index + 9), ~uint64_t{0});
        (void)store.SeekSeq(GroupId(group), Seq(index));
      }
    }
    if (!store.Damage().empty()) {
      ASSERT_OK(store.RebuildAtNextOpen());
    }
  }

  // Reads all of it: what a log shows is what was written, up to where it says that it was cut.
  static Health Examine(const RocksLogStore& store) {
    EXPECT_EQ(store.Identity(), identity_);
    Health health{.lost = store.Verdict() != RecoveryVerdict::kSound};
    const auto groups = store.LoadGroups();
    EXPECT_TRUE(groups.ok()) << groups.status();
    if (!groups.ok()) return health;
    if (!health.lost) {
      EXPECT_EQ(groups->size(), kGroups);
    }
    for (const StoredGroup& group : *groups) {
      const bool damaged = !group.damage.empty();
      health.damaged_logs += damaged ? 1 : 0;
      if (!damaged && !health.lost) {
        EXPECT_EQ(group.last_index, Index(kEntries)) << group.group;
      }
      if (!group.last_index) continue;
      const auto read = store.ReadEntries(group.group, Index(1), group.last_index, ~uint64_t{0});
      EXPECT_TRUE(read.ok()) << read.status();
      if (!read.ok()) continue;
      EXPECT_EQ(read->entries.size(), group.last_index.value());
      for (const StoredEntry& entry : read->entries) {
        EXPECT_TRUE(entry.payload.view() == Written(group.group, entry.index)) << entry.index;
        const auto found = store.SeekSeq(group.group, entry.first_seq);
        EXPECT_TRUE(found.ok() && *found == entry.index) << found.status();
      }
    }
    return health;
  }

  inline static testing::TempDir* original_ = nullptr;
  inline static NodeIdentity identity_;
  std::unique_ptr<testing::TempDir> copy_;
};

TEST_F(RebuildTest, ASoundDirectoryIsLeftAlone) {
  Copy();
  for (int i = 0; i < 2; ++i) {
    const std::unique_ptr<RocksLogStore> store = Reopen();
    ASSERT_NE(store, nullptr);
    const Health health = Examine(*store);
    EXPECT_FALSE(health.lost);
    EXPECT_EQ(health.damaged_logs, 0u);
    EXPECT_EQ(store->Damage(), "");
  }
  EXPECT_FALSE(fs::exists(copy_->path() + "/damaged"));
}

// Wherever a file is damaged: after at most two starts the directory can be read and written,
// and what it lacks is known.
TEST_F(RebuildTest, DamageAnywhereIsRepairedByStarting) {
  Random random(3);
  std::map<std::string, int> seen;
  for (const char* part : {".sst", "MANIFEST", "CURRENT"}) {
    for (const std::string& file : Files(part)) {
      for (int i = 0; i < (file.ends_with(".sst") ? 2 : 4); ++i) {
        const fs::path path = Copy() / file;
        const uint64_t bytes = fs::file_size(path);
        const uint64_t bit = random.Below(bytes * 8);
        const bool cut = i % 2 == 1;
        SCOPED_TRACE(
            fmt::format("{}: {} {} of {} bytes", file, cut ? "cut at bit" : "bit", bit, bytes));
        if (cut) {
          fs::resize_file(path, bit / 8);
        } else {
          FlipBit(path, bit);
        }
        std::unique_ptr<RocksLogStore> store = Reopen();
        ASSERT_NE(store, nullptr);
        // Met by a read now, repaired by the next start.
        MeetDamage(*store);
        store.reset();
        store = Reopen();
        ASSERT_NE(store, nullptr);
        const Health health = Examine(*store);
        EXPECT_EQ(store->Damage(), "");
        ++seen[health.lost ? "lost" : health.damaged_logs > 0 ? "cut" : "whole"];
      }
    }
  }
  // All three ways out were taken.
  EXPECT_EQ(seen.size(), 3u);
}

TEST_F(RebuildTest, ADamagedBlockCutsOnlyTheLogThatItHolds) {
  const fs::path table = Copy() / EntriesTable();
  FlipBit(table, fs::file_size(table) * 3);
  std::unique_ptr<RocksLogStore> store = Reopen();
  ASSERT_NE(store, nullptr);
  MeetDamage(*store);
  EXPECT_NE(store->Damage(), "");
  store.reset();
  store = Reopen();
  ASSERT_NE(store, nullptr);
  const Health health = Examine(*store);
  EXPECT_FALSE(health.lost);
  EXPECT_EQ(health.damaged_logs, 1u);
  EXPECT_NE(store->VerdictDetail().find("rebuilt"), std::string::npos) << store->VerdictDetail();
  EXPECT_EQ(ReadFile(copy_->path() + "/damaged/" + EntriesTable()).size(),
            fs::file_size(original_->path() + "/" + EntriesTable()))
      << "what was there is kept";
  const auto groups = store->LoadGroups();
  ASSERT_OK(StatusOf(groups));
  for (const StoredGroup& group : *groups) {
    if (group.damage.empty()) continue;
    EXPECT_NE(group.damage.find("in the segment that begins at seq"), std::string::npos)
        << group.damage;
    EXPECT_NE(group.damage.find(fmt::format("From seq {} to", group.last_index + 1)),
              std::string::npos)
        << group.damage;
    // Rows behind the cut are gone, with the entries.
    EXPECT_LE(group.segments.back().before_index, group.last_index);
    EXPECT_LE(group.terms.back().first, group.last_index);
  }
}

TEST_F(RebuildTest, TheDoubtStandsUntilTheGroupHasWrittenItDownItself) {
  const fs::path table = Copy() / EntriesTable();
  FlipBit(table, fs::file_size(table) * 3);
  std::ofstream(copy_->path() + "/DAMAGED") << "rebuild\ntold by a test\n";
  const auto damaged = [](const RocksLogStore& store) {
    const std::vector<StoredGroup> groups = store.LoadGroups().value();
    const auto found = std::find_if(groups.begin(), groups.end(),
                                    [](const StoredGroup& group) { return !group.damage.empty(); });
    return found == groups.end() ? StoredGroup() : *found;
  };
  StoredGroup cut;
  for (int i = 0; i < 3; ++i) {
    const std::unique_ptr<RocksLogStore> store = Reopen();
    ASSERT_NE(store, nullptr);
    cut = damaged(*store);
    ASSERT_NE(cut.damage, "") << "start " << i;
    // A vote, or entries, say nothing about the doubt.
    GroupWrite write =
        WriteEntries({EntryOf(cut.group.value(), cut.last_index.value() + 1)}, cut.group);
    write.entries.front().term = Term(9);
    write.hard_state = StoredHardState{Term(9), NodeId(2), Index(0)};
    ASSERT_OK(store->Write(OneWrite(std::move(write))));
  }
  std::unique_ptr<RocksLogStore> store = Reopen();
  ASSERT_NE(store, nullptr);
  GroupWrite doubtful;
  doubtful.group = cut.group;
  doubtful.segments = cut.segments;
  ASSERT_OK(store->Write(OneWrite(std::move(doubtful))));
  EXPECT_EQ(damaged(*store).damage, "");
  store.reset();
  store = Reopen();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(damaged(*store).damage, "");
}

TEST_F(RebuildTest, ACompactionThatMeetsDamageStopsNothing) {
  const fs::path table = Copy() / EntriesTable();
  FlipBit(table, fs::file_size(table) * 3);
  std::unique_ptr<RocksLogStore> store = Reopen();
  ASSERT_NE(store, nullptr);
  // Each memtable becomes a table of level 0; four of them are compacted with what is below.
  uint64_t index = kEntries + 1;
  for (const uint64_t end = index + 4000; index < end && store->Damage().empty(); ++index) {
    ASSERT_OK(store->Write(OneWrite(WriteEntries({EntryOf(1, index)}, GroupId(1)))));
  }
  EXPECT_NE(store->Damage().find("compaction"), std::string::npos) << store->Damage();
  EXPECT_TRUE(fs::exists(copy_->path() + "/DAMAGED"));
  ASSERT_OK(store->Write(OneWrite(WriteEntries({EntryOf(1, index)}, GroupId(1)))));
  store.reset();
  store = Reopen();
  ASSERT_NE(store, nullptr);
  EXPECT_NE(store->Damage(), "") << "it was not asked to rebuild yet";
  ASSERT_OK(store->RebuildAtNextOpen());
  store.reset();
  store = Reopen();
  ASSERT_NE(store, nullptr);
  EXPECT_FALSE(fs::exists(copy_->path() + "/DAMAGED"));
  EXPECT_EQ(store->Verdict(), RecoveryVerdict::kSound);
  const std::vector<StoredGroup> groups = store->LoadGroups().value();
  for (const StoredGroup& group : groups) {
    const bool whole =
        group.last_index == (group.group == GroupId(1) ? Index(index) : Index(kEntries));
    EXPECT_EQ(group.damage.empty(), whole) << group.group;
  }
}

// The leave that an earlier process got may be old by the time that the copy is made.
TEST_F(RebuildTest, OthersAreAskedOnceMoreBeforeItIsCut) {
  const fs::path table = Copy() / EntriesTable();
  FlipBit(table, fs::file_size(table) * 3);
  const auto order = [&] {
    std::ofstream(copy_->path() + "/DAMAGED") << "rebuild\ntold by a test\n";
  };
  int asked = 0;
  bool spared = false;
  RocksOptions options = Options(copy_->path());
  options.peers_can_spare_it = [&](const NodeIdentity& self) {
    EXPECT_EQ(self, identity_);
    EXPECT_TRUE(fs::exists(copy_->path() + "/db.new")) << "the copy is made";
    ++asked;
    return spared;
  };
  const auto open = [&] {
    auto opened = RocksLogStore::Open(options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? std::move(*opened) : nullptr;
  };
  order();
  for (int start = 0; start < 2; ++start) {  // The order is withdrawn: nobody is asked again.
    const std::unique_ptr<RocksLogStore> store = open();
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(asked, 1);
    EXPECT_EQ(store->Damage(), "told by a test");
    EXPECT_EQ(store->VerdictDetail().find("rebuilt"), std::string::npos) << store->VerdictDetail();
    EXPECT_FALSE(fs::exists(copy_->path() + "/damaged"));
    EXPECT_FALSE(fs::exists(copy_->path() + "/db.new"));
  }
  order();
  spared = true;
  const std::unique_ptr<RocksLogStore> store = open();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(Examine(*store).damaged_logs, 1u);
}

TEST_F(RebuildTest, NobodyElseHoldsItSoNothingIsTouched) {
  const fs::path current = Copy() / "db/CURRENT";
  fs::resize_file(current, 3);
  const auto refused = RocksLogStore::Open(Options(copy_->path(), /*has_peers=*/false));
  ASSERT_EQ(refused.status().code(), absl::StatusCode::kDataLoss) << refused.status();
  EXPECT_NE(refused.status().message().find("left as it is"), absl::string_view::npos);
  EXPECT_EQ(ReadFile(current).size(), 3u);
  EXPECT_FALSE(fs::exists(copy_->path() + "/damaged"));

  // What can be read goes on being served.
  Copy();
  std::ofstream(copy_->path() + "/DAMAGED") << "rebuild\ntold by a test\n";
  const auto opened = RocksLogStore::Open(Options(copy_->path(), /*has_peers=*/false));
  ASSERT_OK(StatusOf(opened));
  EXPECT_EQ(Examine(**opened).damaged_logs, 0u);
  EXPECT_TRUE(fs::exists(copy_->path() + "/DAMAGED"));
}

TEST_F(RebuildTest, WithoutItsNameItIsNotBegunAnew) {
  fs::resize_file(Copy() / "db/CURRENT", 3);
  FlipBit(copy_->path() + "/IDENTITY", 8 * 40);
  const auto refused = RocksLogStore::Open(Options(copy_->path()));
  ASSERT_EQ(refused.status().code(), absl::StatusCode::kDataLoss) << refused.status();
  EXPECT_NE(refused.status().message().find("IDENTITY"), absl::string_view::npos)
      << refused.status();
}

// The new database's manifest has the number of the old one, which was longer, and marked so.
TEST_F(RebuildTest, TheMarkedManifestWasTheOldOne) {
  testing::TempDir young;
  {
    const std::unique_ptr<RocksLogStore> store = OpenAt(young.path());
    ASSERT_NE(store, nullptr);
    ASSERT_OK(store->SetFormed(kFormed));
    ASSERT_OK(store->Upkeep());
  }
  fs::path manifest;
  for (const auto& item : fs::directory_iterator(young.path() + "/db")) {
    if (item.path().filename().string().starts_with("MANIFEST")) manifest = item.path();
  }
  fs::resize_file(manifest, fs::file_size(manifest) - 1);
  const std::unique_ptr<RocksLogStore> store = OpenAt(young.path());
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->Verdict(), RecoveryVerdict::kLost);
  EXPECT_EQ(store->Identity().formed, kFormed);
}

// A crash between any two steps of the move leaves one of these.
TEST_F(RebuildTest, AMoveThatWasCutShortIsFinished) {
  struct Case {
    const char* name;
    bool complete;  // The new database is declared complete.
    bool moved;     // The old one is out of the way.
  };
  for (const Case c : {Case{"not complete", false, false},
                       {"complete", true, false},
                       {"old one moved", true, true}}) {
    SCOPED_TRACE(c.name);
    const fs::path dir = Copy();
    // What stands in the place of the new one is sound, the old one is not.
    const fs::path made = dir / (c.complete ? "db.ready" : "db.new");
    fs::copy(dir / "db", made, fs::copy_options::recursive);
    std::ofstream(dir / "DAMAGED") << "rebuild\ntold by a test\n";
    if (c.complete) fs::resize_file(dir / "db/CURRENT", 3);
    if (c.moved) {
      fs::create_directory(dir / "damaged");
      fs::rename(dir / "db", dir / "damaged/db");
    }
    const std::unique_ptr<RocksLogStore> store = Reopen();
    ASSERT_NE(store, nullptr);
    const Health health = Examine(*store);
    EXPECT_FALSE(health.lost);
    EXPECT_EQ(health.damaged_logs, 0u);
    for (const char* gone : {"db.new", "db.ready", "DAMAGED"}) EXPECT_FALSE(fs::exists(dir / gone));
    EXPECT_TRUE(fs::exists(dir / "damaged/db/CURRENT"));
  }
}

}  // namespace
}  // namespace cairn::storage
