// A process of its own that has a store open, for tests of what two processes do to one
// directory and of what kill -9 leaves.
//
//   store_holder DIR           opens DIR, prints "open", then writes turns until it is killed,
//                              printing the index of each entry once it is durable
#include <cstdio>
#include <memory>
#include <string>

#include "storage/rocks_log_store.h"
#include "tests/storage/store_testing.h"

namespace cairn::storage {
namespace {

int Run(const std::string& dir) {
  RocksOptions options = SmallOptions(dir);
  options.upkeep_period_us = kMicrosPerMilli;
  auto store = RocksLogStore::Open(options);
  if (!store.ok()) {
    std::fprintf(stderr, "%s\n", store.status().ToString().c_str());
    return 1;
  }
  const auto groups = (*store)->LoadGroups();
  if (!groups.ok()) return 1;
  if (groups->empty() && !(*store)->Write(OneWrite(MakeGroup())).ok()) return 1;
  uint64_t last = groups->empty() ? 0 : groups->front().last_index.value();
  std::printf("open\n");
  std::fflush(stdout);
  while (true) {
    ++last;
    const std::string payload(last * 7919 % 3000, static_cast<char>('a' + last % 26));
    if (!(*store)->Write(OneWrite(WriteEntries({MakeEntry(last, 1, payload, last, 1)}))).ok()) {
      return 1;
    }
    std::printf("%llu\n", static_cast<unsigned long long>(last));
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace cairn::storage

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  return cairn::storage::Run(argv[1]);
}
