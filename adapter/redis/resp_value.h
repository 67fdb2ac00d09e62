// RespValue: a whole reply as a tree, for the few commands that the agent itself sends (ROLE, INFO,
// COMMAND, CLIENT LIST). Replies to clients are never built; see reply_scanner.h.
//
// The value owns its bytes. Attributes are skipped. Maps and attributes of RESP3 are lists of keys
// and values in turn, as RESP2 would have sent them.
// Bounds: depth and bytes are the caller's; elements follow from the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "adapter/redis/reply_scanner.h"

namespace cairn::adapter::redis {

struct RespValue {
  ReplyType type = ReplyType::kNull;  // kNull for each form of null.
  std::string text;  // Of strings, errors, doubles, big numbers; of verbatim ones without "txt:".
  int64_t integer = 0;  // Of integers; 0 or 1 for booleans.
  std::vector<RespValue> items;

  [[nodiscard]] bool null() const { return type == ReplyType::kNull; }
  [[nodiscard]] bool error() const {
    return type == ReplyType::kError || type == ReplyType::kBlobError;
  }
  // Simple, bulk or verbatim.
  [[nodiscard]] bool string() const;
  // Array, set, map or push.
  [[nodiscard]] bool list() const;
};

struct RespBounds {
  size_t max_depth = 16;
  size_t max_bytes = size_t{16} << 20;
};

// Reads exactly one reply. Errors: kInvalidArgument for what is none, or is followed by something;
// kResourceExhausted past the bounds.
absl::StatusOr<RespValue> ReadRespValue(std::string_view reply, const RespBounds& bounds = {});

// What INFO's text (lines of "name:value") says of `field`; nullopt if nothing.
std::optional<std::string_view> FindInfoField(std::string_view info, std::string_view field);

// What ROLE answers.
struct EngineRole {
  bool primary = false;
  // Primary: the replication offset behind everything executed. Replica: what it has received.
  uint64_t offset = 0;
  // Replica: "connect", "connecting", "sync", "connected".
  std::string link;
};
absl::StatusOr<EngineRole> ReadRole(const RespValue& reply);

// The offset in a primary's whole ROLE reply, without building it: the one that ends each batch.
// Nullopt for anything else, be it an error.
std::optional<uint64_t> PrimaryOffset(std::string_view role_reply);

}  // namespace cairn::adapter::redis
