// What goes to a replica that is only filled goes in small portions, at the allowance's pace, from
// a thread that others pass.
#include "server/runtime/run_sender.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "base/thread_priority.h"
#include "server/peer_feed.h"
#include "storage/mem_log_store.h"
#include "tests/storage/store_testing.h"

namespace cairn::server {
namespace {

using storage::kGroup;
using storage::MakeEntry;
using storage::MemLogStore;

constexpr uint64_t kRowBytes = 1 << 20;
constexpr uint64_t kEntries = 2;
constexpr uint64_t kRate = 8 << 20;
constexpr int64_t kBurstUs = 10 * kMicrosPerMilli;

int NiceOfThisThread() { return getpriority(PRIO_PROCESS, 0); }

class RunSenderTest : public ::testing::Test {
 protected:
  // What had arrived, and when since the beginning.
  struct Arrived {
    uint64_t bytes;
    MonoMicros after_us;
  };
  struct Outcome {
    std::vector<Arrived> arrivals;
    int nice = 0;  // Of the thread that sent, in the end.
  };

  void SetUp() override {
    ASSERT_OK(store_.Write(storage::OneWrite(storage::MakeGroup())));
    for (uint64_t i = 1; i <= kEntries; ++i) {
      ASSERT_OK(store_.Write(storage::OneWrite(
          storage::WriteEntries({MakeEntry(i, 1, std::string(kRowBytes, 'x'), i, 1, 100)}))));
    }
  }

  Outcome Send(uint64_t rate, uint64_t free_bytes) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    SocketStream here{Fd(ends[0])};
    RateMeter filling(kBurstUs);
    filling.SetRate(rate);
    cairn::v1::RunFetch wanted;
    wanted.set_group(kGroup.value());
    wanted.set_first_index(1);
    wanted.set_last_index(kEntries);
    wanted.set_free_bytes(free_bytes);
    Outcome outcome;
    const MonoMicros begin = SystemClock().Mono();
    std::thread sender([&, end = ends[1]] {
      SocketStream there{Fd(end)};
      RunSender(&store_, &filling, &metrics_).Serve(wanted, there);
      outcome.nice = NiceOfThisThread();
    });
    std::string room(4 << 20, '\0');
    uint64_t bytes = 0;
    size_t got = 0;
    while (here.ReceiveSome(room, &got, SystemClock().Mono() + 60 * kMicrosPerSecond)) {
      bytes += got;
      outcome.arrivals.push_back({bytes, SystemClock().Mono() - begin});
    }
    sender.join();
    EXPECT_GT(bytes, kEntries * kRowBytes);
    return outcome;
  }

  MemLogStore store_{/*incarnation=*/1};
  Metrics metrics_;
  const int nice_ = NiceOfThisThread();
};

TEST_F(RunSenderTest, WithinARowToo) {
  const Outcome outcome = Send(kRate, 0);
  for (const auto& [bytes, after_us] : outcome.arrivals) {
    // A burst, and the portion that was let go when all before it was paid for.
    const uint64_t allowed = kRate * (after_us + kBurstUs) / kMicrosPerSecond + (64 << 10);
    ASSERT_LE(bytes, allowed) << "after " << after_us << " us";
  }
  EXPECT_EQ(outcome.nice, std::max(nice_, kBackgroundNice));
  EXPECT_EQ(NiceOfThisThread(), nice_) << "of the thread beside it";
}

TEST_F(RunSenderTest, AtFullSpeedForThoseWhoWait) {
  EXPECT_EQ(Send(kRate, kAllFree).nice, nice_);
  EXPECT_EQ(Send(/*rate=*/0, 0).nice, nice_);
}

}  // namespace
}  // namespace cairn::server
