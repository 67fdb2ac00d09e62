#include "cli/checksum.h"

#include <xxhash.h>

#include "base/check.h"

namespace cairn::cli {

PayloadChecksum::PayloadChecksum() : state_(XXH3_createState()) {
  CHECK(state_ != nullptr);
  XXH3_64bits_reset(state_);
}

PayloadChecksum::~PayloadChecksum() { XXH3_freeState(state_); }

void PayloadChecksum::Add(std::string_view payload) {
  char length[8];
  for (size_t i = 0; i < sizeof length; ++i) {
    length[i] = static_cast<char>(payload.size() >> (8 * i));
  }
  XXH3_64bits_update(state_, length, sizeof length);
  XXH3_64bits_update(state_, payload.data(), payload.size());
}

uint64_t PayloadChecksum::value() const { return XXH3_64bits_digest(state_); }

}  // namespace cairn::cli
