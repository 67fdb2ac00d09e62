// RdbSource: a dump in Redis's own format, from which an engine that begins anew is filled.
//
// Threads: the engine thread (engine_socket.h); a source is read once, from front to end.
#pragma once

#include <asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace cairn::adapter::redis {

class RdbSource {
 public:
  virtual ~RdbSource() = default;
  [[nodiscard]] virtual uint64_t size_bytes() const = 0;
  // The next bytes, at least one; at most size_bytes() are asked for in all.
  virtual asio::awaitable<absl::StatusOr<size_t>> Read(std::span<char> into) = 0;
};

// A dump without keys, of a version that every supported engine reads.
std::unique_ptr<RdbSource> EmptyRdb();

// Reads the file on the engine thread: it should be in the page cache, as after a download.
// Errors: kNotFound, kUnavailable.
absl::StatusOr<std::unique_ptr<RdbSource>> OpenRdbFile(const std::string& path);

// The same source; `told` hears how many bytes were read, and of how many.
std::unique_ptr<RdbSource> CountReads(std::unique_ptr<RdbSource> source,
                                      std::function<void(uint64_t bytes, uint64_t of)> told);

}  // namespace cairn::adapter::redis
