#include "tests/integration/slot_client.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "absl/time/clock.h"
#include "adapter/redis/discovery/key_slot.h"

namespace cairn::integration {
namespace {

using adapter::redis::RespValue;

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr absl::Duration kPause = absl::Milliseconds(5);

}  // namespace

testing::RespClient* SlotClient::Connection(const std::string& address) {
  std::unique_ptr<testing::RespClient>& connection = connections_[address];
  if (connection == nullptr) connection = testing::RespClient::Connect(address);
  return connection.get();
}

void SlotClient::GoElsewhere(uint32_t slot) {
  owners_[slot] = addresses_[++next_ % addresses_.size()];
}

bool SlotClient::NotDone(uint32_t slot, const std::string& error) {
  if (error.starts_with("MOVED ")) {
    ++moved_;
    owners_[slot] = error.substr(error.rfind(' ') + 1);
    return true;
  }
  static constexpr std::array<std::string_view, 6> kAgain = {
      "TRYAGAIN", "CLUSTERDOWN", "LOADING", "NOREPLICAS", "READONLY", "EXECABORT"};
  const bool again = std::any_of(kAgain.begin(), kAgain.end(),
                                 [&](std::string_view word) { return error.starts_with(word); });
  if (again) {
    ++tried_again_;
    absl::SleepFor(kPause);
  }
  return again;
}

std::optional<RespValue> SlotClient::Do(const std::string& key,
                                        const std::vector<std::vector<std::string>>& calls) {
  const uint32_t slot = adapter::redis::KeySlot(key);
  if (!owners_.contains(slot)) owners_[slot] = addresses_[++next_ % addresses_.size()];
  const absl::Time give_up = absl::Now() + kPatience;
  while (absl::Now() < give_up) {
    const std::string address = owners_[slot];
    testing::RespClient* const connection = Connection(address);
    if (connection == nullptr) {
      GoElsewhere(slot);
      absl::SleepFor(kPause);
      continue;
    }
    std::optional<RespValue> answer;
    std::string error;
    for (const std::vector<std::string>& argv : calls) {
      answer = connection->Do(argv);
      if (!answer) break;
      // The first one that goes wrong says why.
      if (answer->error() && (error.empty() || error.starts_with("EXECABORT"))) {
        error = answer->text;
      }
    }
    if (!answer) {
      connections_.erase(address);
      GoElsewhere(slot);
      return std::nullopt;
    }
    if (error.empty() || !NotDone(slot, error)) return answer;
  }
  return std::nullopt;
}

}  // namespace cairn::integration
