#include "adapter/redis/resp_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/status_macros.h"

namespace cairn::adapter::redis {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

bool ParseInteger(std::string_view text, int64_t* value) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && stop == text.data() + text.size() && !text.empty();
}

// Recursion is bounded by max_depth.
class Reader {
 public:
  explicit Reader(std::string_view rest) : rest_(rest) {}

  [[nodiscard]] bool AtEnd() const { return rest_.empty(); }

  absl::StatusOr<RespValue> Read(size_t depth) {
    while (rest_.starts_with('|')) RETURN_IF_ERROR(SkipAttribute(depth));
    ASSIGN_OR_RETURN(const std::string_view line, TakeLine());
    if (line.empty()) return absl::InvalidArgumentError("an empty line instead of a reply");
    RespValue value;
    value.type = static_cast<ReplyType>(line[0]);
    RETURN_IF_ERROR(Fill(line.substr(1), depth, &value));
    return value;
  }

 private:
  absl::Status Fill(std::string_view line, size_t depth, RespValue* value) {
    switch (value->type) {
      case ReplyType::kSimple:
      case ReplyType::kError:
      case ReplyType::kDouble:
      case ReplyType::kBigNumber:
        value->text = line;
        return absl::OkStatus();
      case ReplyType::kNull:
        return absl::OkStatus();
      case ReplyType::kBoolean:
        value->integer = line == "t" ? 1 : 0;
        return absl::OkStatus();
      case ReplyType::kInteger:
        if (ParseInteger(line, &value->integer)) return absl::OkStatus();
        return absl::InvalidArgumentError(fmt::format("'{}' is not an integer", line));
      case ReplyType::kBulk:
      case ReplyType::kBlobError:
      case ReplyType::kVerbatim:
        return FillString(line, value);
      case ReplyType::kArray:
      case ReplyType::kSet:
      case ReplyType::kPush:
      case ReplyType::kMap:
        return FillList(line, depth, value);
      case ReplyType::kAttribute:
        break;
    }
    return absl::InvalidArgumentError(
        fmt::format("a reply cannot begin with byte {:#04x}", static_cast<int>(value->type)));
  }

  absl::Status FillString(std::string_view line, RespValue* value) {
    int64_t size = 0;
    RETURN_IF_ERROR(TakeSize(line, &size, value));
    if (value->null()) return absl::OkStatus();
    const auto bytes = static_cast<size_t>(size);
    if (rest_.size() < kLineEnd.size() || rest_.size() - kLineEnd.size() < bytes) {
      return absl::InvalidArgumentError("the reply ends within a string");
    }
    std::string_view text = rest_.substr(0, bytes);
    if (rest_.substr(bytes, kLineEnd.size()) != kLineEnd) {
      return absl::InvalidArgumentError("a string is longer than its length");
    }
    rest_.remove_prefix(bytes + kLineEnd.size());
    if (value->type == ReplyType::kVerbatim) text.remove_prefix(std::min<size_t>(text.size(), 4));
    value->text = text;
    return absl::OkStatus();
  }

  absl::Status FillList(std::string_view line, size_t depth, RespValue* value) {
    int64_t elements = 0;
    RETURN_IF_ERROR(TakeSize(line, &elements, value));
    if (value->type == ReplyType::kMap) elements *= 2;
    if (depth == 0) return absl::ResourceExhaustedError("a reply is nested too deep");
    for (int64_t i = 0; i < elements; ++i) {
      ASSIGN_OR_RETURN(RespValue item, Read(depth - 1));
      value->items.push_back(std::move(item));
    }
    return absl::OkStatus();
  }

  absl::Status SkipAttribute(size_t depth) {
    ASSIGN_OR_RETURN(const std::string_view line, TakeLine());
    RespValue skipped;
    skipped.type = ReplyType::kMap;
    return FillList(line.substr(1), depth, &skipped);
  }

  // A length; -1 turns the value into null.
  absl::Status TakeSize(std::string_view line, int64_t* size, RespValue* value) {
    if (ParseInteger(line, size) && *size >= -1 && *size <= static_cast<int64_t>(rest_.size())) {
      if (*size == -1) {
        value->type = ReplyType::kNull;
        *size = 0;
      }
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        fmt::format("'{}' is not a length of at most the {} bytes that follow", line.substr(0, 24),
                    rest_.size()));
  }

  absl::StatusOr<std::string_view> TakeLine() {
    const size_t end = rest_.find(kLineEnd);
    if (end == std::string_view::npos) {
      return absl::InvalidArgumentError("the reply ends within a line");
    }
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + kLineEnd.size());
    return line;
  }

  std::string_view rest_;
};

}  // namespace

bool RespValue::string() const {
  return type == ReplyType::kSimple || type == ReplyType::kBulk || type == ReplyType::kVerbatim;
}

bool RespValue::list() const {
  return type == ReplyType::kArray || type == ReplyType::kSet || type == ReplyType::kMap ||
         type == ReplyType::kPush;
}

absl::StatusOr<RespValue> ReadRespValue(std::string_view reply, const RespBounds& bounds) {
  if (reply.size() > bounds.max_bytes) {
    return absl::ResourceExhaustedError(
        fmt::format("a reply of {} bytes passes {}", reply.size(), bounds.max_bytes));
  }
  Reader reader(reply);
  ASSIGN_OR_RETURN(RespValue value, reader.Read(bounds.max_depth));
  if (!reader.AtEnd()) return absl::InvalidArgumentError("bytes follow the reply");
  return value;
}

std::optional<std::string_view> FindInfoField(std::string_view info, std::string_view field) {
  while (!info.empty()) {
    std::string_view line = info.substr(0, info.find('\n'));
    info.remove_prefix(std::min(info.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > field.size() && line.starts_with(field) && line[field.size()] == ':') {
      return line.substr(field.size() + 1);
    }
  }
  return std::nullopt;
}

absl::StatusOr<EngineRole> ReadRole(const RespValue& reply) {
  if (reply.error()) return absl::UnavailableError(fmt::format("ROLE answers {}", reply.text));
  EngineRole role;
  int64_t offset = -1;
  if (reply.items.size() == 3 && reply.items[0].text == "master") {
    role.primary = true;
    offset = reply.items[1].integer;
  } else if (reply.items.size() == 5 && reply.items[0].text == "slave") {
    role.link = reply.items[3].text;
    // -1 before the first synchronisation.
    offset = std::max<int64_t>(reply.items[4].integer, 0);
  }
  if (offset < 0) return absl::InvalidArgumentError("ROLE answers neither a primary nor a replica");
  role.offset = static_cast<uint64_t>(offset);
  return role;
}

std::optional<uint64_t> PrimaryOffset(std::string_view role_reply) {
  constexpr std::string_view kPrimary = "*3\r\n$6\r\nmaster\r\n:";
  if (!role_reply.starts_with(kPrimary)) return std::nullopt;
  role_reply.remove_prefix(kPrimary.size());
  uint64_t offset = 0;
  const char* const end = role_reply.data() + role_reply.size();
  const auto [stop, error] = std::from_chars(role_reply.data(), end, offset);
  if (error != std::errc() || stop == end || *stop != '\r') return std::nullopt;
  return offset;
}

}  // namespace cairn::adapter::redis
