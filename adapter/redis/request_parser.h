// RequestParser: cuts what a client sends into commands, as Redis 7 does.
//
//   socket ──Prepare/Commit──► buffer ──Next──► argv for the command table, bytes for the engine
//
// Takes RESP arrays of bulk strings and inline commands, in any mixture and in pieces of any size.
// Nothing is copied: argv are views into the buffer, and bytes() is the whole command as it came,
// so that it can be forwarded unchanged. Only what an engine might read in another way than this
// parser did (inline commands, line ends that Redis lets pass unchecked) is written anew, as an
// array of bulk strings: a pooled connection must never see a command of two readings.
//
// Cost: every byte is looked at once, wherever the reads end; the bytes of a large argument are
// never looked at, and while one arrives, no more than it needs is read, so that it stands alone in
// the buffer and TakeBytes() hands it on without a copy.
//
// Memory: grows with what has arrived, at most doubling, never with what a client announces, up to
// Limits::max_request_bytes. A buffer above 128 KiB is given back when its last command is done,
// and ReleaseMemory() gives back the rest while a client is silent.
//
// Lifetime: the views of a request hold until the next call of Next, Prepare, TakeBytes or
// ReleaseMemory. Threads: of one session.
// Errors: after the first one Next answers kError for ever; the session sends "-" + error() and
// closes, as Redis does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::adapter::redis {

class RequestParser {
 public:
  // Redis's own, by their defaults. They must not be wider than the engine's: it would answer a
  // command that passes them by closing a connection that many clients share.
  struct Limits {
    size_t max_bulk_bytes = size_t{512} << 20;     // proto-max-bulk-len
    size_t max_request_bytes = size_t{1} << 30;    // client-query-buffer-limit
    size_t max_arguments = size_t{1} << 20;        // Of Redis 6.2; later ones take 2^31.
    size_t max_arguments_before_auth = 10;         // While a password is asked for.
    size_t max_bulk_bytes_before_auth = 16 << 10;  // While a password is asked for.
  };
  enum class Outcome { kRequest, kNeedMore, kError };

  RequestParser() : RequestParser(Limits()) {}
  explicit RequestParser(const Limits& limits) : limits_(limits) {}

  // Where the next bytes of the socket go; never empty. Requires: Next answered kNeedMore.
  std::span<char> Prepare();
  // The first `bytes` of it have been filled.
  void Commit(size_t bytes);
  // Both at once, for who has the bytes already.
  void Feed(std::string_view bytes);

  // The next whole command. Empty lines and empty arrays are skipped without an answer.
  Outcome Next();

  // Of the request that Next found; at least one argument.
  [[nodiscard]] std::span<const std::string_view> argv() const { return argv_; }
  // As an array of bulk strings.
  [[nodiscard]] std::string_view bytes() const;
  // The same, owned; without a copy when the request fills the buffer. Ends argv().
  std::string TakeBytes();

  // The error reply's text: "ERR Protocol error: …".
  [[nodiscard]] const std::string& error() const { return error_; }

  // Whether the client may send large commands; false while the engine asks it for a password.
  void set_authenticated(bool authenticated) { authenticated_ = authenticated; }

  // Bytes that belong to no whole command yet.
  [[nodiscard]] size_t pending_bytes() const { return end_ - begin_; }
  [[nodiscard]] size_t memory_bytes() const;
  // Gives the buffer back if it is empty; a request that was found is done with.
  void ReleaseMemory();

 private:
  enum class Step { kDone, kNeedMore, kFailed };
  struct Range {
    size_t begin;  // From the start of the command.
    size_t size;
  };

  void DropRequest();
  void MakeRoom(size_t bytes);
  Step ReadInline();
  Step ReadCount();
  Step ReadArguments();
  Step ReadBulkLength();
  Step ReadNumber(std::string_view too_big, int64_t* number, bool* valid);
  Step FindLineEnd(char last, std::string_view too_big, size_t* size);
  Step Fail(std::string text);

  static constexpr int64_t kUnknown = -1;

  const Limits limits_;
  bool authenticated_ = true;

  std::string buffer_;  // Bytes at [begin_, end_) count.
  size_t begin_ = 0;    // Of the command being read, or that was found.
  size_t cursor_ = 0;   // All before it has been parsed.
  size_t scanned_ = 0;  // No line end in [cursor_, scanned_).
  size_t end_ = 0;
  size_t read_bytes_ = 0;  // What the next Prepare offers; adapts to the client.

  int64_t arguments_left_ = kUnknown;
  int64_t bulk_bytes_ = kUnknown;
  std::vector<Range> ranges_;
  bool strict_ = true;  // Every line and string of the command ends in "\r\n".
  bool found_ = false;  // argv_ and bytes() are valid.

  std::vector<std::string_view> argv_;
  std::vector<std::string> inline_argv_;
  std::string canonical_;  // The command's bytes when those in the buffer will not do.
  std::string error_;
};

}  // namespace cairn::adapter::redis
