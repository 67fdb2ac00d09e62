// TailHub against a model: random appends, evictions, credits, openings and cold reads.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/server/tail_hub_lab.h"

namespace cairn::server {
namespace {

// A log that grows, a ring that is always too small, tails that come, starve and go. The
// model: tail t has exactly the records from its start on, in order, up to the applied end.
class TailHubPropertyTest : public TailHubTest {
 protected:
  struct Opened {
    uint64_t start = 0;
    uint64_t credited = 0;
    bool open = true;
  };

  void Run(uint64_t seed) {
    Random random(seed);
    budget_.limit_bytes = 200 + random.Below(20'000);
    for (int step = 0; step < 400; ++step) {
      Step(random);
      hub_->Shrink();
    }
    for (auto& [token, tail] : opened_) {
      if (!tail.open) continue;
      tail.credited += kPlenty;
      Credit(token, kPlenty);
    }
    Apply(last_);
    Load();
    for (const auto& [token, tail] : opened_) {
      if (tail.open) {
        EXPECT_EQ(Next(token), position_.last_seq.value() + 1) << "token " << token;
      }
      CheckTail(token);
    }
  }

  void Step(Random& random) {
    switch (random.Below(8)) {
      case 0:
      case 1: {
        std::vector<std::string> payloads(random.Below(5));
        for (std::string& payload : payloads) payload = std::string(random.Below(3000), 'x');
        Push(payloads);
        break;
      }
      case 2:
        PushNoop();
        break;
      case 3:
        if (last_ > applied_) Apply(applied_ + 1 + random.Below(last_ - applied_));
        break;
      case 4: {
        const uint64_t token = opened_.size() + 1;
        const uint64_t end = applied_ ? positions_.at(applied_).last_seq.value() : 0;
        Opened opened{.start = 1 + random.Below(end + 1), .credited = 1 + random.Below(9000)};
        opened_[token] = opened;
        OpenAt(token, opened.start, opened.credited);
        break;
      }
      case 5:
      case 6:
        if (!opened_.empty()) {
          const uint64_t token = 1 + random.Below(opened_.size());
          if (!opened_[token].open) break;
          if (random.Chance(0.05)) {
            opened_[token].open = false;
            Close(token);
            break;
          }
          const uint64_t bytes = random.Below(9000);
          opened_[token].credited += bytes;
          Credit(token, bytes);
          CheckTail(token);
        }
        break;
      case 7:
        if (!reads_.empty()) LoadOne();
        break;
    }
  }

  uint64_t Next(uint64_t token) {
    const std::vector<uint64_t>& seqs = tails_[token].seqs;
    return seqs.empty() ? opened_[token].start : seqs.back() + 1;
  }

  void CheckTail(uint64_t token) {
    const Received& tail = tails_[token];
    for (size_t i = 0; i < tail.seqs.size(); ++i) {
      ASSERT_EQ(tail.seqs[i], opened_[token].start + i) << "token " << token;
    }
    uint64_t sent = 0;
    for (size_t bytes : tail.chunk_bytes) {
      EXPECT_LT(sent, opened_[token].credited) << "sent without credit";
      sent += bytes;
    }
    EXPECT_EQ(tail.why(), cairn::v1::REASON_UNSPECIFIED);
  }

  std::map<uint64_t, Opened> opened_;
};

class TailHubSeeds : public TailHubPropertyTest, public ::testing::WithParamInterface<uint64_t> {};

TEST_P(TailHubSeeds, EveryTailGetsExactlyItsRecords) { Run(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Seeds, TailHubSeeds, ::testing::Range<uint64_t>(1, 41));

}  // namespace
}  // namespace cairn::server
