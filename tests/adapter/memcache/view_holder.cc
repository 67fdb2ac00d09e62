// A process of its own that applies a made-up log to a view until it is killed.
//
//   view_holder DIR SEED       prints the seq behind each message once Apply has returned
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "tests/adapter/memcache/effect_log.h"

namespace cairn::adapter::memcache {
namespace {

int Run(const std::string& directory, uint64_t seed) {
  auto view = View::Open({.directory = directory,
                          .log_id = GroupId(7),
                          .cache_bytes = size_t{1} << 20,
                          .memtable_bytes = size_t{1} << 20});
  if (!view.ok()) {
    std::fprintf(stderr, "%s\n", view.status().ToString().c_str());
    return 1;
  }
  EffectLog log(seed);
  while (true) {
    const RecordBatch batch = log.Next().batch;
    if (batch.last_seq() <= (*view)->position().read.seq) continue;
    if (!(*view)->Apply({&batch, 1}).ok()) return 1;
    const uint64_t seq = (*view)->position().read.seq.value();
    std::printf("%llu\n", static_cast<unsigned long long>(seq));
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace cairn::adapter::memcache

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  return cairn::adapter::memcache::Run(argv[1], std::strtoull(argv[2], nullptr, 10));
}
