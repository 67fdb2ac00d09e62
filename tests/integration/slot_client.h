// SlotClient: a client of a cache of several logs that goes where it is sent, as libraries for
// clusters do, and knows the difference between "not done" and "unknown".
//
// Threads: one. A call goes on for at most kPatience while nobody serves its slot.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapter/redis/resp_value.h"
#include "tests/support/resp_client.h"

namespace cairn::integration {

class SlotClient {
 public:
  explicit SlotClient(std::vector<std::string> addresses) : addresses_(std::move(addresses)) {}

  // The answer to the last of these commands, which are of one key, on one connection: one, or a
  // whole transaction. Nullopt: nobody knows whether it was done.
  std::optional<adapter::redis::RespValue> Do(const std::string& key,
                                              const std::vector<std::vector<std::string>>& calls);
  // Of one command whose second word is the key.
  std::optional<adapter::redis::RespValue> Do(const std::vector<std::string>& argv) {
    return Do(argv[1], {argv});
  }
  // How often it was sent elsewhere, and was asked to try again.
  [[nodiscard]] uint64_t moved() const { return moved_; }
  [[nodiscard]] uint64_t tried_again() const { return tried_again_; }

 private:
  testing::RespClient* Connection(const std::string& address);
  void GoElsewhere(uint32_t slot);
  // Whether it was surely not done, so that it may be sent again.
  bool NotDone(uint32_t slot, const std::string& error);

  const std::vector<std::string> addresses_;
  size_t next_ = 0;
  std::map<uint32_t, std::string> owners_;  // Of slots.
  std::map<std::string, std::unique_ptr<testing::RespClient>> connections_;
  uint64_t moved_ = 0;
  uint64_t tried_again_ = 0;
};

}  // namespace cairn::integration
