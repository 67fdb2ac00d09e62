// WriteRequest and WriteReply: what clients' threads ask of the writer, and what comes back.
//
//   session (io thread) ──WriteRequest──► Writer (engine thread) ──WriteReply──► session
//
// Threads: plain values, moved from one thread to another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "adapter/memcache/request.h"

namespace cairn::adapter::memcache {

// Where a reply goes: a session of an io thread, and which of its requests is answered.
struct ReplyAddress {
  size_t thread = 0;
  uint64_t session = 0;
  uint64_t slot = 0;
};

struct WriteRequest {
  OwnedRequest request;
  ReplyAddress from;
};

struct WriteReply {
  ReplyAddress to;
  std::string bytes;  // For the client; may be empty (noreply).
  // Nothing was done, and nothing will be: it may be asked again, of whoever is the primary then.
  std::optional<OwnedRequest> returned;
};

// Takes the replies of one turn to a thread's sessions. Any thread.
using DeliverReplies = std::function<void(size_t thread, std::vector<WriteReply> replies)>;

}  // namespace cairn::adapter::memcache
