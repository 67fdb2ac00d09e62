#include "adapter/redis/resp_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace cairn::adapter::redis {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

void AppendHeader(char type, uint64_t count, std::string* out) {
  const fmt::format_int digits(count);
  *out += type;
  out->append(digits.data(), digits.size());
  *out += kLineEnd;
}

void AppendBulk(std::string_view bytes, std::string* out) {
  AppendHeader('$', bytes.size(), out);
  *out += bytes;
  *out += kLineEnd;
}

// As Redis prints one: 17 digits are enough to read the same value again.
std::string DoubleText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return fmt::format("{:.17g}", value);
}

}  // namespace

void ReplyWriter::Header(char type, uint64_t count) { AppendHeader(type, count, out_); }

void ReplyWriter::Line(char type, std::string_view text) {
  *out_ += type;
  std::transform(text.begin(), text.end(), std::back_inserter(*out_),
                 [](char c) { return c == '\r' || c == '\n' ? ' ' : c; });
  *out_ += kLineEnd;
}

void ReplyWriter::Simple(std::string_view text) { Line('+', text); }
void ReplyWriter::Error(std::string_view text) { Line('-', text); }
void ReplyWriter::Integer(int64_t value) { Line(':', fmt::format_int(value).c_str()); }
void ReplyWriter::Bulk(std::string_view bytes) { AppendBulk(bytes, out_); }
void ReplyWriter::Null() { *out_ += version_ == RespVersion::k3 ? "_\r\n" : "$-1\r\n"; }
void ReplyWriter::NullArray() { *out_ += version_ == RespVersion::k3 ? "_\r\n" : "*-1\r\n"; }

void ReplyWriter::Boolean(bool value) {
  if (version_ == RespVersion::k2) return Integer(value ? 1 : 0);
  Line('#', value ? "t" : "f");
}

void ReplyWriter::Double(double value) {
  if (version_ == RespVersion::k2) return Bulk(DoubleText(value));
  Line(',', DoubleText(value));
}

void ReplyWriter::Verbatim(std::string_view format, std::string_view text) {
  if (version_ == RespVersion::k2) return Bulk(text);
  Header('=', format.size() + 1 + text.size());
  *out_ += format;
  *out_ += ':';
  *out_ += text;
  *out_ += kLineEnd;
}

void ReplyWriter::Array(size_t elements) { Header('*', elements); }
void ReplyWriter::Set(size_t elements) {
  Header(version_ == RespVersion::k3 ? '~' : '*', elements);
}
void ReplyWriter::Map(size_t pairs) {
  version_ == RespVersion::k3 ? Header('%', pairs) : Header('*', 2 * pairs);
}
void ReplyWriter::Push(size_t elements) {
  Header(version_ == RespVersion::k3 ? '>' : '*', elements);
}

void AppendCommand(std::span<const std::string_view> argv, std::string* out) {
  AppendHeader('*', argv.size(), out);
  for (const std::string_view argument : argv) AppendBulk(argument, out);
}

void AppendCommand(std::initializer_list<std::string_view> argv, std::string* out) {
  AppendCommand(std::span(argv.begin(), argv.size()), out);
}

std::string EncodeCommand(std::initializer_list<std::string_view> argv) {
  std::string out;
  AppendCommand(argv, &out);
  return out;
}

}  // namespace cairn::adapter::redis
