#include "adapter/memcache/reply_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "adapter/memcache/line_text.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace cairn::adapter::memcache {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
// No engine has larger items.
constexpr uint64_t kMaxValueBytes = uint64_t{1} << 30;

bool IsError(std::string_view text) {
  return text == "ERROR" || text.starts_with("ERROR ") || text.starts_with("CLIENT_ERROR ") ||
         text.starts_with("SERVER_ERROR ");
}

// A line of two capital letters, maybe with flags behind them.
bool IsMetaCode(std::string_view text) {
  constexpr std::string_view kCodes[] = {"HD", "VA", "EN", "NF", "NS", "EX", "OK", "ME", "MN"};
  if (text.size() > 2 && text[2] != ' ') return false;
  return std::find(std::begin(kCodes), std::end(kCodes), text.substr(0, 2)) != std::end(kCodes);
}

bool IsStatistic(std::string_view text) {
  return text.starts_with("STAT ") || text.starts_with("ITEM ") || text.starts_with("PREFIX ");
}

}  // namespace

ReplyKind ReplyKindOf(const Request& request) {
  switch (request.verb) {
    case Verb::kGet:
    case Verb::kGets:
    case Verb::kGat:
    case Verb::kGats:
      return ReplyKind::kValues;
    case Verb::kStats:
      return ReplyKind::kStats;
    default:
      return request.meta_command() ? ReplyKind::kMeta : ReplyKind::kLine;
  }
}

absl::StatusOr<std::optional<ReplyPiece>> ReplyParser::Next(ReplyKind kind,
                                                            std::string_view* input) {
  if (!status_.ok()) return status_;
  if (value_left_ == 0) return TakeLine(kind, input);
  if (input->empty()) return std::nullopt;
  ASSIGN_OR_RETURN(const ReplyPiece piece, TakeValue(kind, input));
  return piece;
}

absl::StatusOr<std::optional<ReplyPiece>> ReplyParser::TakeLine(ReplyKind kind,
                                                                std::string_view* input) {
  const size_t end = input->substr(0, kMaxLineBytes).find('\n');
  if (end == std::string_view::npos) {
    if (input->size() < kMaxLineBytes) return std::nullopt;
    return Fail("a line without an end", *input);
  }
  ReplyPiece piece{.bytes = input->substr(0, end + 1), .line = true};
  if (!piece.bytes.ends_with(kLineEnd)) return Fail("a line that ends in another way", piece.bytes);
  RETURN_IF_ERROR(JudgeLine(kind, piece.bytes.substr(0, end - 1), &piece.ends));
  open_ = !piece.ends;
  input->remove_prefix(end + 1);
  return piece;
}

absl::StatusOr<ReplyPiece> ReplyParser::TakeValue(ReplyKind kind, std::string_view* input) {
  ReplyPiece piece{.bytes = input->substr(0, value_left_)};
  const uint64_t left = value_left_ - piece.bytes.size();
  for (size_t i = 0; i < kLineEnd.size(); ++i) {
    // The last two bytes of the value are its line end; whichever of them are in this piece.
    const uint64_t from_end = kLineEnd.size() - i;
    if (left >= from_end || left + piece.bytes.size() < from_end) continue;
    if (piece.bytes[piece.bytes.size() - (from_end - left)] != kLineEnd[i]) {
      return Fail("a value that is longer than its line says", "");
    }
  }
  value_left_ = left;
  piece.ends = left == 0 && kind == ReplyKind::kMeta;
  open_ = !piece.ends;
  input->remove_prefix(piece.bytes.size());
  return piece;
}

// Whether the line is one that may stand here, whether it is the last, and if a value follows.
absl::Status ReplyParser::JudgeLine(ReplyKind kind, std::string_view line, bool* ends) {
  switch (kind) {
    case ReplyKind::kLine:
      *ends = true;
      return absl::OkStatus();
    case ReplyKind::kValues: {
      *ends = line == "END" || IsError(line);
      if (*ends) return absl::OkStatus();
      const Words words = SplitWords(line, 6);
      if (words.size() < 4 || words.size() > 5 || words[0] != "VALUE") break;
      return ExpectValue(words[3]);
    }
    case ReplyKind::kMeta:
    case ReplyKind::kMetaGroup: {
      if (!IsMetaCode(line) && !IsError(line)) break;
      *ends = kind == ReplyKind::kMeta || line == "MN";
      if (!line.starts_with("VA")) return absl::OkStatus();
      *ends = false;
      const Words words = SplitWords(line, 2);
      return ExpectValue(words.size() == 2 ? words[1] : std::string_view());
    }
    case ReplyKind::kStats:
      if (IsStatistic(line)) return absl::OkStatus();
      // What is one line alone may be anything: RESET, OK, an error.
      *ends = true;
      if (!open_ || line == "END" || IsError(line)) return absl::OkStatus();
      break;
  }
  return Fail("a line that is not due", line);
}

absl::Status ReplyParser::ExpectValue(std::string_view digits) {
  const std::optional<uint64_t> bytes = ReadUnsigned64(digits);
  if (!bytes || *bytes > kMaxValueBytes) return Fail("a value of no length", digits);
  value_left_ = *bytes + kLineEnd.size();
  return absl::OkStatus();
}

absl::Status ReplyParser::Fail(std::string_view what, std::string_view line) {
  status_ =
      absl::InvalidArgumentError(fmt::format("the engine sent {}: '{}'", what, line.substr(0, 80)));
  return status_;
}

}  // namespace cairn::adapter::memcache
