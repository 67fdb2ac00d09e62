// The words and numbers of a command line, by memcached's reading, which is C's: strtol and its
// like, with all that they let pass.
//
// Threads: none; pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"

namespace cairn::adapter::memcache {

using Words = absl::InlinedVector<std::string_view, 24>;

// What stands between spaces; only ' ' separates. At most `max_words`.
Words SplitWords(std::string_view line, size_t max_words);

// Leading white space and a sign are allowed; the number ends at the end of the word, at a zero
// byte or at white space, whatever follows it. nullopt: no number, or one of more than 64 bits.
// 32-bit numbers are the low 32 bits of what is written. Unsigned ones may be written as negative
// where that comes to less than 2^63 ("-18446744073709551615" is 1).
std::optional<uint64_t> ReadUnsigned64(std::string_view word);
std::optional<uint32_t> ReadUnsigned32(std::string_view word);
std::optional<int32_t> ReadSigned32(std::string_view word);

// The bytes of a key in base64; other characters than base64's are skipped. nullopt: it is none.
std::optional<std::string> DecodeKey(std::string_view text);
std::string EncodeKey(std::string_view key);

}  // namespace cairn::adapter::memcache
