// KeyLink: a connection of the agent to an engine, for work on many keys: listing those of some
// slots, reading them whole, making them, removing them.
//
//   SlotCopy ──► KeyLink (throw-away engine: what the source's log says)
//           └──► KeyLink (own engine: what it is to become)
//
// Commands that a broken connection has left behind in the engine's buffers would be executed when
// nobody expects them any more, perhaps on keys that are clients' by then. So Connect ends the
// connection before, in the engine, before anything else.
//
// Threads: the engine thread. Bounds: of what is asked for at once, see each call; a reply has at
// most kMaxReplyBytes. Errors: those of EngineLink::CallOk, an engine's refusals among them.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapter/redis/discovery/key_slot.h"
#include "adapter/redis/engine_link.h"

namespace cairn::adapter::redis {

// A key with all that belongs to it, or the word that there is none.
struct WholeKey {
  std::string dump;         // DUMP; empty: there is no such key.
  int64_t expires_ms = -1;  // Since 1970; -1: never.
  uint64_t too_large = 0;   // The dump would have so many bytes, and is left out; 0: it is there.

  bool operator==(const WholeKey&) const = default;
};

class KeyLink {
 public:
  static constexpr size_t kMaxReplyBytes = size_t{600} << 20;
  // What an engine takes as one argument (proto-max-bulk-len), by default.
  static constexpr uint64_t kMaxDumpBytes = uint64_t{512} << 20;
  // Of engines that list, dump and restore with moments of expiry: Redis 7.0, and any Valkey.
  static constexpr uint32_t kOldestMajor = 7;
  // So many keys are looked at for one page, or read at once: some milliseconds of the engine's.
  static constexpr size_t kPageKeys = 1'000;

  KeyLink(asio::any_io_executor executor, EngineAddress address,
          uint64_t max_dump_bytes = kMaxDumpBytes);

  // Anew each time; what was sent before and not executed yet never will be.
  asio::awaitable<absl::Status> Connect();

  // A page of the engine's keys, those of the slots only. `cursor` begins with "0", and is "0"
  // again behind the last page. A key that is there all the time comes at least once.
  asio::awaitable<absl::StatusOr<std::vector<std::string>>> List(SlotRange slots,
                                                                 std::string* cursor,
                                                                 size_t page_keys = kPageKeys);
  // For as many of them, at most kPageKeys, as have `max_bytes`; the first one in any case.
  // Requires: there is one.
  asio::awaitable<absl::StatusOr<std::vector<WholeKey>>> Read(std::vector<std::string> keys,
                                                              uint64_t max_bytes);
  // Makes each what `as` says, whatever it was; the caller has read `as` of an engine that is not
  // newer, and nothing of it is too large.
  asio::awaitable<absl::Status> Write(std::vector<std::string> keys, std::vector<WholeKey> as);
  asio::awaitable<absl::Status> Remove(std::vector<std::string> keys);

 private:
  EngineLink link_;
  const uint64_t max_dump_bytes_;
  std::string engine_id_;  // CLIENT ID of the connection; empty: there was none.
};

}  // namespace cairn::adapter::redis
