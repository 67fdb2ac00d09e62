#include "server/console/query.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace cairn::console {
namespace {

constexpr size_t kMaxTextBytes = 255;
constexpr size_t kShownBytes = 40;

}  // namespace

const std::string* Query::Find(const std::string& name) {
  known_.insert(name);
  const auto found = request_.query.find(name);
  return found == request_.query.end() ? nullptr : &found->second;
}

void Query::Note(std::string wrong) {
  if (!wrong_) wrong_ = std::move(wrong);
}

uint64_t Query::Number(const std::string& name, uint64_t otherwise, uint64_t min, uint64_t max) {
  const std::string* text = Find(name);
  if (text == nullptr) return otherwise;
  uint64_t value = 0;
  const char* end = text->data() + text->size();
  const auto [at, error] = std::from_chars(text->data(), end, value);
  if (error == std::errc() && at == end && value >= min && value <= max) return value;
  Note(fmt::format("{} is \"{}\": expected a number from {} to {}", name,
                   text->substr(0, kShownBytes), min, max));
  return otherwise;
}

std::string Query::Text(const std::string& name) {
  const std::string* text = Find(name);
  if (text == nullptr) return "";
  if (text->size() <= kMaxTextBytes) return *text;
  Note(fmt::format("{} has {} bytes: expected at most {}", name, text->size(), kMaxTextBytes));
  return "";
}

std::string Query::Required(const std::string& name) {
  std::string text = Text(name);
  if (text.empty()) Note(fmt::format("{} is missing: name a log, as in ?{}=orders", name, name));
  return text;
}

std::optional<std::string> Query::Wrong() const {
  if (wrong_) return wrong_;
  for (const auto& [name, value] : request_.query) {
    if (known_.count(name) != 0) continue;
    return fmt::format("there is no parameter \"{}\" here: expected {}",
                       name.substr(0, kShownBytes), fmt::join(known_, ", "));
  }
  return std::nullopt;
}

}  // namespace cairn::console
