// What a write and a read pay for the marks (adapter/redis/key_marks.h): pairs of a mark and a
// judgement per second of one thread's processor time, in pipelined batches of 32 writes and 32
// reads, with 16 batches that are not committed yet. Keys are hashed as they would be after
// parsing: they are in the cache.
//
//   key_marks_bench [SECONDS]
#include <fmt/format.h>

#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "adapter/redis/key_marks.h"
#include "base/clock.h"
#include "base/random.h"

namespace cairn::adapter::redis {
namespace {

constexpr size_t kKeys = 4'096;
constexpr size_t kBatch = 32;
constexpr uint64_t kUncommitted = 16;

// Writes and reads of one pipelined batch; returns how many reads had to wait.
uint64_t RunBatch(SharedKeyMarks& marks, const std::vector<std::string>& keys, Random& random,
                  uint64_t& offset) {
  const BatchId batch = marks.Begin();
  for (size_t i = 0; i < kBatch; ++i) marks.Mark(batch, HashKey(0, keys[random.Below(kKeys)]));
  uint64_t waits = 0;
  for (size_t i = 0; i < kBatch; ++i) {
    const KeyHash key = HashKey(0, keys[random.Below(kKeys)]);
    waits += marks.Judge(0, {&key, 1}).free() ? 0 : 1;
  }
  offset += kBatch;
  marks.Known(batch, StreamOffset(offset));
  if (offset > kUncommitted * kBatch) marks.Commit(StreamOffset(offset - kUncommitted * kBatch));
  return waits;
}

void Run(int64_t for_us) {
  std::vector<std::string> keys;
  for (size_t i = 0; i < kKeys; ++i) keys.push_back(fmt::format("key:{:012}", i));
  SharedKeyMarks marks;
  Random random(1);
  uint64_t offset = 0;
  uint64_t waits = 0;
  uint64_t batches = 0;
  const MonoMicros start_us = SystemClock().Mono();
  const std::clock_t start = std::clock();
  while (SystemClock().Mono() - start_us < for_us) {
    waits += RunBatch(marks, keys, random, offset);
    ++batches;
  }
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  const auto pairs = static_cast<double>(batches * kBatch);
  fmt::print("{:.2f} M mark and judge per second, {} reads of {} waited\n", pairs / seconds / 1e6,
             waits, batches * kBatch);
}

}  // namespace
}  // namespace cairn::adapter::redis

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  cairn::adapter::redis::Run(static_cast<int64_t>(seconds * cairn::kMicrosPerSecond));
  return 0;
}
