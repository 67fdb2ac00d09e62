#include "cli/resp_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/status_macros.h"

namespace cairn::cli {
namespace {

constexpr size_t kMaxCommandBytes = size_t{64} << 20;
constexpr int64_t kMaxArguments = int64_t{1} << 20;
constexpr int64_t kMaxBulkBytes = static_cast<int64_t>(kMaxCommandBytes);
// As Redis: a line of an inline command, or of a length, is at most this long.
constexpr size_t kMaxLineBytes = size_t{64} << 10;
constexpr std::string_view kSpaces = " \t\r";

// A look at the bytes of one command. Taking something answers nullopt when the bytes end
// before it does.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] size_t position() const { return position_; }
  [[nodiscard]] bool AtEnd() const { return position_ == bytes_.size(); }
  [[nodiscard]] char Peek() const { return bytes_[position_]; }

  // Up to '\n', without it and without a '\r' before it.
  absl::StatusOr<std::optional<std::string_view>> TakeLine() {
    const size_t end = bytes_.find('\n', position_);
    if (end == std::string_view::npos) {
      if (bytes_.size() - position_ <= kMaxLineBytes) return std::optional<std::string_view>();
      return absl::InvalidArgumentError("no line end within 64 KiB");
    }
    std::string_view line = bytes_.substr(position_, end - position_);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    position_ = end + 1;
    return std::optional(line);
  }

  std::optional<std::string_view> Take(size_t count) {
    if (bytes_.size() - position_ < count) return std::nullopt;
    const std::string_view taken = bytes_.substr(position_, count);
    position_ += count;
    return taken;
  }

 private:
  std::string_view bytes_;
  size_t position_ = 0;
};

// A line of `type` and a number, such as "$12". Nullopt: incomplete.
absl::StatusOr<std::optional<int64_t>> TakeLength(Cursor& cursor, char type, int64_t limit) {
  ASSIGN_OR_RETURN(const std::optional<std::string_view> line, cursor.TakeLine());
  if (!line) return std::optional<int64_t>();
  int64_t length = 0;
  const char* const end = line->data() + line->size();
  if (line->empty() || line->front() != type) {
    return absl::InvalidArgumentError(
        fmt::format("expected '{}', found '{}'", type, line->substr(0, 16)));
  }
  const auto [stop, error] = std::from_chars(line->data() + 1, end, length);
  if (error != std::errc() || stop != end || length < -1 || length > limit) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is not a length of 0 … {}", line->substr(0, 24), limit));
  }
  return std::optional(length);
}

// One bulk string with its line end. Nullopt: incomplete.
absl::StatusOr<std::optional<std::string_view>> TakeBulk(Cursor& cursor) {
  ASSIGN_OR_RETURN(const std::optional<int64_t> length, TakeLength(cursor, '$', kMaxBulkBytes));
  if (!length) return std::optional<std::string_view>();
  if (*length < 0) return absl::InvalidArgumentError("a null string inside a command");
  const auto bulk = cursor.Take(static_cast<size_t>(*length));
  const auto line_end = bulk ? cursor.Take(2) : std::nullopt;
  if (!line_end) return std::optional<std::string_view>();
  if (*line_end != "\r\n") return absl::InvalidArgumentError("a string is longer than its length");
  return bulk;
}

absl::StatusOr<bool> TakeArray(Cursor& cursor, RespCommand& command) {
  ASSIGN_OR_RETURN(const std::optional<int64_t> count, TakeLength(cursor, '*', kMaxArguments));
  if (!count) return false;
  for (int64_t i = 0; i < *count; ++i) {
    ASSIGN_OR_RETURN(const std::optional<std::string_view> bulk, TakeBulk(cursor));
    if (!bulk) return false;
    command.emplace_back(*bulk);
  }
  return true;
}

// Words divided by blanks. Quotes are not interpreted: a primary streams none.
absl::StatusOr<bool> TakeInline(Cursor& cursor, RespCommand& command) {
  ASSIGN_OR_RETURN(const std::optional<std::string_view> line, cursor.TakeLine());
  if (!line) return false;
  std::string_view rest = *line;
  while (true) {
    rest.remove_prefix(std::min(rest.find_first_not_of(kSpaces), rest.size()));
    if (rest.empty()) return true;
    const size_t end = std::min(rest.find_first_of(kSpaces), rest.size());
    command.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
}

bool IsPlain(std::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '\'' && c != '\\';
  });
}

std::string Quote(std::string_view word) {
  std::string quoted = "\"";
  for (const char c : word) {
    switch (c) {
      case '"':
        quoted += "\\\"";
        break;
      case '\\':
        quoted += "\\\\";
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      case '\t':
        quoted += "\\t";
        break;
      default:
        if (c >= ' ' && c < 0x7f) {
          quoted += c;
        } else {
          quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
  }
  return quoted + '"';
}

}  // namespace

absl::Status RespDecoder::Feed(std::string_view bytes, std::vector<RespCommand>& commands) {
  pending_ += bytes;
  size_t done = 0;
  while (done < pending_.size()) {
    Cursor cursor(std::string_view(pending_).substr(done));
    RespCommand command;
    const absl::StatusOr<bool> complete =
        cursor.Peek() == '*' ? TakeArray(cursor, command) : TakeInline(cursor, command);
    if (!complete.ok()) {
      pending_.clear();
      return complete.status();
    }
    if (!*complete) break;
    done += cursor.position();
    if (!command.empty()) commands.push_back(std::move(command));
  }
  pending_.erase(0, done);
  if (pending_.size() <= kMaxCommandBytes) return absl::OkStatus();
  pending_.clear();
  return absl::InvalidArgumentError("a command passes 64 MiB");
}

std::string FormatRespCommand(const RespCommand& command) {
  std::string line;
  for (const std::string& word : command) {
    if (!line.empty()) line += ' ';
    line += IsPlain(word) ? word : Quote(word);
  }
  return line;
}

}  // namespace cairn::cli
