#include "adapter/memcache/line_text.h"

#include <array>
#include <limits>

#include "absl/strings/escaping.h"
#include "base/strings.h"

namespace cairn::adapter::memcache {
namespace {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// What C makes of a number: sign and size.
struct Number {
  bool negative = false;
  uint64_t magnitude = 0;
};

std::optional<Number> ReadNumber(std::string_view text) {
  Number number;
  size_t at = 0;
  while (at < text.size() && IsSpace(text[at])) ++at;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) number.negative = text[at++] == '-';
  const size_t first_digit = at;
  for (; at < text.size() && IsDigit(text[at]); ++at) {
    const auto digit = static_cast<uint64_t>(text[at] - '0');
    if (number.magnitude > (std::numeric_limits<uint64_t>::max() - digit) / 10) return std::nullopt;
    number.magnitude = number.magnitude * 10 + digit;
  }
  if (at == first_digit) return std::nullopt;
  if (at < text.size() && !IsSpace(text[at])) return std::nullopt;
  return number;
}

std::string_view UpToZeroByte(std::string_view text) { return text.substr(0, text.find('\0')); }

constexpr int8_t kPadding = 64;
constexpr int8_t kNotBase64 = -1;

constexpr std::array<int8_t, 256> MakeBase64Values() {
  std::array<int8_t, 256> values{};
  for (int8_t& value : values) value = kNotBase64;
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
  }
  values[static_cast<uint8_t>('=')] = kPadding;
  return values;
}
constexpr std::array<int8_t, 256> kBase64Values = MakeBase64Values();

}  // namespace

Words SplitWords(std::string_view line, size_t max_words) {
  Words words;
  while (words.size() < max_words) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    if (line.empty()) break;
    words.push_back(line.substr(0, line.find(' ')));
    line.remove_prefix(words.back().size());
  }
  return words;
}

std::optional<uint64_t> ReadUnsigned64(std::string_view word) {
  word = UpToZeroByte(word);
  const std::optional<Number> number = ReadNumber(word);
  if (!number) return std::nullopt;
  const uint64_t value = number->negative ? 0 - number->magnitude : number->magnitude;
  // A sign is looked for only where the number is that large, but then in all of the word.
  if (value >> 63 != 0 && word.find('-') != std::string_view::npos) return std::nullopt;
  return value;
}

std::optional<uint32_t> ReadUnsigned32(std::string_view word) {
  const std::optional<uint64_t> value = ReadUnsigned64(word);
  if (!value) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

std::optional<int32_t> ReadSigned32(std::string_view word) {
  const std::optional<Number> number = ReadNumber(UpToZeroByte(word));
  if (!number) return std::nullopt;
  const uint64_t largest = uint64_t{1} << 63;
  if (number->magnitude > (number->negative ? largest : largest - 1)) return std::nullopt;
  const uint64_t value = number->negative ? 0 - number->magnitude : number->magnitude;
  return static_cast<int32_t>(static_cast<uint32_t>(value));
}

std::optional<std::string> DecodeKey(std::string_view text) {
  std::string sextets;
  for (const char c : text) {
    const int8_t value = kBase64Values[static_cast<uint8_t>(c)];
    if (value != kNotBase64) sextets.push_back(static_cast<char>(value));
  }
  if (sextets.empty() || sextets.size() % 4 != 0) return std::nullopt;
  std::string key;
  for (size_t i = 0; i < sextets.size(); i += 4) {
    uint32_t bits = 0;
    size_t padding = 0;
    for (size_t j = i; j < i + 4; ++j) {
      padding += sextets[j] == kPadding ? 1 : 0;
      bits = bits << 6 | static_cast<uint32_t>(sextets[j] & 63);
    }
    if (padding > 2) return std::nullopt;
    for (size_t j = 0; j < 3 - padding; ++j) key.push_back(static_cast<char>(bits >> (16 - 8 * j)));
    if (padding > 0) break;  // What follows is not looked at.
  }
  return key;
}

std::string EncodeKey(std::string_view key) { return absl::Base64Escape(ToAbsl(key)); }

}  // namespace cairn::adapter::memcache
