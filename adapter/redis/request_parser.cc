#include "adapter/redis/request_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "adapter/redis/inline_command.h"
#include "adapter/redis/resp_encoder.h"
#include "base/check.h"

namespace cairn::adapter::redis {
namespace {

constexpr size_t kMinReadBytes = size_t{16} << 10;
constexpr size_t kMaxReadBytes = size_t{64} << 10;
// From this size on an argument gets reads of its own, as Redis's PROTO_MBULK_BIG_ARG.
constexpr size_t kLargeBulkBytes = size_t{32} << 10;
constexpr size_t kMaxLineBytes = size_t{64} << 10;
constexpr size_t kKeptBytes = size_t{128} << 10;
constexpr size_t kKeptArguments = 1024;

// As Redis's string2ll: no sign but '-', no leading zero, no blank. False: not a number.
bool ParseNumber(std::string_view text, int64_t* number) {
  const bool negative = text.starts_with('-');
  const std::string_view digits = text.substr(negative ? 1 : 0);
  if (text == "0") {
    *number = 0;
    return true;
  }
  // 18 digits are more than any limit here, and do not overflow.
  if (digits.empty() || digits.size() > 18 || digits[0] == '0') return false;
  int64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  *number = negative ? -value : value;
  return true;
}

char Printable(char c) { return c == '\r' || c == '\n' ? ' ' : c; }

}  // namespace

std::span<char> RequestParser::Prepare() {
  CHECK(!found_);
  size_t bytes = std::max(read_bytes_, kMinReadBytes);
  if (bulk_bytes_ >= static_cast<int64_t>(kLargeBulkBytes)) {
    // The argument's end and no more; but no more at once than has come of it.
    const size_t missing = cursor_ + static_cast<size_t>(bulk_bytes_) + 2 - end_;
    bytes = std::min(missing, std::max(end_ - begin_, bytes));
  }
  MakeRoom(bytes);
  return {buffer_.data() + end_, bytes};
}

// Room for `bytes` behind end_: by what was done with, else by growing.
void RequestParser::MakeRoom(size_t bytes) {
  if (begin_ == end_) begin_ = cursor_ = scanned_ = end_ = 0;
  if (buffer_.size() - end_ >= bytes) return;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    cursor_ -= begin_;
    scanned_ -= std::min(scanned_, begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < bytes) buffer_.resize(end_ + bytes);
}

void RequestParser::Commit(size_t bytes) {
  CHECK_LE(bytes, buffer_.size() - end_);
  end_ += bytes;
  // A client that fills its reads gets longer ones.
  const size_t offered = std::max(read_bytes_, kMinReadBytes);
  read_bytes_ = bytes >= offered ? std::min(2 * offered, kMaxReadBytes) : offered;
}

void RequestParser::Feed(std::string_view bytes) {
  if (found_) DropRequest();
  MakeRoom(bytes.size());
  std::memcpy(buffer_.data() + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
}

RequestParser::Outcome RequestParser::Next() {
  if (found_) DropRequest();
  while (error_.empty()) {
    Step step = Step::kNeedMore;
    if (arguments_left_ != kUnknown) {
      step = ReadArguments();
    } else if (cursor_ < end_) {
      step = buffer_[cursor_] == '*' ? ReadCount() : ReadInline();
    }
    if (found_) return Outcome::kRequest;
    if (step == Step::kNeedMore) return Outcome::kNeedMore;
  }
  return Outcome::kError;
}

// Forgets the request that was found.
void RequestParser::DropRequest() {
  found_ = false;
  begin_ = scanned_ = cursor_;
  strict_ = true;
  arguments_left_ = bulk_bytes_ = kUnknown;
  argv_.clear();
  ranges_.clear();
  inline_argv_.clear();
  canonical_.clear();
  if (argv_.capacity() > kKeptArguments) std::vector<std::string_view>().swap(argv_);
  if (ranges_.capacity() > kKeptArguments) std::vector<Range>().swap(ranges_);
  if (canonical_.capacity() > kKeptBytes) std::string().swap(canonical_);
  if (begin_ == end_ && buffer_.size() > kKeptBytes) ReleaseMemory();
}

RequestParser::Step RequestParser::ReadInline() {
  size_t size = 0;
  const Step step = FindLineEnd('\n', "too big inline request", &size);
  if (step != Step::kDone) return step;
  std::string_view line(buffer_.data() + cursor_, size);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!SplitInlineCommand(line, &inline_argv_)) return Fail("unbalanced quotes in request");
  cursor_ += size + 1;
  if (inline_argv_.empty()) {
    DropRequest();
    return Step::kDone;
  }
  argv_.assign(inline_argv_.begin(), inline_argv_.end());
  AppendCommand(argv_, &canonical_);
  found_ = true;
  return Step::kDone;
}

RequestParser::Step RequestParser::ReadArguments() {
  while (arguments_left_ > 0) {
    if (bulk_bytes_ == kUnknown) {
      const Step step = ReadBulkLength();
      if (step != Step::kDone) return step;
    }
    const auto size = static_cast<size_t>(bulk_bytes_);
    if (end_ - cursor_ < size + 2) return Step::kNeedMore;
    ranges_.push_back({cursor_ - begin_, size});
    cursor_ += size + 2;
    strict_ &= buffer_[cursor_ - 2] == '\r' && buffer_[cursor_ - 1] == '\n';
    bulk_bytes_ = kUnknown;
    --arguments_left_;
  }
  const char* const start = buffer_.data() + begin_;
  for (const Range& range : ranges_) argv_.emplace_back(start + range.begin, range.size);
  if (!strict_) AppendCommand(argv_, &canonical_);
  found_ = true;
  return Step::kDone;
}

// "*3\r\n". A count of zero or less is a command that is none.
RequestParser::Step RequestParser::ReadCount() {
  int64_t count = 0;
  bool valid = false;
  const Step step = ReadNumber("too big mbulk count string", &count, &valid);
  if (step != Step::kDone) return step;
  if (!valid || count > static_cast<int64_t>(limits_.max_arguments)) {
    return Fail("invalid multibulk length");
  }
  if (!authenticated_ && count > static_cast<int64_t>(limits_.max_arguments_before_auth)) {
    return Fail("unauthenticated multibulk length");
  }
  if (count <= 0) {
    DropRequest();
  } else {
    arguments_left_ = count;
  }
  return Step::kDone;
}

RequestParser::Step RequestParser::ReadBulkLength() {
  if (cursor_ < end_ && buffer_[cursor_] != '$') {
    // Redis waits for the line's end before it looks at its first byte.
    size_t size = 0;
    const Step step = FindLineEnd('\r', "too big bulk count string", &size);
    if (step != Step::kDone) return step;
    return Fail(fmt::format("expected '$', got '{}'", Printable(buffer_[cursor_])));
  }
  int64_t size = 0;
  bool valid = false;
  const Step step = ReadNumber("too big bulk count string", &size, &valid);
  if (step != Step::kDone) return step;
  if (!valid || size < 0 || size > static_cast<int64_t>(limits_.max_bulk_bytes)) {
    return Fail("invalid bulk length");
  }
  if (!authenticated_ && size > static_cast<int64_t>(limits_.max_bulk_bytes_before_auth)) {
    return Fail("unauthenticated bulk length");
  }
  if (cursor_ - begin_ + static_cast<size_t>(size) > limits_.max_request_bytes) {
    return Fail(fmt::format("a request of more than {} bytes", limits_.max_request_bytes));
  }
  bulk_bytes_ = size;
  return Step::kDone;
}

// The number of a line like "*3\r\n", whose first byte the caller has judged. kDone: the line is
// taken.
RequestParser::Step RequestParser::ReadNumber(std::string_view too_big, int64_t* number,
                                              bool* valid) {
  // What nearly always comes: up to four digits and their line end.
  const char* const first = buffer_.data() + cursor_ + 1;
  const size_t most = end_ - cursor_ < 7 ? 0 : 5;
  int64_t value = 0;
  for (size_t i = 0; i < most; ++i) {
    const char c = first[i];
    if (c >= '0' && c <= '9') {
      value = value * 10 + (c - '0');
      continue;
    }
    if (i == 0 || c != '\r' || first[i + 1] != '\n' || (first[0] == '0' && i > 1)) break;
    *number = value;
    *valid = true;
    cursor_ += i + 3;
    return Step::kDone;
  }
  size_t size = 0;
  const Step step = FindLineEnd('\r', too_big, &size);
  if (step != Step::kDone) return step;
  *valid = ParseNumber({first, size - 1}, number);
  strict_ &= buffer_[cursor_ + size + 1] == '\n';
  cursor_ += size + 2;
  return Step::kDone;
}

// The bytes before the first `last` from the cursor on. After '\r' one more byte must have come.
RequestParser::Step RequestParser::FindLineEnd(char last, std::string_view too_big, size_t* size) {
  const size_t from = std::max(scanned_, cursor_);
  const void* const found =
      from < end_ ? std::memchr(buffer_.data() + from, last, end_ - from) : nullptr;
  const size_t at = found == nullptr
                        ? end_
                        : static_cast<size_t>(static_cast<const char*>(found) - buffer_.data());
  if (at - cursor_ > kMaxLineBytes) return Fail(std::string(too_big));
  scanned_ = at;
  if (found == nullptr || (last == '\r' && at + 1 == end_)) return Step::kNeedMore;
  *size = at - cursor_;
  return Step::kDone;
}

RequestParser::Step RequestParser::Fail(std::string text) {
  error_ = "ERR Protocol error: " + std::move(text);
  return Step::kFailed;
}

std::string_view RequestParser::bytes() const {
  CHECK(found_);
  if (!canonical_.empty()) return canonical_;
  return {buffer_.data() + begin_, cursor_ - begin_};
}

std::string RequestParser::TakeBytes() {
  CHECK(found_);
  std::string taken;
  if (!canonical_.empty()) {
    taken = std::move(canonical_);
    canonical_.clear();
  } else if (begin_ == 0 && cursor_ == end_) {
    taken = std::move(buffer_);
    taken.resize(end_);
    buffer_.clear();
    cursor_ = end_ = 0;
  } else {
    taken = bytes();
  }
  DropRequest();
  return taken;
}

size_t RequestParser::memory_bytes() const {
  return buffer_.capacity() + canonical_.capacity() + ranges_.capacity() * sizeof(Range) +
         argv_.capacity() * sizeof(std::string_view);
}

void RequestParser::ReleaseMemory() {
  if (found_) DropRequest();
  if (begin_ != end_ || arguments_left_ != kUnknown) return;
  std::string().swap(buffer_);
  begin_ = cursor_ = scanned_ = end_ = read_bytes_ = 0;
}

}  // namespace cairn::adapter::redis
