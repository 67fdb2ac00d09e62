#include "adapter/redis/stream_cutter.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "adapter/redis/command_info.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace cairn::adapter::redis {
namespace {

// The front of a command, as far as it was kept.
class Head {
 public:
  explicit Head(std::string_view bytes) : rest_(bytes) {}

  // The number of a line like "*3"; nullopt when that is not what follows.
  std::optional<uint64_t> TakeNumber(char type) {
    const size_t end = rest_.find("\r\n");
    if (end == std::string_view::npos || rest_.front() != type) return std::nullopt;
    uint64_t number = 0;
    const auto [stop, error] = std::from_chars(rest_.data() + 1, rest_.data() + end, number);
    if (error != std::errc() || stop != rest_.data() + end) return std::nullopt;
    rest_.remove_prefix(end + 2);
    return number;
  }

  // An argument; what is longer than the kept bytes is cut.
  std::optional<std::string_view> TakeArgument() {
    const std::optional<uint64_t> size = TakeNumber('$');
    if (!size) return std::nullopt;
    const std::string_view argument = rest_.substr(0, *size);
    rest_.remove_prefix(std::min<uint64_t>(rest_.size(), *size + 2));
    return argument;
  }

 private:
  std::string_view rest_;
};

}  // namespace

absl::StatusOr<StreamPiece> StreamCutter::Next(std::string_view* input) {
  CHECK(!input->empty());
  RETURN_IF_ERROR(status_);
  StreamPiece piece;
  piece.begins_unit = !open_;
  if (!open_) {
    open_ = true;
    unit_db_ = db_;
  }
  piece.db_before = unit_db_;
  const char* const begin = input->data();
  while (!piece.ends_unit && !input->empty()) {
    if (status_ = TakeCommandBytes(input); !status_.ok()) return status_;
    if (!command_ended_) break;
    const absl::StatusOr<Command> command = JudgeCommand();
    if (!command.ok()) return status_ = command.status();
    piece.dropped = !in_transaction_ && *command == Command::kForConnection;
    if (*command == Command::kMulti) in_transaction_ = true;
    if (*command == Command::kExec) in_transaction_ = false;
    piece.ends_unit = !in_transaction_;
  }
  piece.bytes = {begin, static_cast<size_t>(input->data() - begin)};
  piece.end_offset = offset_;
  open_ = !piece.ends_unit;
  return piece;
}

// Up to the end of a command, whose front is kept.
absl::Status StreamCutter::TakeCommandBytes(std::string_view* input) {
  const absl::StatusOr<ReplyPiece> part = scanner_.Next(input);
  if (!part.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("the replication stream breaks off behind offset {}: {}", offset_,
                    part.status().ToString()));
  }
  if (part->begins) head_size_ = 0;
  const size_t kept = std::min(part->bytes.size(), kHeadBytes - head_size_);
  std::memcpy(head_.data() + head_size_, part->bytes.data(), kept);
  head_size_ += kept;
  offset_ += part->bytes.size();
  command_ended_ = part->ends;
  // By the first byte: attributes, which a reply may have in front, are not for commands.
  if (head_[0] != static_cast<char>(ReplyType::kArray) || part->null) return NotACommand();
  return absl::OkStatus();
}

// What the command that has just ended means for the cutting; follows SELECT.
absl::StatusOr<StreamCutter::Command> StreamCutter::JudgeCommand() {
  Head head({head_.data(), head_size_});
  const std::optional<uint64_t> count = head.TakeNumber('*');
  const std::optional<std::string_view> name = head.TakeArgument();
  if (!count || !name || name->empty()) return NotACommand();
  if (EqualsIgnoringCase(*name, "multi")) return Command::kMulti;
  if (EqualsIgnoringCase(*name, "exec")) return Command::kExec;
  if (EqualsIgnoringCase(*name, "ping")) return ForConnection();
  const bool flush = EqualsIgnoringCase(*name, "flushall") || EqualsIgnoringCase(*name, "flushdb");
  if (flush || EqualsIgnoringCase(*name, "swapdb")) ++flushes_;
  const bool select = EqualsIgnoringCase(*name, "select");
  if (!select && !EqualsIgnoringCase(*name, "replconf")) return Command::kOther;

  const std::optional<std::string_view> argument = head.TakeArgument();
  if (*count < 2 || !argument) return NotACommand();
  if (!select) {
    if (!EqualsIgnoringCase(*argument, "getack")) return Command::kOther;
    return ForConnection();
  }
  const char* const end = argument->data() + argument->size();
  const auto [stop, error] = std::from_chars(argument->data(), end, db_);
  if (error != std::errc() || stop != end) return NotACommand();
  return Command::kOther;
}

// An engine's are short. Of a long one, parts would be handed on before it is known to be dropped.
absl::StatusOr<StreamCutter::Command> StreamCutter::ForConnection() const {
  if (head_size_ == kHeadBytes) return NotACommand();
  return Command::kForConnection;
}

absl::Status StreamCutter::NotACommand() const {
  const std::string_view head(head_.data(), std::min<size_t>(head_size_, 24));
  std::string shown;
  for (const char c : head) shown += c >= ' ' && c < 0x7f ? c : '.';
  return absl::InvalidArgumentError(fmt::format(
      "the replication stream has no command before offset {} but '{}'", offset_, shown));
}

}  // namespace cairn::adapter::redis
