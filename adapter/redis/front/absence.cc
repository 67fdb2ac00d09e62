#include "adapter/redis/front/absence.h"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace cairn::adapter::redis {
namespace {

// With several keys: one that is absent leaves nothing in the reply.
constexpr std::string_view kOfAllKeys[] = {"sinter", "sintercard", "zinter", "zintercard"};

// What the engine says of a key that it does not have, where it says so by an error.
constexpr std::string_view kAbsentErrors[] = {"-ERR no such key", "-NOGROUP"};

int64_t NumberOf(std::string_view line) {
  int64_t number = 0;
  std::from_chars(line.data(), line.data() + line.size(), number);
  return number;
}

// One element of a reply: a value, or the header of a list whose elements follow.
struct Element {
  char type = 0;
  std::string_view line;  // Behind the type.
};

// The elements of a reply, one behind the other, however they are nested.
class Elements {
 public:
  explicit Elements(std::string_view reply) : rest_(reply) {}

  // False at the end, be it in the middle of an element.
  bool Next(Element* element) {
    const size_t end = rest_.find("\r\n");
    if (end == std::string_view::npos) return false;
    *element = {rest_[0], rest_.substr(1, end - 1)};
    size_t size = end + 2;
    const bool string = element->type == '$' || element->type == '=' || element->type == '!';
    if (string && NumberOf(element->line) >= 0) {
      size += static_cast<size_t>(NumberOf(element->line)) + 2;
    }
    rest_.remove_prefix(std::min(size, rest_.size()));
    return true;
  }

 private:
  std::string_view rest_;
};

bool IsNull(const Element& element) {
  return element.type == '_' ||
         ((element.type == '$' || element.type == '*') && element.line.starts_with('-'));
}

// Headers of lists are nothing by themselves.
bool IsNothing(const Element& element) {
  switch (element.type) {
    case ':':
    case '$':
    case '=':
      return NumberOf(element.line) <= 0;
    case ',':
      return element.line == "0";
    case '#':
      return element.line == "f";
    case '+':
      return element.line == "none";
    default:
      return true;
  }
}

bool IsEmpty(std::string_view reply) {
  if (reply.starts_with('-')) {
    return std::any_of(std::begin(kAbsentErrors), std::end(kAbsentErrors),
                       [&](std::string_view error) { return reply.starts_with(error); });
  }
  Elements elements(reply);
  Element element;
  while (elements.Next(&element)) {
    if (!IsNothing(element)) return false;
  }
  return true;
}

bool HasNull(std::string_view reply) {
  Elements elements(reply);
  Element element;
  while (elements.Next(&element)) {
    if (IsNull(element)) return true;
  }
  return false;
}

}  // namespace

AbsenceSign SignOfAbsence(std::string_view command, size_t keys) {
  if (keys == 1) return AbsenceSign::kEmpty;
  if (command == "mget") return AbsenceSign::kAnyNull;
  if (command == "exists" || command == "touch") return AbsenceSign::kFewer;
  const bool of_all =
      std::find(std::begin(kOfAllKeys), std::end(kOfAllKeys), command) != std::end(kOfAllKeys);
  return of_all ? AbsenceSign::kEmpty : AbsenceSign::kHidden;
}

bool ShowsAbsence(AbsenceSign sign, size_t keys, std::string_view reply) {
  switch (sign) {
    case AbsenceSign::kNone:
      return false;
    case AbsenceSign::kEmpty:
      return IsEmpty(reply);
    case AbsenceSign::kAnyNull:
      return HasNull(reply);
    case AbsenceSign::kFewer:
      return reply.starts_with(':') && NumberOf(reply.substr(1)) < static_cast<int64_t>(keys);
    case AbsenceSign::kHidden:
      return true;
  }
  return true;
}

}  // namespace cairn::adapter::redis
