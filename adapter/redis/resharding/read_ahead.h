// ReadAhead: reads the next keys of an engine while its caller is busy with those before.
//
//   ReadAhead ahead(executor, &link, max_bytes);
//   ahead.Begin(keys);  …  co_await ahead.Take();   // For as many of them as are within the bytes.
//
// Threads: the engine thread. Lifetime: Finish(), and await it, before it is destroyed. Bounds:
// what KeyLink::Read returns.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "adapter/redis/resharding/key_link.h"

namespace cairn::adapter::redis {

class ReadAhead {
 public:
  // The link outlives this.
  ReadAhead(asio::any_io_executor executor, KeyLink* from, uint64_t max_bytes);
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // Requires: what was begun before has been taken.
  void Begin(std::vector<std::string> keys);
  // What was begun.
  asio::awaitable<absl::StatusOr<std::vector<WholeKey>>> Take();
  // Nothing is under way; what was not taken is thrown away.
  asio::awaitable<void> Finish();

 private:
  asio::awaitable<void> ReadOnce(std::vector<std::string> keys);

  const asio::any_io_executor executor_;
  KeyLink* const from_;
  const uint64_t max_bytes_;
  bool reading_ = false;
  std::optional<absl::StatusOr<std::vector<WholeKey>>> read_;
  WakeUp done_;
};

}  // namespace cairn::adapter::redis
