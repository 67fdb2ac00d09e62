// Encoders of RESP: the replies that the agent gives by itself, and the commands that it sends.
//
// A reply is written for the protocol version that the client chose with HELLO: what RESP2 has no
// type for is written as Redis writes it to such clients (a map as an array of pairs, null as
// "$-1", a boolean as 0 or 1, a verbatim string as a bulk one).
//
// Everything is appended to a string of the caller, which must outlive the writer. An aggregate's
// header says how many elements follow; the caller writes exactly these.
// Threads: none of its own. Errors: none; a line end within a simple string or an error becomes a
// blank, since it would end the reply.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace cairn::adapter::redis {

enum class RespVersion : uint8_t { k2 = 2, k3 = 3 };

class ReplyWriter {
 public:
  ReplyWriter(RespVersion version, std::string* out) : version_(version), out_(out) {}

  void Simple(std::string_view text);
  // With its code: "ERR unknown command".
  void Error(std::string_view text);
  void Integer(int64_t value);
  void Bulk(std::string_view bytes);
  void Null();
  // Where RESP2 tells a missing list ("*-1") from a missing string.
  void NullArray();
  void Boolean(bool value);
  void Double(double value);
  // `format` has three characters: "txt", "mkd".
  void Verbatim(std::string_view format, std::string_view text);

  void Array(size_t elements);
  void Set(size_t elements);
  // Of `pairs` keys with their values: twice as many elements follow.
  void Map(size_t pairs);
  // Out of band: ">" in RESP3, an array in RESP2.
  void Push(size_t elements);

 private:
  void Header(char type, uint64_t count);
  void Line(char type, std::string_view text);

  RespVersion version_;
  std::string* out_;
};

// A command as an array of bulk strings: what clients and primaries send.
void AppendCommand(std::span<const std::string_view> argv, std::string* out);
void AppendCommand(std::initializer_list<std::string_view> argv, std::string* out);
std::string EncodeCommand(std::initializer_list<std::string_view> argv);

}  // namespace cairn::adapter::redis
