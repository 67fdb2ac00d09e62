#include "base/request_id.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <random>

#include "base/random.h"

namespace cairn {
namespace {

uint64_t DrawStart() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

}  // namespace

bool IsRequestId(std::string_view text) {
  const auto legal = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= kMaxRequestIdBytes &&
         std::all_of(text.begin(), text.end(), legal);
}

std::string MakeRequestId() {
  static const uint64_t start = DrawStart();
  static std::atomic<uint64_t> made{0};
  uint64_t bits = Random(start + made.fetch_add(1, std::memory_order_relaxed)).Next();
  std::string id(16, '0');
  for (char& digit : id) {
    digit = "0123456789abcdef"[bits & 15];
    bits >>= 4;
  }
  return id;
}

}  // namespace cairn
