// StockClient: a program in clients/ that uses a library as it comes, as a process.
//
// It writes keys one after another and says which are acknowledged; asked to finish, it reads them
// all back. ioredis comes from npm (as s3rver does, tests/objects/s3rver.h), redis-py from Debian.
//
// Threads: one. Lifetime: the destructor kills what still runs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/process.h"
#include "tests/support/temp_dir.h"

namespace cairn::integration {

enum class ClientLibrary { kIoredis, kRedisPy };

class StockClient {
 public:
  // Null when the library cannot be had here. `words`: mode, addresses and what the mode needs.
  static std::unique_ptr<StockClient> Start(ClientLibrary library, std::vector<std::string> words);

  // Waits for so many more acknowledged writes, counted from now.
  bool AwaitAcked(uint64_t more, int seconds = 60);
  // All that was acknowledged was read back, nothing was missing, and it ended by itself.
  bool Finish(int seconds = 60);
  [[nodiscard]] std::string Output() const { return ReadWholeFile(dir_.File("output")); }

 private:
  StockClient() = default;
  [[nodiscard]] uint64_t Acked() const;

  cairn::testing::TempDir dir_;
  Process process_;
};

}  // namespace cairn::integration
