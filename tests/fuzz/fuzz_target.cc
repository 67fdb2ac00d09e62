#include "tests/fuzz/fuzz_target.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>

#include "base/check.h"

namespace cairn::fuzz {
namespace {

// Made by whoever asks first: targets register while globals are being made.
std::vector<FuzzTarget>& Registry() {
  static auto* const registry = new std::vector<FuzzTarget>();
  return *registry;
}

}  // namespace

Registered::Registered(const FuzzTarget& target) {
  std::vector<FuzzTarget>& all = Registry();
  const auto by_name = [](const FuzzTarget& a, const FuzzTarget& b) { return a.name < b.name; };
  all.insert(std::lower_bound(all.begin(), all.end(), target, by_name), target);
}

const std::vector<FuzzTarget>& Targets() {
  // It would write a line for each text that is no UTF-8.
  static auto* const silenced = google::protobuf::SetLogHandler(nullptr);
  (void)silenced;
  return Registry();
}

uint64_t Input::Number(size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value |= uint64_t{Byte()} << (8 * i);
  return value;
}

std::string Number(uint64_t value, size_t bytes) {
  std::string out;
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

std::string Piece(std::string_view bytes) {
  CHECK_LT(bytes.size(), size_t{1} << 16);
  return Number(bytes.size(), 2) + std::string(bytes);
}

}  // namespace cairn::fuzz
