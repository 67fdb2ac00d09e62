#include "adapter/redis/reply_scanner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace cairn::adapter::redis {
namespace {

// Lengths of strings and numbers of elements: more digits than an engine can mean.
constexpr uint8_t kMaxDigits = 15;

bool IsAggregate(char type) {
  return type == '*' || type == '%' || type == '~' || type == '>' || type == '|';
}

bool MayBeNull(char type) { return type == '$' || type == '*'; }

}  // namespace

absl::StatusOr<ReplyPiece> ReplyScanner::Next(std::string_view* input) {
  CHECK(!input->empty());
  if (!status_.ok()) return status_;
  ReplyPiece piece;
  piece.begins = !open_;
  if (!open_) {
    open_ = true;
    done_ = false;
    null_ = false;
    type_ = ReplyType::kAttribute;
  }
  const char* const begin = input->data();
  const char* const end = begin + input->size();
  const char* at = begin;
  while (at != nullptr && at != end && !done_) at = Scan(at, end);
  if (at == nullptr) return status_;
  piece.bytes = {begin, static_cast<size_t>(at - begin)};
  piece.ends = done_;
  piece.type = type_;
  piece.null = null_;
  if (done_) open_ = false;
  input->remove_prefix(piece.bytes.size());
  return piece;
}

// One step; returns where the next begins, or null after an error.
const char* ReplyScanner::Scan(const char* at, const char* end) {
  switch (state_) {
    case State::kType:
      return Begin(at);
    case State::kLine: {
      const void* const line_end = std::memchr(at, '\n', static_cast<size_t>(end - at));
      if (line_end == nullptr) return end;
      ElementDone();
      return static_cast<const char*>(line_end) + 1;
    }
    case State::kLength:
      return ScanLength(at, end);
    case State::kLengthEnd:
      if (*at != '\n') return Fail("a length does not end in \\r\\n");
      TakeLength();
      return status_.ok() ? at + 1 : nullptr;
    case State::kBytes: {
      const uint64_t taken = std::min(length_, static_cast<uint64_t>(end - at));
      length_ -= taken;
      if (length_ == 0) state_ = State::kCr;
      return at + taken;
    }
    case State::kCr:
      if (*at != '\r') return Fail("a string is longer than its length");
      state_ = State::kLf;
      return at + 1;
    case State::kLf:
      if (*at != '\n') return Fail("a string is longer than its length");
      ElementDone();
      return at + 1;
  }
  CHECK_UNREACHABLE();
}

const char* ReplyScanner::Begin(const char* at) {
  element_ = *at;
  // Attributes do not count as elements: what they describe follows.
  if (levels_.empty() && element_ != '|') type_ = static_cast<ReplyType>(element_);
  switch (element_) {
    case '_':
      null_ |= levels_.empty();
      [[fallthrough]];
    case '+':
    case '-':
    case ':':
    case '#':
    case ',':
    case '(':
      state_ = State::kLine;
      return at + 1;
    case '$':
    case '*':
    case '!':
    case '=':
    case '%':
    case '~':
    case '>':
    case '|':
      state_ = State::kLength;
      length_ = 0;
      digits_ = 0;
      negative_ = false;
      return at + 1;
    default:
      return Fail(fmt::format("a reply cannot begin with byte {:#04x}",
                              static_cast<unsigned char>(element_)));
  }
}

const char* ReplyScanner::ScanLength(const char* at, const char* end) {
  for (; at != end; ++at) {
    const char c = *at;
    if (c >= '0' && c <= '9') {
      if (++digits_ > kMaxDigits) return Fail("a length of more than 15 digits");
      length_ = length_ * 10 + static_cast<uint64_t>(c - '0');
    } else if (c == '\r' && digits_ > 0) {
      state_ = State::kLengthEnd;
      return at + 1;
    } else if (c == '-' && digits_ == 0 && !negative_) {
      negative_ = true;
    } else if (c == '?') {
      return Fail("a streamed reply");
    } else {
      return Fail(fmt::format("byte {:#04x} in a length", static_cast<unsigned char>(c)));
    }
  }
  return at;
}

void ReplyScanner::TakeLength() {
  if (negative_) {
    if (length_ != 1 || !MayBeNull(element_)) {
      Fail("a negative length");
      return;
    }
    null_ |= levels_.empty();
    return ElementDone();
  }
  if (IsAggregate(element_)) {
    const bool pairs = element_ == '%' || element_ == '|';
    return Open(pairs ? 2 * length_ : length_, element_ == '|');
  }
  state_ = length_ == 0 ? State::kCr : State::kBytes;
}

void ReplyScanner::Open(uint64_t elements, bool attribute) {
  state_ = State::kType;
  if (elements == 0) {
    if (!attribute) ElementDone();
    return;
  }
  if (levels_.size() == kMaxDepth) {
    Fail("a reply is nested too deep");
    return;
  }
  levels_.push_back({elements, attribute});
}

// An element is complete, and perhaps all that it was the last of.
void ReplyScanner::ElementDone() {
  state_ = State::kType;
  while (!levels_.empty()) {
    if (--levels_.back().left > 0) return;
    const bool attribute = levels_.back().attribute;
    levels_.pop_back();
    if (attribute) return;
  }
  done_ = true;
}

const char* ReplyScanner::Fail(std::string_view what) {
  status_ = absl::InvalidArgumentError(fmt::format("not a reply: {}", what));
  return nullptr;
}

}  // namespace cairn::adapter::redis
