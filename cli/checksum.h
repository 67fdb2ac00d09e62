// PayloadChecksum: XXH3-64 over the payloads of a run of records, in order.
//
// Each payload is preceded by its length (8 bytes, little-endian), so that the same
// bytes cut differently give another sum. `append` sums what it sent and `read
// --checksum` what it got: equal sums mean equal records in equal order.
// Threads: not safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

struct XXH3_state_s;

namespace cairn::cli {

class PayloadChecksum {
 public:
  PayloadChecksum();
  ~PayloadChecksum();
  PayloadChecksum(const PayloadChecksum&) = delete;
  PayloadChecksum& operator=(const PayloadChecksum&) = delete;

  void Add(std::string_view payload);
  [[nodiscard]] uint64_t value() const;

 private:
  XXH3_state_s* const state_;  // Never null.
};

}  // namespace cairn::cli
