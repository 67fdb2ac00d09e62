// StoreContractTest: what every LogStore promises is asked of the RocksDB store and of the one in
// memory alike.
//
// Threads: the test's. Lifetime: a store, and its directory, are the test's own.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "base/random.h"
#include "storage/mem_log_store.h"
#include "storage/rocks_log_store.h"
#include "tests/storage/store_testing.h"
#include "tests/support/temp_dir.h"

namespace cairn::storage {

inline constexpr uint64_t kNoLimit = ~uint64_t{0};

// A store that can be closed and opened again.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual LogStore& store() = 0;
  virtual void Reopen() = 0;
};

class MemSubject : public Subject {
 public:
  LogStore& store() override { return store_; }
  void Reopen() override { store_.Crash(CrashFault::kLoseAll, random_); }

 private:
  MemLogStore store_{42};
  Random random_{1};
};

class RocksSubject : public Subject {
 public:
  RocksSubject() { Reopen(); }
  LogStore& store() override { return *store_; }
  void Reopen() override {
    store_.reset();
    auto opened = RocksLogStore::Open(SmallOptions(dir_.path()));
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = std::move(*opened);
  }

 private:
  testing::TempDir dir_;
  std::unique_ptr<RocksLogStore> store_;
};

struct Kind {
  const char* name;
  std::unique_ptr<Subject> (*make)();
};

// For INSTANTIATE_TEST_SUITE_P.
inline auto EachStore() {
  return ::testing::Values(
      Kind{"Mem", [] { return std::unique_ptr<Subject>(std::make_unique<MemSubject>()); }},
      Kind{"Rocks", [] { return std::unique_ptr<Subject>(std::make_unique<RocksSubject>()); }});
}
inline std::string NameOf(const ::testing::TestParamInfo<Kind>& instance) {
  return instance.param.name;
}

class StoreContractTest : public ::testing::TestWithParam<Kind> {
 protected:
  LogStore& store() { return subject_->store(); }
  void Reopen() { subject_->Reopen(); }
  void Write(GroupWrite write) { ASSERT_OK(store().Write(OneWrite(std::move(write)))); }
  // Group 7 with entries 1…6: records 1-2 in 2, 3-5 in 4, 6 in 5; terms 1 1 1 2 2 3.
  void WriteSixEntries() {
    Write(MakeGroup());
    Write(WriteEntries({MakeEntry(1, 1, ""), MakeEntry(2, 1, "two", 1, 2, 100), MakeEntry(3, 1, ""),
                        MakeEntry(4, 2, "four", 3, 3, 200), MakeEntry(5, 2, "five", 6, 1, 200),
                        MakeEntry(6, 3, "")}));
  }
  std::string Payloads(uint64_t first, uint64_t last, uint64_t max_bytes = kNoLimit) {
    auto range = store().ReadEntries(kGroup, Index(first), Index(last), max_bytes);
    if (!range.ok()) return range.status().ToString();
    std::string text;
    for (const StoredEntry& entry : range->entries) {
      text += std::to_string(entry.index.value()) + "/" + std::to_string(entry.term.value()) + ":" +
              std::string(entry.payload.view()) + " ";
    }
    return text;
  }
  StoredGroup Load() {
    auto groups = store().LoadGroups();
    EXPECT_TRUE(groups.ok()) << groups.status();
    EXPECT_EQ(groups->size(), 1u);
    return groups->empty() ? StoredGroup() : groups->front();
  }
  absl::StatusCode ReadCode(uint64_t first) {
    return store().ReadEntries(kGroup, Index(first), Index(first), kNoLimit).status().code();
  }

  std::unique_ptr<Subject> subject_ = GetParam().make();
};

}  // namespace cairn::storage
