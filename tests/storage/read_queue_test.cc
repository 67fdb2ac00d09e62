// ReadQueue: reads that fill replicas wait for their allowance, and keep nobody else waiting.
#include "storage/read_queue.h"

#include <gtest/gtest.h>

#include <vector>

#include "absl/synchronization/mutex.h"
#include "storage/mem_log_store.h"
#include "tests/storage/store_testing.h"

namespace cairn::storage {
namespace {

constexpr size_t kEntryBytes = 1000;

class Results : public ReadSink {
 public:
  void OnRead(ReadResult result) override {
    absl::MutexLock lock(&mutex_);
    results_.push_back(std::move(result));
  }
  // In the order in which they came, once there are as many.
  std::vector<ReadResult> Await(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto all = [&]()
                         ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return results_.size() >= count; };
    mutex_.Await(absl::Condition(&all));
    return results_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<ReadResult> results_ ABSL_GUARDED_BY(mutex_);
};

class ReadQueueTest : public ::testing::Test {
 protected:
  ReadQueueTest() {
    EXPECT_TRUE(store_.Write(OneWrite(MakeGroup())).ok());
    std::vector<StoredEntry> entries;
    for (uint64_t index = 1; index <= 4; ++index) {
      entries.push_back(MakeEntry(index, 1, std::string(kEntryBytes, 'x'), index, 1));
    }
    EXPECT_TRUE(store_.Write(OneWrite(WriteEntries(std::move(entries)))).ok());
  }

  static ReadRequest Read(uint64_t ticket, uint64_t index) {
    return {.group = kGroup, .ticket = ticket, .first = Index(index), .last = Index(index)};
  }
  static ReadRequest Fill(uint64_t ticket, uint64_t index, uint64_t free_bytes = 0) {
    ReadRequest request = Read(ticket, index);
    request.paced = true;
    request.free_bytes = free_bytes;
    return request;
  }

  MemLogStore store_{1};
  Results results_;
};

TEST_F(ReadQueueTest, FillingWaitsForItsAllowanceAndOthersPass) {
  RateMeter filling(/*burst_us=*/0);
  filling.SetRate(1);  // The first read alone is paid for in a quarter of an hour.
  ReadQueue queue(&store_, &filling);
  queue.Submit(Fill(1, 1), &results_);
  EXPECT_EQ(results_.Await(1).back().ticket, 1u);
  queue.Submit(Fill(2, 2), &results_);
  queue.Submit(Read(3, 3), &results_);
  queue.Submit(Read(4, 4), &results_);
  const std::vector<ReadResult> came = results_.Await(3);
  EXPECT_EQ(came[1].ticket, 3u);
  EXPECT_EQ(came[2].ticket, 4u);
  queue.Stop();
  const ReadResult cancelled = results_.Await(4).back();
  EXPECT_EQ(cancelled.ticket, 2u);
  EXPECT_TRUE(absl::IsCancelled(cancelled.status));
}

TEST_F(ReadQueueTest, WhatIsReadIsCountedAndNotWhatIsFree) {
  RateMeter filling(/*burst_us=*/0);
  filling.SetRate(1);
  ReadQueue queue(&store_, &filling);
  for (uint64_t index = 1; index <= 4; ++index) {
    queue.Submit(Fill(index, index, /*free_bytes=*/kEntryBytes), &results_);
  }
  EXPECT_EQ(results_.Await(4).back().ticket, 4u);
}

TEST_F(ReadQueueTest, WithoutALimitNothingWaits) {
  RateMeter unlimited;
  ReadQueue queue(&store_, &unlimited);
  for (uint64_t index = 1; index <= 4; ++index) queue.Submit(Fill(index, index), &results_);
  EXPECT_EQ(results_.Await(4).size(), 4u);
}

}  // namespace
}  // namespace cairn::storage
