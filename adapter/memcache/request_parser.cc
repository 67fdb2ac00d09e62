#include "adapter/memcache/request_parser.h"

#include <algorithm>
#include <utility>

#include "adapter/memcache/command_line.h"

namespace cairn::adapter::memcache {
namespace {

// A line of which so much has come and no end, must be a "get".
constexpr size_t kMaxOpenLineBytes = 2048;
constexpr size_t kMaxLeadingSpaces = 100;
constexpr char kBinaryMagic = '\x80';

bool BeginsLikeGet(std::string_view line) {
  const size_t spaces = std::min(line.find_first_not_of(' '), line.size());
  if (spaces > kMaxLeadingSpaces) return false;
  line.remove_prefix(spaces);
  return line.starts_with("get ") || line.starts_with("gets ");
}

// The agent writes these lines to its engine, which gives up on long ones but for "get".
bool TooLongForEngine(const Request& request) {
  const bool bounded =
      request.verb == Verb::kGat || request.verb == Verb::kGats || request.verb == Verb::kStats;
  return bounded && request.line.size() > kMaxOpenLineBytes;
}

RequestParser::Result Close(std::string reply, size_t consumed) {
  return {.outcome = RequestParser::Outcome::kRejected,
          .consumed = consumed,
          .reply = std::move(reply),
          .close = true};
}

}  // namespace

RequestParser::Result RequestParser::Parse(std::string_view bytes) {
  if (skip_ > 0) return Skip(bytes);
  if (bytes.empty()) return {.wanted = 1};
  if (first_ && bytes[0] == kBinaryMagic) return Close("ERROR\r\n", bytes.size());
  first_ = false;
  if (bytes.size() < pending_bytes_) return {.wanted = pending_bytes_};
  const size_t end = bytes.find('\n', searched_);
  if (end == std::string_view::npos) return WithoutLineEnd(bytes);
  searched_ = pending_bytes_ = 0;
  return ParseLine(bytes, end + 1);
}

RequestParser::Result RequestParser::Skip(std::string_view bytes) {
  const size_t skipped = static_cast<size_t>(std::min<uint64_t>(skip_, bytes.size()));
  skip_ -= skipped;
  return {.consumed = skipped, .wanted = 1};
}

RequestParser::Result RequestParser::WithoutLineEnd(std::string_view bytes) {
  const size_t bound = BeginsLikeGet(bytes) ? options_.max_line_bytes : kMaxOpenLineBytes;
  if (bytes.size() > bound) return Close("", bytes.size());
  searched_ = bytes.size();
  return {.wanted = bytes.size() + 1};
}

RequestParser::Result RequestParser::ParseLine(std::string_view bytes, size_t line_bytes) {
  if (line_bytes > options_.max_line_bytes) return Close("", bytes.size());
  std::string_view line = bytes.substr(0, line_bytes - 1);
  if (line.size() > 1 && line.ends_with('\r')) line.remove_suffix(1);
  CommandLine command = ReadCommandLine(line, options_.item_size);
  if (command.rejection) {
    skip_ = command.skip_bytes;
    return {.outcome = Outcome::kRejected,
            .consumed = line_bytes,
            .reply = *std::move(command.rejection),
            .close = command.close};
  }
  if (TooLongForEngine(command.request)) return Close("", bytes.size());
  if (command.value_bytes) {
    return TakeValue(bytes, line_bytes, *command.value_bytes, std::move(command.request));
  }
  skip_ = command.skip_bytes;
  return {
      .outcome = Outcome::kRequest, .consumed = line_bytes, .request = std::move(command.request)};
}

RequestParser::Result RequestParser::TakeValue(std::string_view bytes, size_t line_bytes,
                                               size_t value_bytes, Request request) {
  const size_t all = line_bytes + value_bytes;
  if (bytes.size() < all) {
    pending_bytes_ = all;
    return {.wanted = all};
  }
  const std::string_view value = bytes.substr(line_bytes, value_bytes);
  if (!value.ends_with("\r\n")) {
    const bool silent = request.noreply;
    return {.outcome = Outcome::kRejected,
            .consumed = all,
            .reply = silent ? "" : "CLIENT_ERROR bad data chunk\r\n"};
  }
  request.value = value.substr(0, value_bytes - 2);
  return {.outcome = Outcome::kRequest, .consumed = all, .request = std::move(request)};
}

}  // namespace cairn::adapter::memcache
